/* SPDX-License-Identifier: MIT */
/*
 * settings.c - dotted settings, and the libconfig groups that they make.
 *
 * Owns:   the texts.
 * Called: by the harness.
 * Fails:  a full table or short memory is an assertion: it is a mistake of the test.
 */
#include "config.h"

#include "tests/support/settings.h"

#include <string.h>

static size_t
find(const struct settings *s, const char *path)
{
	size_t i = 0;

	while (i < s->n && strcmp(s->at[i].path, path) != 0)
		i++;
	return i;
}

void
settings_set(struct settings *s, const char *path, const char *value)
{
	size_t i = find(s, path);

	if (value == NULL) {
		if (i == s->n)
			return;
		free(s->at[i].path);
		free(s->at[i].value);
		s->at[i] = s->at[--s->n];
		return;
	}
	if (i == s->n) {
		ASSERT(s->n < SETTINGS_MAX);
		s->at[s->n].path = strdup(path);
		ASSERT(s->at[s->n].path != NULL);
		s->at[s->n++].value = NULL;
	}
	free(s->at[i].value);
	s->at[i].value = strdup(value);
	ASSERT(s->at[i].value != NULL);
}

void
settings_vsetf(struct settings *s, const char *path, const char *fmt, va_list ap)
{
	CLEANUP_BUF struct buf value = BUF_INIT;

	buf_vaddf(&value, fmt, ap);
	ASSERT(buf_status(&value) == 0);
	settings_set(s, path, buf_str(&value));
}

void
settings_setf(struct settings *s, const char *path, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	settings_vsetf(s, path, fmt, ap);
	va_end(ap);
}

const char *
settings_get(const struct settings *s, const char *path)
{
	size_t i = find(s, path);

	return i == s->n ? NULL : s->at[i].value;
}

/* Has an earlier setting the same first n bytes? Then its group is written already. */
static bool
is_repeated(const struct settings *s, size_t i, size_t n)
{
	for (size_t k = 0; k < i; k++)
		if (strncmp(s->at[k].path, s->at[i].path, n) == 0)
			return true;
	return false;
}

/* What stands under prefix (n bytes, with its dot), first the values, then the
   groups. */
static void
write_group(const struct settings *s, const char *prefix, size_t n, unsigned depth,
    struct buf *out)
{
	for (size_t i = 0; i < s->n; i++)
		if (strncmp(s->at[i].path, prefix, n) == 0 &&
		    strchr(s->at[i].path + n, '.') == NULL)
			buf_addf(out, "%*s%s = %s;\n", (int)depth * 2, "",
			    s->at[i].path + n, s->at[i].value);
	for (size_t i = 0; i < s->n; i++) {
		const char *path = s->at[i].path, *dot;
		size_t len;

		if (strncmp(path, prefix, n) != 0 ||
		    (dot = strchr(path + n, '.')) == NULL)
			continue;
		len = (size_t)(dot - path) + 1;
		if (is_repeated(s, i, len))
			continue;
		buf_addf(out, "%*s%.*s: {\n", (int)depth * 2, "", (int)(len - n - 1),
		    path + n);
		write_group(s, path, len, depth + 1, out);
		buf_addf(out, "%*s};\n", (int)depth * 2, "");
	}
}

void
settings_write(const struct settings *s, struct buf *out)
{
	write_group(s, "", 0, 0, out);
}

void
settings_release(struct settings *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->at[i].path);
		free(s->at[i].value);
	}
	s->n = 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * place.c - where each setting stands, and findings that say so.
 *
 * Owns:   the places in struct conf: "KEY FILE:LINE" each, keys as in
 *         "llm.providers[0].model", "auth_profiles.NAME.hosts", "agents[1].tools".
 * Called: while a configuration is read, and by whoever checks one.
 * Fails:  for want of memory a place is not known; the finding stands without it.
 */
#include "config.h"

#include "common/conf/options.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

void (*conf_finding_hook)(const char *line);

void
conf_place_add(struct conf *c, const char *key, const char *file, unsigned line)
{
	struct conf_list *list = &c->places;
	char **v = reallocarray(list->v, list->n + 1, sizeof(*v));
	int n;

	if (v == NULL)
		return;
	list->v = v;
	n = line > 0 ? asprintf(&v[list->n], "%s %s:%u", key, file, line)
		     : asprintf(&v[list->n], "%s %s", key, file);
	if (n >= 0)
		list->n++;
}

static const char *
find(const struct conf *c, const char *key, size_t n)
{
	for (size_t i = c->places.n; i-- > 0;)
		if (strncmp(c->places.v[i], key, n) == 0 && c->places.v[i][n] == ' ')
			return c->places.v[i] + n + 1;
	return NULL;
}

/* The setting's own place, else that of the group or record it belongs to. */
const char *
conf_place_of(const struct conf *c, const char *key)
{
	size_t n = strlen(key);

	while (n > 0) {
		const char *at = find(c, key, n);

		if (at != NULL)
			return at;
		do
			n--;
		while (n > 0 && key[n] != '.' && key[n] != '[');
	}
	return c->path != NULL && c->path[0] != '\0' ? c->path : NULL;
}

/* What does not fit is not cut in the middle of a word without a sign. */
static void
mark_cut(struct err *err)
{
	static const char mark[] = "\n(more was found)";

	memcpy(err->text + sizeof(err->text) - sizeof(mark), mark, sizeof(mark));
}

static void
add(struct err *err, int code, const char *line)
{
	size_t used, n = strlen(line);

	if (conf_finding_hook != NULL)
		conf_finding_hook(line);
	if (err == NULL)
		return;
	used = strlen(err->text);
	if (used + 1 + n + 1 > sizeof(err->text))
		mark_cut(err);
	else
		(void)snprintf(err->text + used, sizeof(err->text) - used, "%s%s",
		    used > 0 ? "\n" : "", line);
	if (err->code == 0)
		err->code = code;
}

int
conf_finding(struct err *err, int code, const char *fmt, ...)
{
	char line[ERR_TEXT_MAX - 64];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	add(err, code, line);
	return code;
}

int
conf_finding_at(const struct conf *c, struct err *err, int code, const char *key,
    const char *fmt, ...)
{
	const char *at = conf_place_of(c, key);
	char what[ERR_TEXT_MAX / 2];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return conf_finding(err, code, "%s%s%s", at != NULL ? at : "",
	    at != NULL ? ": " : "", what);
}

void
conf_warn(struct conf *c, const char *fmt, ...)
{
	struct conf_list *list = &c->warnings;
	char **v = reallocarray(list->v, list->n + 1, sizeof(*v));
	va_list ap;

	if (v == NULL)
		return;
	list->v = v;
	va_start(ap, fmt);
	if (vasprintf(&v[list->n], fmt, ap) >= 0)
		list->n++;
	va_end(ap);
}

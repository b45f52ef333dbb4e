/* SPDX-License-Identifier: MIT */
/*
 * expand.c - ${NAME} from the environment, and small files as text.
 *
 * Owns:   nothing; results belong to the caller.
 * Called: while a configuration file is read, never for role texts.
 * Fails:  an unset variable without default and an unreadable file are errors.
 */
#include "config.h"

#include "common/conf/options.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static bool
is_name_char(char c, bool is_first)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
	    (!is_first && c >= '0' && c <= '9');
}

/* Expands the reference at *p (just behind "${") and moves *p behind its brace. */
static int
expand_one(const char **p, struct buf *out, struct err *err)
{
	const char *name = *p, *end = *p, *close_brace;
	CLEANUP(freep) char *copy = NULL;
	const char *value;

	while (is_name_char(*end, end == name))
		end++;
	if (end == name || (*end != '}' && strncmp(end, ":-", 2) != 0))
		return err_set(err, -EINVAL,
		    "'${' must be followed by NAME} or NAME:-default}; write '$${' for a "
		    "literal '${'");
	close_brace = strchr(end, '}');
	if (close_brace == NULL)
		return err_set(err, -EINVAL, "'${' without '}'");
	copy = strndup(name, (size_t)(end - name));
	if (copy == NULL)
		return err_set(err, -ENOMEM, "no memory");
	value = getenv(copy);
	if (value != NULL && (value[0] != '\0' || *end == '}'))
		buf_adds(out, value);
	else if (*end == ':')
		buf_add(out, end + 2, (size_t)(close_brace - end - 2));
	else
		return err_set(err, -EINVAL,
		    "environment variable %s is not set; write ${%s:-} if it may be empty",
		    copy, copy);
	*p = close_brace + 1;
	return 0;
}

int
conf_expand(const char *text, char **out, struct err *err)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	for (const char *p = text; *p != '\0';) {
		if (strncmp(p, "$${", 3) == 0) {
			buf_adds(&b, "${");
			p += 3;
		} else if (strncmp(p, "${", 2) == 0) {
			int r;

			p += 2;
			r = expand_one(&p, &b, err);
			if (r < 0)
				return r;
		} else {
			buf_addc(&b, *p++);
		}
	}
	*out = buf_take(&b, NULL);
	return *out != NULL ? 0 : err_set(err, -ENOMEM, "no memory");
}

int
conf_read_file(const char *path, size_t max, char **out, struct err *err)
{
	CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	CLEANUP_BUF struct buf b = BUF_INIT;
	char chunk[4096];
	ssize_t n;

	if (fd < 0)
		return err_set(err, -errno, "cannot open %s: %s", path,
		    strerror(errno));
	while ((n = read(fd, chunk, sizeof(chunk))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(err, -errno, "cannot read %s: %s", path,
			    strerror(errno));
		if (b.len + (size_t)n > max)
			return err_set(err, -EFBIG, "%s is longer than %zu bytes", path,
			    max);
		buf_add(&b, chunk, (size_t)n);
	}
	if (b.len > 0 && memchr(b.data, '\0', b.len) != NULL)
		return err_set(err, -EINVAL, "%s holds a NUL byte", path);
	*out = buf_take(&b, NULL);
	return *out != NULL ? 0 : err_set(err, -ENOMEM, "no memory");
}

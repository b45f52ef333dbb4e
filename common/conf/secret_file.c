/* SPDX-License-Identifier: MIT */
/*
 * secret_file.c - secrets that stand in files: file:PATH and credential:NAME.
 *
 * Owns:   nothing; the text is the caller's.
 * Called: while a configuration file is read, for secrets and URLs.
 * Fails:  with the file's name and what is wrong with it; never with its content.
 */
#include "config.h"

#include "common/conf/options.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

enum {
	SECRET_FILE_MAX = 64 * 1024
};

/* The service manager puts each credential into a file of that name. */
static int
credential_path(const char *name, char **out, struct err *err)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");

	if (name[0] == '\0' || strchr(name, '/') != NULL || strcmp(name, ".") == 0 ||
	    strcmp(name, "..") == 0)
		return err_set(err, -EINVAL,
		    "'credential:%s' does not name a credential; write credential:NAME",
		    name);
	if (dir == NULL || dir[0] == '\0')
		return err_set(err, -ENOENT,
		    "there is no credential %s, because CREDENTIALS_DIRECTORY is not set; "
		    "the unit file needs LoadCredential=%s:PATH",
		    name, name);
	if (asprintf(out, "%s/%s", dir, name) < 0)
		return err_set(err, -ENOMEM, "no memory");
	return 0;
}

/* One line, with or without its end; a secret holds no line break. */
static int
take_line(char *text, const char *path, struct err *err)
{
	size_t n = strlen(text);

	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
		n--;
	text[n] = '\0';
	if (n == 0)
		return err_set(err, -EINVAL, "%s is empty", path);
	if (strpbrk(text, "\r\n") != NULL)
		return err_set(err, -EINVAL, "%s holds more than one line", path);
	return 0;
}

/* The manager gives a credential to the service's user by an access list, which shows as
   bits of the group: those of others are told. */
static void
look_at_mode(const char *path, mode_t unwanted, char **remark)
{
	struct stat st;

	if (stat(path, &st) < 0 || !S_ISREG(st.st_mode) || (st.st_mode & unwanted) == 0)
		return;
	if (asprintf(remark,
		"%s can be read by others than its owner (mode %04o); chmod "
		"600 it",
		path, (unsigned)st.st_mode & 07777) < 0)
		*remark = NULL;
}

int
conf_read_secret(const char *value, char **out, char **remark, struct err *err)
{
	CLEANUP(freep) char *path = NULL;
	char *text = NULL;
	bool is_credential = strncmp(value, "credential:", 11) == 0;
	int r;

	if (is_credential)
		r = credential_path(value + 11, &path, err);
	else if (strncmp(value, "file:", 5) == 0)
		r = (path = strdup(value + 5)) != NULL
		    ? 0
		    : err_set(err, -ENOMEM, "no memory");
	else
		return 0;
	if (r == 0)
		r = conf_read_file(path, SECRET_FILE_MAX, &text, err);
	if (r == 0)
		r = take_line(text, path, err);
	if (r < 0) {
		if (text != NULL)
			explicit_bzero(text, strlen(text));
		free(text);
		return r;
	}
	look_at_mode(path, is_credential ? S_IROTH | S_IWOTH : S_IRWXG | S_IRWXO,
	    remark);
	*out = text;
	return 1;
}

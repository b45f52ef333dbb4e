/* SPDX-License-Identifier: MIT */
/*
 * places.c - looks up users, makes directories, binds the HTTP address.
 *
 * Owns:   nothing.
 * Called: by main before the first child, and by redis.c for its directory.
 * Fails:  with a sentence that names the remedy.
 */
#include "config.h"

#include "supervisor/places.h"

#include "supervisor/redis.h"
#include "supervisor/supervisor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pwd.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>

static int
find_user(const struct conf *c, const char *option, const char *name, uid_t *uid,
    gid_t *gid, struct err *err)
{
	const struct passwd *pw;

	errno = 0;
	pw = getpwnam(name);
	if (pw == NULL)
		return conf_finding_at(c, err,
		    errno != 0 && errno != ENOENT ? -errno : -ENOENT, option,
		    "%s: there is no user \"%s\"; make it with: useradd --system "
		    "--no-create-home --shell /usr/sbin/nologin --user-group %s",
		    option, name, name);
	if (pw->pw_uid == 0)
		return conf_finding_at(c, err, -EPERM, option,
		    "%s: \"%s\" is root; name a user without privileges", option, name);
	*uid = pw->pw_uid;
	*gid = pw->pw_gid;
	return 0;
}

int
places_identity(const struct conf *c, struct identity *out, struct err *err)
{
	struct identity id = { .is_root = geteuid() == 0,
		.uid = (uid_t)-1,
		.compute_uid = (uid_t)-1,
		.gid = (gid_t)-1,
		.compute_gid = (gid_t)-1 };
	int r = 0, compute_r = 0;

	if (id.is_root) { /* both are looked for, so that both are told */
		r = find_user(c, "service.user", c->service.user, &id.uid, &id.gid,
		    err);
		compute_r = find_user(c, "service.compute_user",
		    c->service.compute_user, &id.compute_uid, &id.compute_gid, err);
	}
	if (r < 0 || compute_r < 0)
		return r < 0 ? r : compute_r;
	*out = id;
	return 0;
}

static int
make_parents(const char *path)
{
	char part[PATH_MAX];
	size_t n = strlen(path);

	if (n >= sizeof(part))
		return -ENAMETOOLONG;
	memcpy(part, path, n + 1);
	for (char *slash = strchr(part + 1, '/'); slash != NULL;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	return 0;
}

int
places_folder(const char *path, mode_t mode, const struct identity *who,
    struct err *err)
{
	CLEANUP(closep) int fd = -1;
	bool is_new;
	mode_t mask = umask(022); /* the service's user must come through the parents */
	int r = make_parents(path);

	(void)umask(mask);
	if (r < 0)
		return err_set(err, r, "%s: %s", path, strerror(-r));
	is_new = mkdir(path, mode) == 0;
	if (!is_new && errno != EEXIST)
		return err_set(err, -errno, "%s: %s", path, strerror(errno));
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_set(err, -errno, "%s: %s", path, strerror(errno));
	/* An owner that an administrator chose stays; what we made is the service's. */
	if (is_new && who->is_root && fchown(fd, who->uid, who->gid) < 0)
		return err_set(err, -errno, "%s: %s", path, strerror(errno));
	if (is_new && fchmod(fd, mode) < 0)
		return err_set(err, -errno, "%s: %s", path, strerror(errno));
	return 0;
}

static bool
is_empty(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;
	bool has_entries = false;

	if (dir == NULL)
		return false;
	while (!has_entries && (entry = readdir(dir)) != NULL)
		has_entries =
		    strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
	(void)closedir(dir);
	return !has_entries;
}

/* A directory that the service's user cannot write to would fail late and far from
   here. An empty one of root's, as mkdir makes it, is taken over; a filled one is not
   ours. */
static int
check_owner(const char *option, const char *path, const struct identity *who,
    struct err *err)
{
	struct stat st;

	if (!who->is_root)
		return access(path, W_OK) == 0
		    ? 0
		    : err_set(err, -errno, "%s: %s: %s", option, path, strerror(errno));
	if (lstat(path, &st) < 0)
		return err_set(err, -errno, "%s: %s: %s", option, path,
		    strerror(errno));
	if (st.st_uid == who->uid ||
	    (st.st_gid == who->gid && (st.st_mode & S_IWGRP) != 0))
		return 0;
	if (S_ISDIR(st.st_mode) && st.st_uid == 0 && is_empty(path) &&
	    lchown(path, who->uid, who->gid) == 0)
		return 0;
	return err_set(err, -EACCES,
	    "%s: %s does not belong to the service's user; run: chown -R %u:%u %s",
	    option, path, (unsigned)who->uid, (unsigned)who->gid, path);
}

int
places_prepare(const struct conf *c, const struct identity *who, struct err *err)
{
	int r = places_folder(c->service.run_dir, 0755, who, err);

	if (r < 0)
		return err_prefix(err, r, "service.run_dir");
	r = places_folder(c->service.state_dir, 0750, who, err);
	if (r < 0)
		return err_prefix(err, r, "service.state_dir");
	r = check_owner("service.run_dir", c->service.run_dir, who, err);
	if (r == 0)
		r = check_owner("service.state_dir", c->service.state_dir, who, err);
	return r;
}

static int
resolve(const char *listen_at, struct addrinfo **found, struct err *err)
{
	struct addrinfo hints = { .ai_flags =
				      AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV,
		.ai_socktype = SOCK_STREAM };
	const char *colon = strrchr(listen_at, ':');
	char host[256];
	size_t n;
	int r;

	if (colon == NULL || (size_t)(colon - listen_at) >= sizeof(host))
		return err_set(err, -EINVAL, "http.listen %s: not ADDRESS:PORT",
		    listen_at);
	n = (size_t)(colon - listen_at);
	if (n >= 2 && listen_at[0] == '[' && listen_at[n - 1] == ']')
		(void)snprintf(host, sizeof(host), "%.*s", (int)n - 2, listen_at + 1);
	else
		(void)snprintf(host, sizeof(host), "%.*s", (int)n, listen_at);
	r = getaddrinfo(strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, colon + 1,
	    &hints, found);
	if (r != 0)
		return err_set(err, -EINVAL,
		    "http.listen %s: %s (an address is wanted, not a name)", listen_at,
		    gai_strerror(r));
	return 0;
}

int
places_lock(const struct conf *c, struct err *err)
{
	const char *dir = c->service.state_dir;
	CLEANUP(closep) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_set(err, -errno, "service.state_dir: %s: %s", dir,
		    strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return err_set(err, -errno, "service.state_dir: %s: %s", dir,
		    errno == EWOULDBLOCK ? "another agent-runnerd uses it"
					 : strerror(errno));
	return TAKE_FD(fd);
}

/* ---- looking without touching, for -t ---- */

static int
cannot_be(const struct conf *c, const char *option, const char *path, int code,
    struct err *err)
{
	return conf_finding_at(c, err, code, option, "%s: %s: %s", option, path,
	    strerror(-code));
}

/* The directory that is there, or the nearest one above that will hold it. */
static int
look_at_folder(const struct conf *c, const char *option, const char *path,
    const struct identity *who, struct err *err)
{
	char part[PATH_MAX];
	struct stat st;
	bool is_made_later = false;

	(void)snprintf(part, sizeof(part), "%s", path);
	while (lstat(part, &st) < 0) {
		char *slash = strrchr(part, '/');

		if ((errno != ENOENT && errno != ENOTDIR) || slash == NULL)
			return cannot_be(c, option, path, -errno, err);
		slash[slash == part] = '\0';
		is_made_later = true;
	}
	if (S_ISLNK(st.st_mode) && is_made_later && stat(part, &st) < 0)
		return cannot_be(c, option, path, -errno, err);
	if (!S_ISDIR(st.st_mode))
		return cannot_be(c, option, part, -ENOTDIR, err);
	if (!who->is_root && access(part, W_OK | X_OK) < 0)
		return cannot_be(c, option, part, -errno, err);
	return 0;
}

static int
look_at_log(const struct conf *c, const struct identity *who, struct err *err)
{
	const char *target = c->service.log.target;
	char folder[PATH_MAX], *slash;
	struct stat st;

	if (strncmp(target, "file:", 5) != 0)
		return 0;
	(void)snprintf(folder, sizeof(folder), "%s", target + 5);
	slash = strrchr(folder, '/');
	slash[slash == folder] = '\0';
	if (stat(folder, &st) < 0)
		return cannot_be(c, "service.log.target", folder, -errno, err);
	if (stat(target + 5, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode))
		return cannot_be(c, "service.log.target", target + 5, -EINVAL, err);
	if (!who->is_root && access(target + 5, W_OK) < 0 &&
	    (errno != ENOENT || access(folder, W_OK | X_OK) < 0))
		return cannot_be(c, "service.log.target", target + 5, -errno, err);
	return 0;
}

/* SQLite makes the file, but no folder. */
static int
look_at_database(const struct conf *c, struct err *err)
{
	char folder[PATH_MAX], *slash;
	struct stat st;

	if (strncmp(c->database.url, "sqlite:/", 8) != 0)
		return 0;
	(void)snprintf(folder, sizeof(folder), "%s", c->database.url + 7);
	slash = strrchr(folder, '/');
	slash[slash == folder] = '\0';
	if (stat(folder, &st) < 0)
		return cannot_be(c, "database.url", folder, -errno, err);
	return 0;
}

static int
look_at_redis(const struct conf *c, struct err *err)
{
	struct err why = ERR_INIT;
	int r = redis_look(c, &why);

	return r < 0 ? conf_finding_at(c, err, r, "redis.program", "%s", err_text(&why))
		     : 0;
}

static int
look_at_address(const struct conf *c, struct err *err)
{
	struct addrinfo *found = NULL;
	struct err why = ERR_INIT;

	if (c->http.listen[0] == '\0')
		return 0;
	if (resolve(c->http.listen, &found, &why) < 0)
		return conf_finding_at(c, err, -EINVAL, "http.listen", "%s",
		    err_text(&why));
	freeaddrinfo(found);
	return 0;
}

int
places_look(const struct conf *c, const struct identity *who, struct err *err)
{
	int status = 0;

	if (look_at_folder(c, "service.run_dir", c->service.run_dir, who, err) < 0)
		status = -EINVAL;
	if (look_at_folder(c, "service.state_dir", c->service.state_dir, who, err) < 0)
		status = -EINVAL;
	if (look_at_log(c, who, err) < 0)
		status = -EINVAL;
	if (look_at_database(c, err) < 0)
		status = -EINVAL;
	if (look_at_redis(c, err) < 0)
		status = -EINVAL;
	if (look_at_address(c, err) < 0)
		status = -EINVAL;
	return status;
}

static int
bind_one(const struct addrinfo *ai)
{
	CLEANUP(closep)
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1;

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (ai->ai_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 || listen(fd, SOMAXCONN) < 0)
		return -errno;
	return TAKE_FD(fd);
}

int
places_listen(const char *listen_at, struct err *err)
{
	struct addrinfo *found = NULL;
	int r = resolve(listen_at, &found, err), fd;

	if (r < 0)
		return r;
	fd = bind_one(found);
	freeaddrinfo(found);
	if (fd < 0)
		return err_set(err, fd, "http.listen %s: %s", listen_at, strerror(-fd));
	return fd;
}

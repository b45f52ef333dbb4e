/* SPDX-License-Identifier: MIT */
/*
 * pidfile.c - the locked pid file.
 *
 * Owns:   nothing; the locked descriptor belongs to the caller.
 * Called: by main at the start (after the last fork of -D) and at the end.
 * Fails:  -EEXIST while another daemon lives; a stale file is simply taken over.
 *
 * The lock is of the open file (flock), so children that inherit no descriptor cannot
 * keep it, and it goes with the process however that ends.
 */
#include "config.h"

#include "supervisor/pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

static bool
is_file_of(const char *path, int fd)
{
	struct stat by_name, by_fd;

	return lstat(path, &by_name) == 0 && fstat(fd, &by_fd) == 0 &&
	    by_name.st_dev == by_fd.st_dev && by_name.st_ino == by_fd.st_ino;
}

static long
read_pid(int fd)
{
	char text[32] = "";
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	return n > 0 ? strtol(text, NULL, 10) : 0;
}

static int
write_pid(int fd)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());

	if (ftruncate(fd, 0) < 0)
		return -errno;
	if (pwrite(fd, text, (size_t)n, 0) != n)
		return errno != 0 ? -errno : -EIO;
	return 0;
}

int
pidfile_take(const char *path, struct err *err)
{
	int r;

	for (;;) {
		CLEANUP(closep)
		int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);

		if (fd < 0)
			return err_set(err, -errno, "pid file %s: %s", path,
			    strerror(errno));
		if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
			if (errno != EWOULDBLOCK)
				return err_set(err, -errno, "pid file %s: %s", path,
				    strerror(errno));
			return err_set(err, -EEXIST,
			    "pid file %s: agent-runnerd is running already (process %ld)",
			    path, read_pid(fd));
		}
		if (!is_file_of(path, fd))
			continue; /* its former owner unlinked it meanwhile */
		r = write_pid(fd);
		if (r < 0)
			return err_set(err, r, "pid file %s: %s", path, strerror(-r));
		return TAKE_FD(fd);
	}
}

void
pidfile_drop(const char *path, int fd)
{
	if (fd < 0)
		return;
	if (is_file_of(path, fd))
		(void)unlink(path);
	(void)close(fd);
}

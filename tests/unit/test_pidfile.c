/* SPDX-License-Identifier: MIT */
/* test_pidfile.c - one daemon per pid file, by a lock. */
#include "config.h"

#include "supervisor/pidfile.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>

static char folder[] = "/tmp/pidfile-test-XXXXXX";
static char path[64];

static void
begin(void)
{
	cr_assert(mkdtemp(folder) != NULL);
	(void)snprintf(path, sizeof(path), "%s/pid", folder);
}

static void
end(void)
{
	(void)unlink(path);
	(void)rmdir(folder);
}

TestSuite(pidfile, .init = begin, .fini = end);

Test(pidfile, holds_the_pid_and_goes_away)
{
	char text[32] = "";
	int fd = pidfile_take(path, NULL);

	cr_assert(fd >= 0);
	cr_assert(pread(fd, text, sizeof(text) - 1, 0) > 0);
	cr_expect_eq(strtol(text, NULL, 10), (long)getpid());
	cr_expect((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
	pidfile_drop(path, fd);
	cr_expect(access(path, F_OK) < 0);
	pidfile_drop(path, -1);
}

static int
take_in_child(void)
{
	struct err err = ERR_INIT;
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		int r = pidfile_take(path, &err);

		_exit(r >= 0 ? 0 : r == -EEXIST && strstr(err.text, "running") ? 1 : 2);
	}
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status)
	    ? WEXITSTATUS(status)
	    : 9;
}

Test(pidfile, a_second_daemon_is_refused_until_the_first_is_gone)
{
	int fd = pidfile_take(path, NULL);

	cr_assert(fd >= 0);
	cr_expect_eq(take_in_child(), 1);
	(void)close(fd); /* as the kernel does at a kill -9: the file stays */
	cr_expect_eq(take_in_child(), 0);
}

Test(pidfile, a_stale_file_is_taken_over)
{
	FILE *f = fopen(path, "w");
	int fd;

	cr_assert(f != NULL);
	(void)fprintf(f, "999999 and a long rest\n");
	(void)fclose(f);
	fd = pidfile_take(path, NULL);
	cr_expect(fd >= 0);
	cr_expect_leq(lseek(fd, 0, SEEK_END), 12);
	pidfile_drop(path, fd);
}

Test(pidfile, a_link_is_not_followed)
{
	struct err err = ERR_INIT;

	cr_assert(symlink("/etc/passwd", path) == 0);
	cr_expect_lt(pidfile_take(path, &err), 0);
	cr_expect(strstr(err.text, path) != NULL);
}

Test(pidfile, a_file_of_another_is_not_removed)
{
	int fd = pidfile_take(path, NULL);

	cr_assert(unlink(path) == 0);
	cr_assert(close(open(path, O_CREAT | O_WRONLY, 0600)) == 0);
	pidfile_drop(path, fd);
	cr_expect(access(path, F_OK) == 0);
}

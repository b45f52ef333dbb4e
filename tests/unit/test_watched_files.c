/* SPDX-License-Identifier: MIT */
/*
 * test_watched_files.c - which changes of files call for new processes.
 */
#include "config.h"

#include "supervisor/watched_files.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/watched-test-XXXXXX";
static char file[64], other[64], link_[64], state[64];
static struct role_scope scope;
static struct watched_files before, now;

static void
make(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);

	cr_assert(fd >= 0);
	cr_assert_eq(write(fd, "x", 1), 1);
	(void)close(fd);
}

static void
setup(void)
{
	cr_assert(mkdtemp(folder) != NULL);
	(void)snprintf(file, sizeof(file), "%s/file", folder);
	(void)snprintf(other, sizeof(other), "%s/other", folder);
	(void)snprintf(link_, sizeof(link_), "%s/link", folder);
	(void)snprintf(state, sizeof(state), "%s/state", folder);
	make(file);
	make(other);
	cr_assert_eq(mkdir(state, 0700), 0);
	cr_assert_eq(symlink(other, link_), 0);
	scope.paths[0] = (struct sandbox_path){ file, false };
	scope.paths[1] = (struct sandbox_path){ link_, false };
	scope.paths[2] = (struct sandbox_path){ state, true };
	scope.n_paths = 3;
	watched_files_look(&before, &scope);
}

static void
teardown(void)
{
	(void)unlink(file);
	(void)unlink(other);
	(void)unlink(link_);
	(void)rmdir(state);
	(void)rmdir(folder);
}

TestSuite(watched_files, .init = setup, .fini = teardown);

static const char *
replaced(void)
{
	watched_files_look(&now, &scope);
	return watched_files_replaced(&before, &now, &scope);
}

static void
put_new(const char *path)
{
	char fresh[64];

	(void)snprintf(fresh, sizeof(fresh), "%s/new", folder);
	make(fresh);
	cr_assert_eq(rename(fresh, path), 0);
}

Test(watched_files, the_same_files_are_not_replaced_whatever_is_written)
{
	cr_expect(replaced() == NULL);
	make(file);
	cr_expect(replaced() == NULL);
	cr_expect(watched_files_equal(&before, &now));
}

Test(watched_files, a_rename_over_a_file_is_noticed)
{
	put_new(file);
	cr_expect(replaced() == file);
	cr_expect(!watched_files_equal(&before, &now));
}

Test(watched_files, a_rename_over_what_a_link_points_to_is_noticed)
{
	put_new(other);
	cr_expect(replaced() == link_);
}

Test(watched_files, a_file_that_is_gone_is_not_missed_until_it_is_there_again)
{
	cr_assert_eq(unlink(file), 0);
	cr_expect(replaced() == NULL);
	cr_expect(!watched_files_equal(&before, &now));
	put_new(file); /* a file system may give the same inode again */
	cr_expect(replaced() == file || watched_files_equal(&before, &now));
}

Test(watched_files, a_file_that_was_not_there_needs_new_rules)
{
	cr_assert_eq(unlink(file), 0);
	watched_files_look(&before, &scope);
	make(file);
	cr_expect(replaced() == file);
}

Test(watched_files, a_directory_that_is_written_is_not_watched)
{
	char moved[64];

	(void)snprintf(moved, sizeof(moved), "%s/moved", folder);
	cr_assert_eq(rename(state, moved), 0);
	cr_assert_eq(mkdir(state, 0700), 0);
	cr_expect(replaced() == NULL);
	(void)rmdir(moved);
}

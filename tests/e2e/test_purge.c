/* SPDX-License-Identifier: MIT */
/*
 * test_purge.c - old results go: by agentctl purge and by storage.retention_days, over
 * both stores.
 */
#include "config.h"

#include "tests/e2e/e2e.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pty.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	OLD_DAYS = 40
};

TestSuite(purge, .timeout = 180);

static struct harness *h;

static void
begin(bool with_postgres)
{
	h = e2e_new();
	if (with_postgres)
		harness_use_postgres(h);
	harness_set(h, "queue.lease_sec", "3");
	harness_set(h, "storage.max_inline_bytes", "1024");
	harness_start(h);
	harness_llm_script(h,
	    "{\"rules\":[{\"when\":{\"prompt_contains\":\"large\"},\"reply\":{\"tool_calls\":[{"
	    "\"name\":\"execute_pipeline\",\"arguments\":{\"session_id\":\"s\",\"pipeline\":[{"
	    "\"step\":\"http_request\",\"url\":\"{{data_api}}/users\"}]}}]}},"
	    "{\"reply\":{\"content\":\"x\"}}]}");
}

static void
end(void)
{
	harness_stop(h);
	harness_free(h);
}

static int
ctl(struct buf *out, const char *const *words)
{
	const char *argv[16] = { harness_program(h, "agentctl"), "-c",
		harness_conf_path(h) };
	size_t n = 3;

	for (; *words != NULL; words++)
		argv[n++] = *words;
	buf_clear(out);
	return harness_run(h, argv, out);
}

#define CTL(out, ...) ctl(out, (const char *const[]){ __VA_ARGS__, NULL })

static unsigned content_files;

static int
visit(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	const struct timespec then[2] = { { time(NULL) - OLD_DAYS * 86400, 0 },
		{ time(NULL) - OLD_DAYS * 86400, 0 } };

	(void)st;
	(void)ftw;
	if (type != FTW_F)
		return 0;
	content_files++;
	return utimensat(AT_FDCWD, path, then, 0);
}

/* Makes all content old; answers how many files there are. */
static unsigned
age_content(void)
{
	char path[300];

	(void)snprintf(path, sizeof(path), "%s/state/cas", harness_dir(h));
	content_files = 0;
	cr_assert(nftw(path, visit, 8, FTW_PHYS) == 0 || errno == ENOENT);
	return content_files;
}

/* Three old results, one of them large, and a young one. */
static void
fill(void)
{
	static const struct {
		const char *id, *prompt, *extra;
	} jobs[] = {
		{ "old-ann", "go", ",\"workflow_owner\":\"ann\"" },
		{ "old-bob", "go", ",\"workflow_owner\":\"bob\"" },
		{ "old-large", "large", "" },
		{ "young", "go", "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(jobs); i++)
		harness_push_job(h, jobs[i].id, jobs[i].prompt, jobs[i].extra);
	for (size_t i = 0; i < ARRAY_LEN(jobs); i++)
		(void)harness_expect(h, jobs[i].id, "completed");
	(void)harness_sql(h,
	    "UPDATE agent_results SET created_at = '2020-01-01T00:00:00.000Z'"
	    " WHERE job_id LIKE 'old%'");
	cr_assert(eq(uint, age_content(), 1));
}

static void
purge_by_hand(bool with_postgres)
{
	CLEANUP_BUF struct buf out = BUF_INIT;

	begin(with_postgres);
	fill();
	cr_expect(eq(int, CTL(&out, "purge"), 2));
	cr_expect(strstr(buf_str(&out), "--older") != NULL);
	cr_expect(eq(int, CTL(&out, "purge", "--older", "30"), 2));
	cr_expect(eq(int, CTL(&out, "purge", "--older", "1d", "--status", "x"), 2));
	/* nothing goes by a dry run */
	cr_expect(
	    eq(int, CTL(&out, "--json", "purge", "--older", "30d", "--dry-run"), 0));
	cr_expect(strstr(buf_str(&out), "\"is_dry_run\":true,\"results\":3,") != NULL &&
		strstr(buf_str(&out), "\"contents\":1,\"content_bytes\":") != NULL,
	    "%s", buf_str(&out));
	cr_expect_str_eq(harness_sql(h, "SELECT count(*) FROM agent_results"), "4\n");
	cr_expect(eq(uint, age_content(), 1));
	/* one owner's */
	cr_expect(eq(int, CTL(&out, "purge", "--older", "30d", "--owner", "ann"), 0),
	    "%s", buf_str(&out));
	cr_expect(strncmp(buf_str(&out), "removed 1 results (", 19) == 0, "%s",
	    buf_str(&out));
	/* the rest; and a cancelled job that never came leaves nothing either */
	cr_expect(eq(int, CTL(&out, "cancel", "never-came"), 0));
	freeReplyObject(harness_redis(h, "HSET agent:job:never-came cancel 1000"));
	cr_expect(eq(int, CTL(&out, "--json", "purge", "--older", "30d", "--yes"), 0));
	cr_expect(strstr(buf_str(&out), "\"results\":2,") != NULL &&
		strstr(buf_str(&out), "\"contents\":1,") != NULL &&
		strstr(buf_str(&out), "\"marks\":1}") != NULL,
	    "%s", buf_str(&out));
	cr_expect_str_eq(harness_sql(h, "SELECT job_id FROM agent_results"), "young\n");
	cr_expect(eq(uint, age_content(), 0));
	cr_expect(eq(llong, harness_redis_int(h, "EXISTS agent:job:never-came"), 0));
	cr_expect(eq(int, CTL(&out, "fsck"), 0), "%s", buf_str(&out));
	end();
}

Test(purge, by_hand_with_sqlite)
{
	purge_by_hand(false);
}

Test(purge, by_hand_with_postgresql)
{
	purge_by_hand(true);
}

/* Runs agentctl on a terminal of its own and types the answer; its exit status. */
static int
ctl_on_terminal(const char *answer, struct buf *out)
{
	const char *argv[] = { harness_program(h, "agentctl"), "-c",
		harness_conf_path(h), "purge", "--older", "30d", NULL };
	char piece[512];
	int fd = -1, status;
	pid_t pid = forkpty(&fd, NULL, NULL, NULL);
	ssize_t n;

	if (pid == 0) {
		(void)execv(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	cr_assert(pid > 0);
	while (strstr(buf_str(out), "[y/N]") == NULL &&
	    (n = read(fd, piece, sizeof(piece))) > 0)
		buf_add(out, piece, (size_t)n);
	cr_assert(write(fd, answer, strlen(answer)) == (ssize_t)strlen(answer));
	while ((n = read(fd, piece, sizeof(piece))) > 0)
		buf_add(out, piece, (size_t)n);
	(void)close(fd);
	cr_assert(waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

Test(purge, asks_on_a_terminal)
{
	CLEANUP_BUF struct buf no = BUF_INIT;
	CLEANUP_BUF struct buf yes = BUF_INIT;

	begin(false);
	fill();
	cr_expect(eq(int, ctl_on_terminal("n\n", &no), 1), "%s", buf_str(&no));
	cr_expect(strstr(buf_str(&no), "would remove 3 results") != NULL &&
		strstr(buf_str(&no), "nothing was removed") != NULL,
	    "%s", buf_str(&no));
	cr_expect_str_eq(harness_sql(h, "SELECT count(*) FROM agent_results"), "4\n");
	cr_expect(eq(int, ctl_on_terminal("y\n", &yes), 0), "%s", buf_str(&yes));
	cr_expect_str_eq(harness_sql(h, "SELECT count(*) FROM agent_results"), "1\n");
	end();
}

/* Without Redis nobody knows what journals name. */
Test(purge, removes_nothing_while_redis_is_away)
{
	CLEANUP_BUF struct buf out = BUF_INIT;

	begin(false);
	fill();
	harness_set(h, "redis.url", "\"unix:///nonexistent/redis.sock\"");
	harness_write_conf(h);
	cr_expect(eq(int, CTL(&out, "purge", "--older", "30d"), 69), "%s",
	    buf_str(&out));
	cr_expect_str_eq(harness_sql(h, "SELECT count(*) FROM agent_results"), "4\n");
	end();
}

static void
keep_for_days(bool with_postgres)
{
	begin(with_postgres);
	fill();
	harness_stop(h);
	harness_set(h, "storage.retention_days", "30");
	harness_write_conf(h);
	harness_daemon(h);
	harness_wait_log(h,
	    "retention: removed 3 results older than 30 days, 1 large values");
	cr_expect_str_eq(harness_sql(h, "SELECT job_id FROM agent_results"), "young\n");
	cr_expect(eq(uint, age_content(), 0));
	/* not again within the hour, whoever starts anew */
	cr_expect(gt(llong, harness_redis_int(h, "HEXISTS agent:meta purged_ms"), 0));
	end();
}

Test(purge, by_retention_with_sqlite)
{
	keep_for_days(false);
}

Test(purge, by_retention_with_postgresql)
{
	keep_for_days(true);
}

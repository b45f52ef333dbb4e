/* SPDX-License-Identifier: MIT */
/* test_log.c - lines: their form, their limits, and what is dropped. */
#include "config.h"

#include "common/log.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static char lines[64][8192];
static unsigned n_lines;
static uint64_t now_ms = 1000;

static void
take(const char *line, size_t len)
{
	if (n_lines >= ARRAY_LEN(lines))
		return;
	memcpy(lines[n_lines], line, len);
	lines[n_lines++][len] = '\0';
}

static uint64_t
clock_of_test(void)
{
	return now_ms;
}

static void
begin(void)
{
	struct log_settings s = { "stderr", "info", "text", 0, (uid_t)-1, (gid_t)-1 };

	log_hook = take;
	log_clock = clock_of_test;
	n_lines = 0;
	cr_assert(log_open(&s, NULL) == 0);
}

TestSuite(log, .init = begin);

Test(log, every_level_has_a_name_that_is_found_again)
{
	for (int i = 0; i < LOG_LEVEL_COUNT; i++)
		cr_expect_eq(log_level_from_name(log_level_name(i)), i);
	cr_expect_eq(log_level_from_name("loud"), -EINVAL);
}

Test(log, levels_below_are_silent)
{
	log_debug("not this");
	log_info("this %d", 1);
	cr_assert_eq(n_lines, 1);
	cr_expect(
	    strstr(lines[0], "info") != NULL && strstr(lines[0], "this 1") != NULL);
	log_set_level(LOG_LEVEL_ERROR);
	log_warning("nor this");
	cr_expect_eq(n_lines, 1);
}

Test(log, errno_is_kept)
{
	errno = EDOM;
	log_info("a line");
	cr_expect_eq(errno, EDOM);
}

Test(log, a_trouble_that_repeats_is_told_five_times_and_then_counted)
{
	for (unsigned i = 0; i < 100; i++)
		log_warning("redis away; next try in %u ms", i * 10);
	cr_expect_eq(n_lines, 5);
	now_ms += 20000;
	log_info("later");
	cr_assert_eq(n_lines, 7);
	cr_expect(strstr(lines[5],
		      "95 lines were dropped that begin like: redis away") != NULL,
	    "%s", lines[5]);
}

Test(log, good_news_that_differ_are_never_dropped)
{
	for (unsigned i = 0; i < 60; i++)
		log_info("job %u done", i);
	cr_expect_eq(n_lines, 60);
	n_lines = 0;
	for (unsigned i = 0; i < 60; i++)
		log_info("the same");
	cr_expect_eq(n_lines, 5);
}

Test(log, a_child_cannot_forge_a_second_line)
{
	static const char text[] = "one\ntwo\x1b[31m \xff\xc3\xa4 \"q\"";

	log_child_line("worker", 3, 77, LOG_LEVEL_INFO, text, sizeof(text) - 1);
	cr_assert_eq(n_lines, 1);
	cr_expect(strchr(lines[0], '\n') == NULL && strchr(lines[0], 27) == NULL);
	cr_expect(strstr(lines[0], "worker/3[77]: one two?[31m ?\xc3\xa4 \"q\"") !=
		NULL,
	    "%s", lines[0]);
}

/* Each may only stand as it is when it is harmless and UTF-8. */
static const struct {
	const char *what, *text, *shown;
} characters[] = {
	{ "CSI in one character (C1)",
	    "a\xc2\x9b"
	    "31mb",
	    "a??31mb" },
	{ "the first C1",
	    "a\xc2\x80"
	    "b",
	    "a??b" },
	{ "behind the last C1",
	    "a\xc2\xa0"
	    "b",
	    "a\xc2\xa0"
	    "b" },
	{ "DEL",
	    "a\x7f"
	    "b",
	    "a?b" },
	{ "a line separator",
	    "a\xe2\x80\xa8"
	    "b",
	    "a???b" },
	{ "text turned around",
	    "a\xe2\x80\xae"
	    "b",
	    "a???b" },
	{ "isolated text",
	    "a\xe2\x81\xa6"
	    "b",
	    "a???b" },
	{ "ESC, longer than it need be",
	    "a\xe0\x80\x9b"
	    "b",
	    "a???b" },
	{ "half of a pair",
	    "a\xed\xa0\x80"
	    "b",
	    "a???b" },
	{ "beyond Unicode",
	    "a\xf4\x90\x80\x80"
	    "b",
	    "a????b" },
	{ "three bytes",
	    "a\xe2\x82\xac"
	    "b",
	    "a\xe2\x82\xac"
	    "b" },
	{ "four bytes",
	    "a\xf0\x9f\x98\x80"
	    "b",
	    "a\xf0\x9f\x98\x80"
	    "b" },
	{ "cut within a character", "ab\xf0\x9f\x98", "ab???" },
};

Test(log, no_character_gives_orders_to_a_terminal)
{
	for (size_t i = 0; i < ARRAY_LEN(characters); i++) {
		const char *text = characters[i].text, *message;

		n_lines = 0;
		log_child_line("worker", 3, 77, LOG_LEVEL_INFO, text, strlen(text));
		cr_assert_eq(n_lines, 1, "%s", characters[i].what);
		message = strstr(lines[0], "worker/3[77]: ");
		cr_assert(message != NULL);
		cr_expect_str_eq(message + strlen("worker/3[77]: "),
		    characters[i].shown, "%s", characters[i].what);
	}
}

Test(log, json_lines_escape_what_json_wants)
{
	struct log_settings s = { "stderr", "info", "json", 0, (uid_t)-1, (gid_t)-1 };

	cr_assert(log_open(&s, NULL) == 0);
	log_child_line("worker", 0, 5, LOG_LEVEL_ERROR, "a\"b\\c\x02", 6);
	cr_assert_eq(n_lines, 1);
	cr_expect(strstr(lines[0],
		      "\"level\":\"error\",\"role\":\"worker\",\"slot\":0,\"pid\":5,"
		      "\"message\":\"a\\\"b\\\\c?\"}") != NULL,
	    "%s", lines[0]);
}

Test(log, a_line_that_is_too_long_is_cut_and_stays_json)
{
	static char text[8000];
	struct log_settings s = { "stderr", "info", "json", 0, (uid_t)-1, (gid_t)-1 };

	cr_assert(log_open(&s, NULL) == 0);
	memset(text, '"', sizeof(text));
	log_child_line("worker", 0, 5, LOG_LEVEL_ERROR, text, sizeof(text));
	cr_assert_eq(n_lines, 1);
	cr_expect(strcmp(lines[0] + strlen(lines[0]) - 2, "\"}") == 0);
	cr_expect(lines[0][strlen(lines[0]) - 3] == '"' &&
	    lines[0][strlen(lines[0]) - 4] == '\\');
}

Test(log, wrong_settings_leave_the_former_sink)
{
	struct log_settings level = { "stderr", "loud", "text", 0, (uid_t)-1,
		(gid_t)-1 };
	struct log_settings target = { "printer", "info", "text", 0, (uid_t)-1,
		(gid_t)-1 };
	struct log_settings file = { "file:/nonexistent/x", "info", "text", 0,
		(uid_t)-1, (gid_t)-1 };
	struct err err = ERR_INIT;

	cr_expect_eq(log_open(&level, &err), -EINVAL);
	cr_expect_eq(log_open(&target, &err), -EINVAL);
	cr_expect_eq(log_open(&file, &err), -ENOENT);
	cr_expect(strstr(err.text, "/nonexistent/x") != NULL);
	log_info("still here");
	cr_expect_eq(n_lines, 1);
}

Test(log, verbose_lowers_the_level)
{
	struct log_settings s = { "stderr", "warning", "text", 2, (uid_t)-1,
		(gid_t)-1 };

	cr_assert(log_open(&s, NULL) == 0);
	cr_expect(log_is_on(LOG_LEVEL_DEBUG));
}

static off_t
size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_size : -1;
}

Test(log, a_file_is_reopened_after_rotation)
{
	char path[] = "/tmp/log-test-XXXXXX", target[64], rotated[64];
	int fd = mkstemp(path);
	struct log_settings s = { target, "info", "text", 0, (uid_t)-1, (gid_t)-1 };

	cr_assert(fd >= 0);
	(void)close(fd);
	log_hook = NULL;
	(void)snprintf(target, sizeof(target), "file:%s", path);
	(void)snprintf(rotated, sizeof(rotated), "%s.1", path);
	cr_assert(log_open(&s, NULL) == 0);
	log_info("before");
	cr_assert(rename(path, rotated) == 0);
	cr_assert(log_reopen(NULL) == 0);
	log_info("after");
	cr_expect_gt(size_of(path), 0);
	cr_expect_gt(size_of(rotated), 0);
	(void)unlink(path);
	(void)unlink(rotated);
}

static unsigned n_sent;
static int send_result;

static int
send_line(int fd, enum log_level level, const char *text, size_t len)
{
	(void)level;
	cr_expect_eq(fd, 42);
	if (send_result == 0 && n_sent < ARRAY_LEN(lines)) {
		memcpy(lines[n_sent], text, len);
		lines[n_sent++][len] = '\0';
	}
	return send_result;
}

Test(log, a_pipe_in_the_place_of_the_file_holds_nobody_up)
{
	char path[] = "/tmp/test_log.XXXXXX", target[64];
	struct log_settings s = { target, "info", "text", 0, (uid_t)-1, (gid_t)-1 };
	int fd = mkstemp(path), reader;

	cr_assert(fd >= 0);
	(void)close(fd);
	(void)snprintf(target, sizeof(target), "file:%s", path);
	cr_assert(log_open(&s, NULL) == 0);
	(void)unlink(path);
	cr_assert(mkfifo(path, 0600) == 0);
	cr_expect(log_reopen(NULL) < 0, "nobody reads it");
	reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	cr_assert(reader >= 0);
	cr_expect_eq(log_reopen(NULL), -EINVAL, "somebody does");
	(void)close(reader);
	(void)unlink(path);
}

Test(log, lines_that_the_parent_did_not_take_are_counted)
{
	log_to_parent(send_line, 42, LOG_LEVEL_INFO);
	send_result = -EAGAIN;
	log_info("lost 1");
	log_info("lost 2");
	send_result = 0;
	log_info("arrives");
	cr_assert_eq(n_sent, 2);
	cr_expect_str_eq((char *)lines[0], "2 log lines could not be written");
	cr_expect_str_eq((char *)lines[1], "arrives");
}

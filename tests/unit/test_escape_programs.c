/* SPDX-License-Identifier: MIT */
/*
 * test_escape_programs.c - programs and data that want out of the jail, or never to end
 * (escape_programs.tsv), over the real compute process: each is answered as it must be,
 * and the next honest computation is right.
 */
#include "config.h"

#include "tests/unit/source_file.h"
#include "tests/unit/zygote_support.h"

#include "common/json/json.h"

#include <criterion/criterion.h>
#include <string.h>

#ifdef WITH_SANITIZERS
/* A program that asks for too much is given nothing, as without the sanitizer; its own
   abort would be taken for a finding. */
const char *__asan_default_options(void);
const char *
__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}
#endif

static struct test_zygote zygote;
static uint64_t last_id;

static void
setup(void)
{
	/* What a program could find when the service's environment were not emptied. */
	cr_assert_eq(setenv("AGENT_RUNNER_PLANTED", "a-secret-that-was-planted", 1), 0);
	zygote = zygote_start(&(struct zygote_options){ .max_children = 2 });
}

static void
teardown(void)
{
	zygote_stop(&zygote);
}

TestSuite(escape_programs, .init = setup, .fini = teardown, .timeout = 300);

#define LIMITS ",\"cpu_sec\":1,\"memory_mb\":64,\"output_mb\":1,\"wall_ms\":30000"

static struct test_reply
ask(const char *steps, const char *more, const char *data, size_t n)
{
	zygote_run(&zygote, ++last_id, "o", steps, more, data, n);
	return zygote_receive(&zygote);
}

static void
expect_honest_work(const char *after)
{
	static const char data[] = "[{\"a\":2},{\"a\":1}]";
	struct test_reply r =
	    ask("[{\"step\":\"table_sort\",\"field\":\"a\"}]", "", data, strlen(data));

	cr_expect_str_eq(r.data, "[{\"a\":1},{\"a\":2}]", "after %.60s", after);
	test_reply_release(&r);
}

static void
write_steps(struct buf *out, const char *kind, const char *program)
{
	bool is_jq = strcmp(kind, "jq") == 0;
	struct json_writer w;

	jw_init(&w, out);
	jw_array_begin(&w);
	jw_object_begin(&w);
	jw_key(&w, "step");
	jw_cstr(&w, is_jq ? "jq_transform" : "regex_extract");
	if (!is_jq) {
		jw_key(&w, "field");
		jw_cstr(&w, "f");
	}
	jw_key(&w, is_jq ? "query" : "pattern");
	jw_cstr(&w, program);
	jw_object_end(&w);
	jw_array_end(&w);
}

static void
expect_answer(const char *program, const struct test_reply *r, const char *want)
{
	bool is_ok = strncmp(r->meta, "{\"ok\":true", 10) == 0;

	cr_expect(strstr(r->data, "planted") == NULL &&
		strstr(r->meta, "planted") == NULL,
	    "%.60s: %s %s", program, r->data, r->meta);
	switch (want[0]) {
	case '=':
		cr_expect(is_ok && strcmp(r->data, want + 1) == 0,
		    "%.60s: %.200s %.300s", program, r->data, r->meta);
		break;
	case '~':
		cr_expect(!is_ok && strstr(r->meta, want + 1) != NULL,
		    "%.60s: %.200s %.300s", program, r->data, r->meta);
		break;
	case '?':
		break;
	default:
		cr_expect(!is_ok, "%.60s: %.200s", program, r->data);
		break;
	}
}

Test(escape_programs, each_is_answered_and_harms_nobody)
{
	CLEANUP(freep) char *text = read_source("tests/unit/escape_programs.tsv");
	char *save = NULL;
	unsigned n = 0;

	for (char *line = strtok_r(text, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		CLEANUP_BUF struct buf steps = BUF_INIT;
		char *fields[4], *rest = line;
		struct test_reply r;

		if (line[0] == '#')
			continue;
		for (size_t i = 0; i < ARRAY_LEN(fields); i++)
			fields[i] = strsep(&rest, "\t");
		cr_assert(fields[3] != NULL && rest == NULL, "%.80s", line);
		write_steps(&steps, fields[0], fields[1]);
		r = ask(buf_str(&steps), ",\"fresh\":true" LIMITS, fields[2],
		    strlen(fields[2]));
		expect_answer(fields[1], &r, fields[3]);
		test_reply_release(&r);
		expect_honest_work(fields[1]);
		n++;
	}
	cr_expect_gt(n, 70);
}

/* Data that is only nesting, or only names. */
static const struct {
	const char *name, *open, *inner, *close;
	unsigned times;
} nests[] = {
	{ "arrays", "[", "", "]", 30000 },
	{ "arrays that do not close", "[", "", "", 60000 },
	{ "objects", "{\"a\":", "1", "}", 9000 },
	{ "names", "{\"\\u0000\":", "1", "}", 4000 },
	{ "minus signs", "-", "1", "", 60000 },
	{ "quotes", "\\\"", "", "", 30000 },
};

Test(escape_programs, data_that_is_only_nesting_is_refused)
{
	for (size_t i = 0; i < ARRAY_LEN(nests); i++) {
		CLEANUP_BUF struct buf data = BUF_INIT;
		struct test_reply r;

		for (unsigned k = 0; k < nests[i].times; k++)
			buf_adds(&data, nests[i].open);
		buf_adds(&data, nests[i].inner);
		for (unsigned k = 0; k < nests[i].times; k++)
			buf_adds(&data, nests[i].close);
		r = ask("[{\"step\":\"table_sort\",\"field\":\"a\"}]", LIMITS,
		    buf_str(&data), data.len);
		cr_expect(strncmp(r.meta, "{\"ok\":false", 11) == 0, "%s: %.200s",
		    nests[i].name, r.meta);
		test_reply_release(&r);
		expect_honest_work(nests[i].name);
	}
}

/* A program in what is said to be a plain request must not meet others' leavings. */
Test(escape_programs, a_program_gets_a_child_of_its_own_whatever_the_request_says)
{
	static const char *const programs[][2] = { { "jq", "." }, { "regex", "(x)" } };

	for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
		CLEANUP_BUF struct buf steps = BUF_INIT;
		struct test_reply r;

		expect_honest_work("nothing"); /* a child waits for this owner */
		write_steps(&steps, programs[i][0], programs[i][1]);
		r = ask(buf_str(&steps), "", "[{\"f\":\"x\"}]", 11);
		cr_expect(strncmp(r.meta, "{\"ok\":false", 11) == 0, "%s: %s",
		    programs[i][0], r.meta);
		test_reply_release(&r);
	}
}

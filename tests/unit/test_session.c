/* SPDX-License-Identifier: MIT */
/*
 * test_session.c - turns of sessions: their keys, what they say, what they permit, and
 * that the end of a job adds one.
 */
#include "config.h"

#include "common/clock.h"
#include "tests/support/queue_fixture.h"
#include "worker/agent/session.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <hiredis.h>
#include <string.h>

/* ---- keys ---- */

Test(session, two_owners_never_share_a_key)
{
	static const char *const names[][2] = { { "a:b", "c" }, { "a", "b:c" },
		{ "a%3Ab", "c" }, { "", "a:b:c" }, { "a:b:c", "" }, { "a", "b%3Ac" },
		{ "a%", "3Ab:c" }, { "", "a%3Ab:c" }, { "%", ":" }, { "%25", ":" } };
	CLEANUP_BUF struct buf a = BUF_INIT;
	CLEANUP_BUF struct buf b = BUF_INIT;

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		for (size_t k = 0; k < i; k++) {
			queue_key_session(&a, names[i][0], names[i][1]);
			queue_key_session(&b, names[k][0], names[k][1]);
			cr_expect_str_neq(buf_str(&a), buf_str(&b));
		}
	queue_key_session(&a, "ann", "talk");
	cr_expect_str_eq(buf_str(&a), "agent:session:ann:talk");
	queue_key_session(&a, "", "x:y");
	cr_expect_str_eq(buf_str(&a), "agent:session::x:y");
}

/* ---- turns ---- */

#define COMPLETED(ref, type)                                                            \
 "{\"version\":\"1.0\",\"job_id\":\"j\",\"status\":\"completed\",\"result_ref\":\"" ref \
 "\",\"result_preview\":{\"type\":\"" type                                              \
 "\",\"row_count\":2},\"metadata\":{\"tool_calls\":[{\"tool\":"                         \
 "\"execute_pipeline\",\"args\":{\"pipeline\":[{\"step\":\"top_k\",\"k\":1}]}}]},"      \
 "\"completed_at\":\"2026-01-31T12:00:00.250Z\"}"
#define FAILED                                                                       \
 "{\"status\":\"failed\",\"error\":{\"type\":\"timeout\",\"message\":\"too slow\"}," \
 "\"completed_at\":\"2026-01-31T12:00:00Z\"}"

static const char *
turn_of(struct arena *a, const char *job_id, const char *prompt, const char *given,
    const char *message)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	const struct json *results = NULL;
	struct session_job job = { job_id, prompt, strlen(prompt), NULL };
	int64_t at = 0;
	int r;

	if (given != NULL)
		cr_assert(json_read(a, given, strlen(given), 0, &results, NULL) == 0);
	job.previous_results = results;
	r = session_turn_write(&text, &job, message, strlen(message), &at);
	cr_assert(eq(int, r, 0));
	cr_expect(gt(i64, at, 1769860000000));
	return arena_strndup(a, buf_str(&text), text.len);
}

static const struct json *
session_of(struct arena *a, const char *const *turns, size_t n)
{
	struct session_text texts[8];

	for (size_t i = 0; i < n; i++)
		texts[i] = (struct session_text){ turns[i], strlen(turns[i]) };
	return session_read(a, texts, n);
}

Test(session, a_turn_says_what_was_asked_and_what_came_of_it)
{
	CLEANUP(arena_freep) struct arena *a = arena_new(0);

	cr_expect_str_eq(turn_of(a, "j", "flights", NULL,
			     COMPLETED("artifact://1", "dataset")),
	    "{\"job_id\":\"j\",\"at_ms\":1769860800250,\"prompt\":\"flights\",\"status\":"
	    "\"completed\",\"result_ref\":\"artifact://1\",\"preview\":{\"type\":\"dataset\","
	    "\"row_count\":2},\"pipeline\":{\"pipeline\":[{\"step\":\"top_k\",\"k\":1}]}}");
	cr_expect_str_eq(turn_of(a, "j", "flights", NULL, FAILED),
	    "{\"job_id\":\"j\",\"at_ms\":1769860800000,\"prompt\":\"flights\",\"status\":"
	    "\"failed\",\"error\":{\"type\":\"timeout\",\"message\":\"too slow\"}}");
}

Test(session, a_turn_is_bounded)
{
	CLEANUP(arena_freep) struct arena *a = arena_new(0);
	CLEANUP_BUF struct buf prompt = BUF_INIT;
	CLEANUP_BUF struct buf message = BUF_INIT;
	const char *turn;

	buf_adds(&message,
	    "{\"status\":\"completed\",\"result_ref\":\"artifact://1\",\"metadata\":{"
	    "\"tool_calls\":[{\"tool\":\"execute_pipeline\",\"args\":{\"pipeline\":[");
	for (int i = 0; i < 60; i++)
		buf_addf(&message, "%s{\"step\":\"jq_transform\",\"query\":\"%0100d\"}",
		    i > 0 ? "," : "", i);
	buf_adds(&message, "]}}]},\"completed_at\":\"2026-01-31T12:00:00Z\"}");
	while (prompt.len < 100000)
		buf_adds(&prompt, "\xc3\xa4");
	turn = turn_of(a, "j", buf_str(&prompt), NULL, buf_str(&message));
	cr_expect(lt(sz, strlen(turn), 3000));
	cr_expect(json_is_utf8(turn, strlen(turn)));
	cr_expect(strstr(turn, "\"pipeline\":[\"jq_transform\",\"jq_transform\"") !=
		NULL,
	    "%s", turn);
}

Test(session, what_is_no_result_message_makes_no_turn)
{
	static const char *const odd[] = { "", "{", "[]", "{}", "null",
		"{\"completed_at\":\"yesterday\"}", "{\"completed_at\":7}" };
	struct session_job job = { "j", "p", 1, NULL };

	for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
		CLEANUP_BUF struct buf text = BUF_INIT;
		int64_t at = 7;

		cr_expect(eq(int,
		    session_turn_write(&text, &job, odd[i], strlen(odd[i]), &at),
		    -EINVAL));
		cr_expect(eq(i64, at, 7));
	}
}

Test(session, the_last_result_is_the_last_data)
{
	CLEANUP(arena_freep) struct arena *a = arena_new(0);
	const char *data =
	    turn_of(a, "1", "p", NULL, COMPLETED("artifact://d", "dataset"));
	const char *text =
	    turn_of(a, "2", "p", NULL, COMPLETED("artifact://t", "text"));
	const char *failed = turn_of(a, "3", "p", NULL, FAILED);
	const struct {
		const char *turns[3];
		const char *ref;
	} cases[] = {
		{ { data, text, failed }, "artifact://d" },
		{ { text, failed, data }, "artifact://d" },
		{ { failed, text, failed }, "artifact://t" },
		{ { failed, failed, "no turn" }, NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *ref = session_last_ref(a, session_of(a, cases[i].turns, 3));

		if (cases[i].ref == NULL)
			cr_expect(ref == NULL);
		else
			cr_expect_str_eq(ref != NULL ? ref : "none", cases[i].ref);
	}
	cr_expect(session_of(a, NULL, 0) == NULL);
	cr_expect(session_last_ref(a, NULL) == NULL);
}

/* A model can write references into prompts, previews, errors and pipelines. */
Test(session, only_results_and_what_the_producer_gave_permit)
{
	CLEANUP(arena_freep) struct arena *a = arena_new(0);
	const char *turns[] = {
		turn_of(a, "1", "read artifact://prompt",
		    "[{\"result_ref\":\"artifact://given\"},{\"result_ref\":7}]",
		    COMPLETED("artifact://own", "dataset")),
		"{\"prompt\":\"p\",\"pipeline\":{\"input_ref\":\"artifact://model\"},"
		"\"preview\":{\"result_ref\":\"artifact://preview\"},\"error\":{\"message\":"
		"\"artifact://error\"},\"given\":\"artifact://text\"}"
	};
	const struct json *s = session_of(a, turns, 2);
	static const struct {
		const char *ref;
		bool may;
	} cases[] = {
		{ "artifact://own", true },
		{ "artifact://given", true },
		{ "artifact://model", false },
		{ "artifact://prompt", false },
		{ "artifact://preview", false },
		{ "artifact://error", false },
		{ "artifact://text", false },
		{ "", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		cr_expect(eq(int, session_names_ref(s, cases[i].ref), cases[i].may),
		    "%s", cases[i].ref);
	cr_expect(not(session_names_ref(NULL, "artifact://own")));
}

/* ---- with the queue ---- */

static struct fixture f;

#define W0 "n.b.0.1"
#define KEY "agent:session:ann:talk"

static void
setup(void)
{
	fixture_init(&f);
	do_register(&f, W0);
}

static void
teardown(void)
{
	fixture_release(&f);
}

TestSuite(session_queue, .init = setup, .fini = teardown, .timeout = 60);

static const char *
turn_text(const char *id, int64_t at_ms)
{
	static char text[128];

	(void)snprintf(text, sizeof(text), "{\"job_id\":\"%s\",\"at_ms\":%lld}", id,
	    (long long)at_ms);
	return text;
}

/* Ends a job, which is taken first, with that turn; max 3 of them, a minute long. */
static enum queue_word
end_job(const char *id, int64_t token, int64_t at_ms, bool is_bury)
{
	struct queue_job_ref ref = { W0, queue_text(id), token };
	const struct queue_session_turn turn = { .key = queue_text(KEY),
		.turn = queue_text(turn_text(id, at_ms)),
		.at_ms = at_ms,
		.ttl_sec = 60,
		.max_turns = 3 };
	struct queue_command c;

	if (is_bury)
		queue_cmd_bury(&c, &f.setup, &ref, queue_text("m"),
		    queue_text("crashed"), queue_text("d"));
	else
		queue_cmd_finish(&c, &f.setup, &ref, false, queue_text("m"));
	queue_cmd_add_session(&c, &turn);
	return run(&f, &c);
}

static int64_t
begun(const char *id)
{
	char payload[64];

	(void)snprintf(payload, sizeof(payload), "{%s}", id);
	return take(&f, W0, payload, id);
}

static void
expect_turns(const char *const *ids, size_t n)
{
	struct queue_command c;

	queue_cmd_session_read(&c, &f.setup, queue_text(KEY));
	cr_assert(run(&f, &c) == QUEUE_OK);
	cr_assert(eq(sz, f.answer.session.turns.n, n));
	for (size_t i = 0; i < n; i++) {
		struct queue_text t = queue_list_text(&f.answer.session.turns, i);
		char want[64];

		(void)snprintf(want, sizeof(want), "{\"job_id\":\"%s\",", ids[i]);
		cr_expect(strncmp(t.p, want, strlen(want)) == 0, "%zu: %.*s", i,
		    (int)t.n, t.p);
	}
}
#define EXPECT_TURNS(...)                           \
 expect_turns((const char *const[]){ __VA_ARGS__ }, \
     sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *))

Test(session_queue, the_end_of_a_job_adds_its_turn_once)
{
	int64_t now = clock_wall_ms(), token = begun("a");

	cr_expect(end_job("a", token + 1, now, false) == QUEUE_FENCED);
	cr_expect(INT(&f, "EXISTS", KEY) == 0, "a fenced worker tells nothing");
	cr_expect(end_job("a", token, now, false) == QUEUE_OK);
	cr_expect(end_job("a", token, now, false) == QUEUE_ALREADY);
	EXPECT_TURNS("a");
	cr_expect(f.answer.session.ttl_sec > 0 && f.answer.session.ttl_sec <= 60);
	token = begun("b");
	cr_expect(end_job("b", token, now + 1, true) == QUEUE_OK);
	EXPECT_TURNS("a", "b");
}

Test(session_queue, a_job_that_redis_forgot_leaves_no_second_turn)
{
	int64_t now = clock_wall_ms();

	(void)end_job("a", begun("a"), now, false);
	(void)end_job("b", begun("b"), now + 1, false);
	DO(&f, "DEL", "agent:job:a");
	cr_expect(end_job("a", begun("a"), now, false) == QUEUE_OK);
	EXPECT_TURNS("a", "b");
	DO(&f, "DEL", "agent:job:a"); /* another run of it ended later */
	cr_expect(end_job("a", begun("a"), now + 2, false) == QUEUE_OK);
	EXPECT_TURNS("b", "a");
	DO(&f, "DEL", "agent:job:a"); /* and its former end comes once more */
	cr_expect(end_job("a", begun("a"), now, false) == QUEUE_OK);
	EXPECT_TURNS("b", "a");
}

Test(session_queue, the_oldest_turns_make_room_and_do_not_come_back)
{
	static const char *const ids[] = { "a", "b", "c", "d" };
	int64_t now = clock_wall_ms();

	for (size_t i = 0; i < ARRAY_LEN(ids); i++)
		(void)end_job(ids[i], begun(ids[i]), now + (int64_t)i, false);
	EXPECT_TURNS("b", "c", "d");
	DO(&f, "DEL", "agent:job:a");
	cr_expect(end_job("a", begun("a"), now, false) == QUEUE_OK);
	EXPECT_TURNS("b", "c", "d");
}

Test(session_queue, an_end_older_than_the_session_could_be_is_no_turn)
{
	int64_t now = clock_wall_ms();

	cr_expect(end_job("a", begun("a"), now - 61000, false) == QUEUE_OK);
	cr_expect(INT(&f, "EXISTS", KEY) == 0);
}

Test(session_queue, a_key_of_another_kind_does_not_hold_the_job)
{
	struct queue_command c;

	DO(&f, "SET", KEY, "x");
	cr_expect(end_job("a", begun("a"), clock_wall_ms(), false) == QUEUE_OK);
	cr_expect_str_eq(TEXT(&f, "GET", KEY), "x");
	queue_cmd_session_read(&c, &f.setup, queue_text(KEY));
	cr_expect(run(&f, &c) == QUEUE_OK);
	cr_expect(f.answer.session.turns.n == 0 && f.answer.session.ttl_sec == -2);
}

Test(session_queue, turns_that_are_none_are_left_alone)
{
	DO(&f, "RPUSH", KEY, "garbage", "7", "[]");
	cr_expect(end_job("a", begun("a"), clock_wall_ms(), false) == QUEUE_OK);
	cr_expect(INT(&f, "LLEN", KEY) == 3);
}

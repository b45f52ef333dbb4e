/* SPDX-License-Identifier: MIT */
/*
 * test_owner.c - what belongs to an owner stays with the owner: sessions, references.
 * The model is the attacker: it asks for what is another's, by every way it has.
 */
#include "config.h"

#include "tests/e2e/owner_support.h"

TestSuite(owner, .timeout = 240);

#define FILTER_LAST                                                                 \
 "{\"session_id\":\"talk\",\"pipeline\":[{\"step\":\"table_filter\",\"condition\":" \
 "{\"field\":\"price\",\"op\":\"<\",\"value\":500}}]}"

/* ---- sessions ---- */

Test(owner, the_next_job_of_a_session_works_on_the_last_result)
{
	struct buf rules = BUF_INIT;
	const struct json *r, *v;

	owner_start();
	rule(&rules, "make", "execute_pipeline", MAKE_PRIVATE);
	rule(&rules, "filter", "execute_pipeline", FILTER_LAST);
	script(&rules);
	expect_completed(run("s1", "make", "bob", "talk"));
	r = run("s2", "filter", "bob", "talk");
	expect_completed(r);
	v = harness_value(h, "s2");
	cr_assert(json_is(v, JSON_ARRAY));
	cr_expect(eq(u32, v->len, 2), "of prices 0, 300, 600, 900");
	cr_expect(was_sent("earlier in this session, oldest first"));
	cr_expect(was_sent("by execute_pipeline: "));
	owner_stop();
}

Test(owner, a_session_of_another_owner_does_not_exist)
{
	static const struct {
		const char *owner, *session;
	} tries[] = {
		{ "ann", "talk" },
		{ "", "talk" },
		{ "", "bob:talk" },
		{ "ann", "bob:talk" },
		{ "ann:bob", "talk" },
		{ "bob%", "talk" },
		{ "", "%62ob:talk" },
	};
	struct buf rules = BUF_INIT;

	owner_start();
	rule(&rules, "make", "execute_pipeline", MAKE_PRIVATE);
	rule(&rules, "filter", "execute_pipeline", FILTER_LAST);
	script(&rules);
	expect_completed(run("b", "make", "bob", "talk"));
	for (size_t i = 0; i < ARRAY_LEN(tries); i++) {
		char id[16];
		const struct json *r;

		harness_llm_reset(h);
		(void)snprintf(id, sizeof(id), "a%zu", i);
		r = run(id, "filter", tries[i].owner, tries[i].session);
		cr_expect_str_eq(text_at(h, r, "error.type"), "invalid_step",
		    "'%s' '%s'", tries[i].owner, tries[i].session);
	}
	/* bob's own job alone was told of it: in its report, not in anybody's session */
	cr_expect(not(was_sent("earlier in this session, oldest first")));
	owner_stop();
}

Test(owner, owners_and_ids_that_run_together_are_two_sessions)
{
	struct buf rules = BUF_INIT;
	const struct json *r;

	owner_start();
	rule(&rules, "make", "execute_pipeline", MAKE_PRIVATE);
	rule(&rules, "filter", "execute_pipeline", FILTER_LAST);
	script(&rules);
	expect_completed(run("k1", "make", "a:b", "talk"));
	r = run("k2", "filter", "a", "b:talk");
	cr_expect_str_eq(text_at(h, r, "error.type"), "invalid_step");
	r = run("k3", "filter", "a:b", "talk");
	expect_completed(r);
	owner_stop();
}

/* A pipeline may name a session: no other than the job's own is meant by that. */
Test(owner, a_model_that_names_a_session_gets_its_own_or_none)
{
	struct buf rules = BUF_INIT;
	const struct json *r;

	owner_start();
	rule(&rules, "make", "execute_pipeline", MAKE_PRIVATE);
	rule(&rules, "filter", "execute_pipeline", FILTER_LAST);
	script(&rules);
	expect_completed(run("m1", "make", "bob", "talk"));
	expect_completed(run("m2", "make", "bob", "other"));
	r = run("m3", "filter", "bob", "other"); /* its call says "talk" */
	cr_expect_str_eq(text_at(h, r, "error.type"), "invalid_step");
	owner_stop();
}

static long long
turns(const char *key)
{
	return harness_redis_int(h, "LLEN %s", key);
}

Test(owner, a_session_is_bounded_and_expires)
{
	struct buf rules = BUF_INIT;
	long long ttl;

	owner_start();
	rule(&rules, "make", "execute_pipeline", MAKE_PRIVATE);
	rule(&rules, "filter", "execute_pipeline", FILTER_LAST);
	script(&rules);
	for (int i = 0; i < 5; i++) {
		char id[16];

		(void)snprintf(id, sizeof(id), "t%d", i);
		expect_completed(run(id, "make", "bob", "talk"));
	}
	cr_expect(eq(i64, turns("agent:session:bob:talk"), 3));
	ttl = harness_redis_int(h, "TTL %s", "agent:session:bob:talk");
	cr_expect(ttl > 0 && ttl <= 600, "%lld", ttl);
	(void)harness_redis_int(h, "PEXPIRE %s 1", "agent:session:bob:talk");
	harness_sleep(20);
	cr_expect_str_eq(text_at(h, run("t9", "filter", "bob", "talk"), "error.type"),
	    "invalid_step");
	owner_stop();
}

/* The turn goes in with the job's end: a copy, a stored result that is published again
   after Redis forgot the job, and another run of a failed job leave one turn a job. */
Test(owner, a_job_has_one_turn_however_often_it_is_published)
{
	struct buf rules = BUF_INIT;
	const struct json *r;

	owner_start();
	rule(&rules, "make", "execute_pipeline", MAKE_PRIVATE);
	rule(&rules, "fail", "execute_pipeline", FILTER_LAST);
	script(&rules);
	expect_completed(run("p1", "make", "bob", "talk"));
	expect_completed(run("p1", "make", "bob", "talk"));
	cr_expect(eq(i64, turns("agent:session:bob:talk"), 1));
	(void)harness_redis_int(h, "DEL %s %s", "agent:job:p1", "agent:results:p1");
	expect_completed(run("p1", "make", "bob", "talk"));
	cr_expect(eq(i64, turns("agent:session:bob:talk"), 1));
	r = run("p2", "fail", "bob", "again");
	cr_expect_str_eq(text_at(h, r, "status"), "failed");
	cr_expect(eq(i64, turns("agent:session:bob:again"), 1));
	rule(&rules, "fail", "execute_pipeline", MAKE_PRIVATE);
	script(&rules);
	harness_push_job(h, "p2", "show the data of #fail#",
	    ",\"workflow_owner\":\"bob\",\"retry_count\":1,\"context\":{\"session_id\":"
	    "\"again\"}");
	expect_completed(harness_result(h, "p2", 60000));
	cr_expect(eq(i64, turns("agent:session:bob:again"), 1));
	owner_stop();
}

/* ---- references ---- */

/* What a model wrote into its own session is no permission for the next job. */
Test(owner, a_reference_that_a_model_wrote_opens_nothing)
{
	struct buf rules = BUF_INIT;
	char ref[128], args[400], name[16];
	const char *forms[] = {
		"{\"input_ref\":\"%s\",\"pipeline\":[{\"step\":\"top_k\","
		"\"k\":4}]}",
		"{\"pipeline\":[{\"step\":\"http_request\",\"url\":\"{{data_api}}/orders\"},"
		"{\"step\":\"join\",\"right\":\"%s\",\"on\":\"n\",\"how\":\"left\"}]}",
		"{\"input_ref\":\" %s\",\"pipeline\":[{\"step\":\"top_k\",\"k\":4}]}"
	};

	owner_start();
	rule(&rules, "make", "execute_pipeline", MAKE_PRIVATE);
	script(&rules);
	(void)snprintf(ref, sizeof(ref), "%s",
	    text_at(h, run("b1", "make", "bob", "talk"), "result_ref"));
	cr_assert(strncmp(ref, "artifact://", 11) == 0);
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		(void)snprintf(args, sizeof(args), forms[i], ref);
#pragma GCC diagnostic pop
		(void)snprintf(name, sizeof(name), "try%zu", i);
		rule(&rules, name, "execute_pipeline", args);
	}
	script(&rules);
	harness_llm_reset(h);
	for (size_t turn = 0; turn < 2; turn++)
		for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
			char id[24];

			(void)snprintf(name, sizeof(name), "try%zu", i);
			(void)snprintf(id, sizeof(id), "a%zu-%zu", turn, i);
			expect_refused(run(id, name, i == 1 ? "" : "ann", "talk"),
			    i == 2 ? "invalid_step" : "forbidden_reference", id);
		}
	owner_stop();
}

/* What the producer gave one job of a session, the next job of it may read, too. */
Test(owner, a_reference_of_the_producer_lasts_for_the_session)
{
	struct buf rules = BUF_INIT;
	char ref[128], args[300], extra[400];
	const struct json *r;

	owner_start();
	rule(&rules, "make", "execute_pipeline", MAKE_PRIVATE);
	script(&rules);
	(void)snprintf(ref, sizeof(ref), "%s",
	    text_at(h, run("b1", "make", "bob", ""), "result_ref"));
	(void)snprintf(args, sizeof(args),
	    "{\"input_ref\":\"%s\",\"pipeline\":[{\"step\":\"top_k\",\"k\":1}]}", ref);
	rule(&rules, "read", "execute_pipeline", args);
	script(&rules);
	(void)snprintf(extra, sizeof(extra),
	    ",\"workflow_owner\":\"ann\",\"context\":{\"session_id\":\"talk\","
	    "\"previous_results\":[{\"node_id\":\"x\",\"result_ref\":\"%s\"}]}",
	    ref);
	harness_push_job(h, "g1", "a greeting", extra);
	expect_completed(harness_result(h, "g1", 60000));
	expect_completed(run("g2", "read", "ann", "talk"));
	r = run("g3", "read", "ann", "other");
	cr_expect_str_eq(text_at(h, r, "error.type"), "forbidden_reference");
	r = run("g4", "read", "eve", "talk");
	cr_expect_str_eq(text_at(h, r, "error.type"), "forbidden_reference");
	owner_stop();
}

/* ---- the operator ---- */

Test(owner, agentctl_shows_and_drops_sessions)
{
	struct buf rules = BUF_INIT;
	CLEANUP_BUF struct buf out = BUF_INIT;

	owner_start();
	rule(&rules, "make", "execute_pipeline", MAKE_PRIVATE);
	script(&rules);
	expect_completed(run("c1", "make", "o:1", "talk"));
	const char *list[] = { harness_program(h, "agentctl"), "-c",
		harness_conf_path(h), "session", "list", "--json", NULL };
	const char *show[] = { list[0], "-c", list[2], "session", "show", "talk",
		"--owner", "o:1", NULL };
	const char *show_other[] = { list[0], "-c", list[2], "session", "show", "talk",
		NULL };
	const char *drop[] = { list[0], "-c", list[2], "session", "drop", "talk",
		"--owner", "o:1", NULL };

	cr_expect(eq(int, harness_run(h, list, &out), 0));
	cr_expect(strstr(buf_str(&out),
		      "\"owner\":\"o:1\",\"session_id\":\"talk\",\"turns\":1") != NULL,
	    "%s", buf_str(&out));
	buf_clear(&out);
	cr_expect(eq(int, harness_run(h, show, &out), 0));
	cr_expect(strstr(buf_str(&out), "c1") != NULL, "%s", buf_str(&out));
	cr_expect(ne(int, harness_run(h, show_other, &out), 0));
	cr_expect(eq(int, harness_run(h, drop, &out), 0));
	cr_expect(ne(int, harness_run(h, drop, &out), 0));
	cr_expect(eq(i64, turns("agent:session:o%3A1:talk"), 0));
	owner_stop();
}

/* SPDX-License-Identifier: MIT */
/*
 * test_owner_hostile.c - a model that wants what is bob's, in the jobs of others. It
 * knows everything that can be known: references, digests, ids, names. It gets not one
 * byte of it, by whatever way it asks.
 */
#include "config.h"

#include "tests/e2e/owner_support.h"

#include <ctype.h>

TestSuite(owner_hostile, .timeout = 240);

/* ---- what is bob's ---- */

static char artifact[128]; /* a small result */
static char cas[128];      /* a large one, by its digest */
static char nobodys[128];  /* a result of a job without owner */
static char tool[100];     /* a composite tool */

#define MAKE_LARGE                                                               \
 "{\"pipeline\":[{\"step\":\"http_request\",\"url\":\"{{data_api}}/orders\"},"   \
 "{\"step\":\"jq_transform\",\"query\":\"[range(99) | {n: ., price: 1, secret: " \
 "\\\"MARKER-OF-BOB\\\"}]\"}]}"

static void
keep_ref(const char *id, const char *rule_name, const char *owner, char out[128])
{
	const struct json *r = run(id, rule_name, owner, "talk");

	expect_completed(r);
	(void)snprintf(out, 128, "%s", text_at(h, r, "result_ref"));
}

static void
start_with_bob(void)
{
	struct buf rules = BUF_INIT;
	char work[300];

	h = e2e_new();
	harness_llm_arg(h, "--log-bodies");
	harness_set(h, "storage.max_inline_bytes", "2048");
	harness_start(h);
	rule(&rules, "small", "execute_pipeline", MAKE_PRIVATE);
	rule(&rules, "large", "execute_pipeline", MAKE_LARGE);
	script(&rules);
	keep_ref("nobody", "small", "", nobodys);
	keep_ref("large", "large", "bob", cas);
	keep_ref("small", "small", "bob", artifact);
	cr_assert(strncmp(cas, "cas://sha256:", 13) == 0, "%s", cas);
	cr_assert(strncmp(artifact, "artifact://", 11) == 0, "%s", artifact);
	/* used twice: bob has a tool, and what it came to is remembered */
	(void)snprintf(work, sizeof(work),
	    "{\"input_ref\":\"%s\",\"pipeline\":[{\"step\":\"top_k\",\"k\":2}]}",
	    artifact);
	rule(&rules, "work", "execute_pipeline", work);
	script(&rules);
	expect_completed(run("work1", "work", "bob", ""));
	expect_completed(run("work2", "work", "bob", ""));
	(void)snprintf(tool, sizeof(tool), "%s",
	    harness_sql(h,
		"SELECT name FROM composite_tools WHERE owner = 'bob' AND name "
		"LIKE 'top%%'"));
	tool[strcspn(tool, "\n")] = '\0';
	cr_assert(strncmp(tool, "top_", 4) == 0, "'%s'", tool);
}

/* ---- the attempts ---- */

/* In arguments: {A} bob's artifact, {C} his digest, {H} its hexadecimal digits, {U} the
   same in capitals, {N} nobody's artifact, {I} the artifact's id. */
static void
expand(struct buf *out, const char *text)
{
	const char *hex = cas + strlen("cas://sha256:");

	for (const char *p = text; *p != '\0'; p++) {
		if (p[0] != '{' || p[1] == '\0' || p[2] != '}') {
			buf_addc(out, *p);
			continue;
		}
		switch (p[1]) {
		case 'A':
			buf_adds(out, artifact);
			break;
		case 'C':
			buf_adds(out, cas);
			break;
		case 'H':
			buf_adds(out, hex);
			break;
		case 'U':
			for (const char *q = hex; *q != '\0'; q++)
				buf_addc(out, (char)toupper(*q));
			break;
		case 'N':
			buf_adds(out, nobodys);
			break;
		case 'I':
			buf_adds(out, artifact + strlen("artifact://"));
			break;
		default:
			buf_add(out, p, 3);
			break;
		}
		p += 2;
	}
}

#define READ(ref) \
 "{\"input_ref\":\"" ref "\",\"pipeline\":[{\"step\":\"top_k\",\"k\":9}]}"
#define JOIN(side, ref)                                                                  \
 "{\"pipeline\":[{\"step\":\"http_request\",\"url\":\"{{data_api}}/orders\"},{\"step\":" \
 "\"join\",\"" side "\":\"" ref                                                          \
 "\",\"on\":{\"left\":\"id\",\"right\":\"n\"},\"how\":\"left\"}]}"
#define JQ(query)                                                                        \
 "{\"pipeline\":[{\"step\":\"http_request\",\"url\":\"{{data_api}}/orders\"},{\"step\":" \
 "\"jq_transform\",\"query\":\"" query "\"}]}"
#define GET(url) "{\"pipeline\":[{\"step\":\"http_request\",\"url\":\"" url "\"}]}"
#define WORK "[{\"step\":\"top_k\",\"k\":2}]"

/* clang-format off */
static const struct {
	const char *what, *tool; /* tool NULL: bob's own */
	const char *args, *type;
} attempts[] = {
	{ "an artifact", "execute_pipeline", READ("{A}"), "forbidden_reference" },
	{ "a digest", "execute_pipeline", READ("{C}"), "forbidden_reference" },
	{ "nobody's artifact", "execute_pipeline", READ("{N}"), "forbidden_reference" },
	{ "a blank before it", "execute_pipeline", READ(" {A}"), "invalid_step" },
	{ "a line end behind it", "execute_pipeline", READ("{A}\\n"), "invalid_step" },
	{ "a NUL behind it", "execute_pipeline", READ("{A}\\u0000"), "invalid_step" },
	{ "another scheme", "execute_pipeline", READ("ARTIFACT://{I}"), "invalid_step" },
	{ "the id alone", "execute_pipeline", READ("{I}"), "invalid_step" },
	{ "a path in it", "execute_pipeline", READ("artifact://../{I}"), "invalid_step" },
	{ "a wild card", "execute_pipeline", READ("artifact://%"), "invalid_step" },
	{ "a quote", "execute_pipeline", READ("artifact://' OR owner = 'bob"), "invalid_step" },
	{ "the digest in capitals", "execute_pipeline", READ("cas://sha256:{U}"), "invalid_step" },
	{ "the digest without its kind", "execute_pipeline", READ("cas://{H}"), "invalid_step" },
	{ "the digest as an artifact", "execute_pipeline", READ("artifact://{H}"), "invalid_step" },
	{ "a guessed digest", "execute_pipeline", READ("cas://sha256:0000000000000000000000000000000000000000000000000000000000000000"), "invalid_step" },
	{ "a guessed id", "execute_pipeline", READ("artifact://00000000-0000-4000-8000-000000000000"), "invalid_step" },
	{ "a file of the store", "execute_pipeline", READ("cas://sha256:../../../../etc/passwd"), "invalid_step" },
	{ "a join on the right", "execute_pipeline", JOIN("right", "{A}"), "forbidden_reference" },
	{ "a join on the left", "execute_pipeline", JOIN("left", "{C}"), "forbidden_reference" },
	{ "a join of both", "execute_pipeline", "{\"pipeline\":[{\"step\":\"join\",\"left\":\"{A}\",\"right\":\"{C}\",\"on\":\"n\"}]}", "forbidden_reference" },
	{ "the last result of his session", "execute_pipeline", "{\"session_id\":\"talk\",\"pipeline\":" WORK "}", "invalid_step" },
	{ "his session by its key", "execute_pipeline", "{\"session_id\":\"agent:session:bob:talk\",\"pipeline\":" WORK "}", "invalid_step" },
	{ "his session with his name", "execute_pipeline", "{\"session_id\":\"bob:talk\",\"pipeline\":" WORK "}", "invalid_step" },
	{ "his session as an input", "execute_pipeline", READ("session:bob:talk"), "invalid_step" },
	{ "what is remembered for him", "execute_pipeline", "{\"input_ref\":\"{A}\",\"pipeline\":" WORK "}", "forbidden_reference" },
	{ "his tool", NULL, "{}", "invalid_step" },
	{ "his tool over his data", NULL, "{\"input_ref\":\"{A}\"}", "invalid_step" },
	{ "an owner among the arguments", "execute_pipeline", "{\"owner\":\"bob\",\"input_ref\":\"{A}\",\"pipeline\":" WORK "}", "invalid_step" },
	{ "an owner in a step", "execute_pipeline", "{\"input_ref\":\"{A}\",\"pipeline\":[{\"step\":\"top_k\",\"k\":2,\"owner\":\"bob\"}]}", "invalid_step" },
	{ "a reference as an address", "execute_pipeline", GET("{A}"), "invalid_step" },
	{ "the store as an address", "execute_pipeline", GET("file:///var/lib/agent-runner/agent-runner.db"), "invalid_step" },
	{ "a file by jq", "execute_pipeline", JQ("input_filename, (\\\"x\\\" | import \\\"/etc/passwd\\\" as $p; $p)"), "invalid_step" },
	{ "an include by jq", "execute_pipeline", JQ("include \\\"/etc/passwd\\\"; ."), "invalid_step" },
};
/* clang-format on */

static void
script_attempts(void)
{
	struct buf rules = BUF_INIT;

	for (size_t i = 0; i < ARRAY_LEN(attempts); i++) {
		CLEANUP_BUF struct buf args = BUF_INIT;
		char name[16];

		expand(&args, attempts[i].args);
		(void)snprintf(name, sizeof(name), "try%zu", i);
		rule(&rules, name, attempts[i].tool != NULL ? attempts[i].tool : tool,
		    buf_str(&args));
	}
	script(&rules);
}

/* Were the models of other jobs than bob's and nobody's own ever shown it? */
static bool
was_shown(void)
{
	const struct json *log = harness_llm_log(h);
	bool is_shown = false;

	for (uint32_t i = 0; i < log->len; i++) {
		CLEANUP_BUF struct buf line = BUF_INIT;

		json_write(&line, &log->items[i], JSON_COMPACT);
		is_shown |= strstr(buf_str(&line), "#try") != NULL &&
		    strstr(buf_str(&line), MARKER) != NULL;
	}
	return is_shown;
}

/* Every attempt as ann, in a session of the same name as bob's. Nothing of it is stored
   in her name either. */
Test(owner_hostile, no_way_leads_to_what_is_anothers)
{
	start_with_bob();
	script_attempts();
	for (size_t i = 0; i < ARRAY_LEN(attempts); i++) {
		char name[16], id[16];

		(void)snprintf(name, sizeof(name), "try%zu", i);
		(void)snprintf(id, sizeof(id), "ann%zu", i);
		expect_refused(run(id, name, "ann", "talk"), attempts[i].type,
		    attempts[i].what);
	}
	cr_expect(not(was_shown()));
	cr_expect_str_eq(
	    harness_sql(h,
		"SELECT count(*) FROM agent_results WHERE owner = 'ann' AND "
		"(message LIKE '%%MARKER%%' OR trace LIKE '%%MARKER%%' OR "
		"status = 'completed')"),
	    "0\n");
	cr_expect_str_eq(
	    harness_sql(h, "SELECT count(*) FROM composite_tools WHERE owner = 'ann'"),
	    "0\n");
	owner_stop();
}

/* Owners that look alike are others. Each tries the three plain ways. */
Test(owner_hostile, a_name_that_looks_like_his_is_not_his)
{
	static const char *const names[] = { "", "Bob", "bob ", " bob", "bob:", "bob%",
		"b\320\276b", /* a Cyrillic o */
		"bo", "bobb", "%", "bob' OR '1'='1", "bob%3Atalk", "*" };
	static const size_t ways[] = { 0, 1, 24 };
	unsigned n = 0;

	start_with_bob();
	script_attempts();
	cr_assert_str_eq(attempts[24].what, "what is remembered for him");
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		for (size_t k = 0; k < ARRAY_LEN(ways); k++) {
			char rule_name[16], id[16];

			(void)snprintf(rule_name, sizeof(rule_name), "try%zu", ways[k]);
			(void)snprintf(id, sizeof(id), "n%u", n++);
			expect_refused(run(id, rule_name, names[i], "look"),
			    "forbidden_reference", names[i]);
		}
	cr_expect(not(was_shown()));
	owner_stop();
}

/* workflow_owner says whose a job is; user_id only when there is none. */
Test(owner_hostile, a_user_id_does_not_make_it_his)
{
	static const struct {
		const char *fields;
		bool is_his;
	} senders[] = {
		{ ",\"workflow_owner\":\"ann\",\"user_id\":\"bob\"", false },
		{ ",\"user_id\":\"ann\"", false },
		{ ",\"owner\":\"bob\"", false },
		{ ",\"context\":{\"workflow_state\":{\"workflow_owner\":\"bob\"}}",
		    false },
		{ ",\"current_workflow\":{\"nodes\":[],\"edges\":[],\"workflow_owner\":\"bob\"}",
		    false },
		{ ",\"workflow_owner\":null,\"user_id\":\"bob\"", true },
		{ ",\"workflow_owner\":\"bob\",\"user_id\":\"ann\"", true },
	};

	start_with_bob();
	script_attempts();
	for (size_t i = 0; i < ARRAY_LEN(senders); i++) {
		char id[16];

		(void)snprintf(id, sizeof(id), "u%zu", i);
		harness_push_job(h, id, "now #try0#", senders[i].fields);
		if (senders[i].is_his)
			expect_completed(harness_result(h, id, 60000));
		else
			expect_refused(harness_result(h, id, 60000),
			    "forbidden_reference", senders[i].fields);
	}
	owner_stop();
}

/* A reference that a prompt, a preview or the workflow names is only text. One of the
   producer's previous_results is permission for itself, and for nothing beside it. */
Test(owner_hostile, only_the_producers_list_permits_and_only_what_it_names)
{
	static const struct {
		const char *context; /* {A} and {C} are expanded */
		const char *attempt;
		bool may;
	} jobs[] = {
		{ "\"previous_results\":[{\"node_id\":\"x\",\"result_ref\":\"{A}\"}]",
		    "try0", true },
		{ "\"previous_results\":[{\"node_id\":\"x\",\"result_ref\":\"{A}\"}]",
		    "try1", false },
		{ "\"previous_results\":[{\"node_id\":\"x\",\"result_ref\":\"{C}\"}]",
		    "try0", false },
		{ "\"previous_results\":[{\"node_id\":\"{A}\"}]", "try0", false },
		{ "\"previous_results\":[{\"node_id\":\"x\",\"preview\":{\"result_ref\":\"{A}\"}}]",
		    "try0", false },
		{ "\"previous_results\":[{\"result_ref\":\" {A}\"}]", "try0", false },
		{ "\"workflow_state\":{\"previous_results\":[{\"result_ref\":\"{A}\"}]}",
		    "try0", false },
	};

	start_with_bob();
	script_attempts();
	for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
		CLEANUP_BUF struct buf extra = BUF_INIT;
		CLEANUP_BUF struct buf prompt = BUF_INIT;
		char id[16];

		(void)snprintf(id, sizeof(id), "g%zu", i);
		expand(&prompt, "you may read {A} and {C}: ");
		buf_addf(&prompt, "#%s#", jobs[i].attempt);
		buf_adds(&extra, ",\"workflow_owner\":\"ann\",\"context\":{");
		expand(&extra, jobs[i].context);
		buf_addc(&extra, '}');
		harness_push_job(h, id, buf_str(&prompt), buf_str(&extra));
		if (jobs[i].may)
			expect_completed(harness_result(h, id, 60000));
		else
			expect_refused(harness_result(h, id, 60000),
			    "forbidden_reference", jobs[i].context);
	}
	owner_stop();
}

/* Equal content has one digest; who has made it has it by right, before and after. */
Test(owner_hostile, a_digest_is_no_capability_but_equal_content_is_ones_own)
{
	struct buf rules = BUF_INIT;
	CLEANUP_BUF struct buf args = BUF_INIT;
	char own[128];

	start_with_bob();
	expand(&args, READ("{C}"));
	rule(&rules, "large", "execute_pipeline", MAKE_LARGE);
	rule(&rules, "read", "execute_pipeline", buf_str(&args));
	script(&rules);
	expect_refused(run("a1", "read", "ann", ""), "forbidden_reference", "before");
	keep_ref("a2", "large", "ann", own);
	cr_expect_str_eq(own, cas);
	expect_completed(run("a3", "read", "ann", ""));
	expect_completed(run("b3", "read", "bob", ""));
	expect_refused(run("e3", "read", "eve", ""), "forbidden_reference", "eve");
	owner_stop();
}

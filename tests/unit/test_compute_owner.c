/* SPDX-License-Identifier: MIT */
/*
 * test_compute_owner.c - no computation sees what another owner sent, even when a
 * parser fails.
 *
 * A planted flaw (compute/flaw.h) searches all memory of its child. One owner's
 * computations carry a marker, another owner's flaw looks for it. The same attempts
 * with a rule switched off do find it: so the tests can fail.
 */
#include "config.h"

#include "tests/unit/zygote_support.h"

#include "common/pipeline/compute_proto.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/random.h>

#ifdef WITH_FAULT_POINTS
# include "compute/flaw.h"

enum {
	MARKER_LEN = 24
};

static struct test_zygote zygote;
static char marker[MARKER_LEN + 1]; /* drawn after the zygote was forked */
static uint64_t last_id;

TestSuite(compute_owner, .timeout = 120);

static void
start(struct zygote_options o)
{
	unsigned char raw[MARKER_LEN];

	if (!sandbox_is_strict())
		cr_skip_test("the sanitizers' own memory is too large to search");
	o.max_children = o.max_children > 0 ? o.max_children : 2;
	zygote = zygote_start(&o);
	cr_assert_eq(getrandom(raw, sizeof(raw), 0), sizeof(raw));
	for (size_t i = 0; i < MARKER_LEN; i++)
		marker[i] = (char)('a' + raw[i] % 26);
}

static void
forget(struct test_reply r)
{
	cr_expect(strstr(r.meta, "\"ok\":true") == r.meta + 1, "%s", r.meta);
	test_reply_release(&r);
}

/* Owner a computes with data that holds the marker. */
static void
compute_as_a(const char *steps, const char *more, const char *data)
{
	zygote_run(&zygote, ++last_id, "a", steps, more, data, strlen(data));
}

# define SORT "[{\"step\":\"table_sort\",\"field\":\"a\"}]"
# define FRESH ",\"fresh\":true"

static uint64_t
places_seen_by(const char *owner, const char *more)
{
	char data[64] = FLAW_MAGIC;
	size_t n = strlen(data);
	struct test_reply r;
	uint64_t found = UINT64_MAX, pages = 0;

	for (size_t i = 0; i < MARKER_LEN; i++)
		data[n + i] = (char)(marker[i] ^ FLAW_KEY);
	zygote_run(&zygote, ++last_id, owner, SORT, more, data, n + MARKER_LEN);
	do
		r = zygote_receive(&zygote);
	while (r.id != last_id && (test_reply_release(&r), true));
	cr_assert_eq(sscanf(r.data, "{\"found\":%lu,\"pages\":%lu}", &found, &pages), 2,
	    "%s %s", r.meta, r.data);
	cr_expect_gt(pages, 100, "it did not look around: %lu pages", pages);
	test_reply_release(&r);
	return found;
}

static void
sort_the_marker_as_a(void)
{
	char data[128];

	(void)snprintf(data, sizeof(data), "[{\"a\":\"%s\"},{\"a\":\"\\u0041%s\"}]",
	    marker, marker);
	compute_as_a(SORT, "", data);
	forget(zygote_receive(&zygote));
}

Test(compute_owner, the_flaw_sees_what_its_own_owner_left_in_a_shared_child)
{
	start((struct zygote_options){ 0 });
	sort_the_marker_as_a();
	cr_expect_gt(places_seen_by("a", ""), 0);
	zygote_stop(&zygote);
}

Test(compute_owner, another_owner_gets_another_child)
{
	start((struct zygote_options){ 0 });
	sort_the_marker_as_a();
	cr_expect_eq(places_seen_by("b", ""), 0);
	cr_expect_eq(places_seen_by("", ""), 0);
	zygote_stop(&zygote);
}

Test(compute_owner, without_the_rule_another_owner_sees_it)
{
	start((struct zygote_options){ .shares_children = true });
	sort_the_marker_as_a();
	cr_expect_gt(places_seen_by("b", ""), 0);
	zygote_stop(&zygote);
}

Test(compute_owner, a_fresh_child_sees_nothing_even_of_its_own_owner)
{
	start((struct zygote_options){ 0 });
	sort_the_marker_as_a();
	cr_expect_eq(places_seen_by("a", FRESH), 0);
	zygote_stop(&zygote);
}

/* libyaml reads it: as with programs, nobody has to ask for a fresh child. */
Test(compute_owner, yaml_gets_a_fresh_child)
{
	start((struct zygote_options){ 0 });
	sort_the_marker_as_a();
	cr_expect_eq(places_seen_by("a", ",\"format\":\"yaml\""), 0);
	zygote_stop(&zygote);
}

/* What passed through the zygote on its way: each leaves the marker in one place, far
   behind what later and shorter requests overwrite. */

static void
send_it_as_literal(void)
{
	char steps[256];

	(void)snprintf(steps, sizeof(steps),
	    "[{\"step\":\"table_filter\",\"condition\":{\"field\":\"a\",\"op\":\"==\","
	    "\"value\":\"\\u0041%s\"}}]",
	    marker);
	compute_as_a(steps, "", "[]");
	forget(zygote_receive(&zygote));
}

static void
get_it_as_answer(void)
{
	char steps[256];

	(void)snprintf(steps, sizeof(steps),
	    "[{\"step\":\"jq_transform\",\"query\":\"\\\"%.12s\\\" + \\\"%s\\\"\"}]",
	    marker, marker + 12);
	compute_as_a(steps, FRESH, "[]");
	forget(zygote_receive(&zygote));
}

static void
send_it_as_input(void)
{
	char data[4096];

	(void)snprintf(data, sizeof(data), "%3000s\"id\":\"%s\"}]", "[{", marker);
	zygote_send(&zygote, COMPUTE_INPUT, last_id + 1, "{\"name\":\"artifact://x\"}",
	    data, strlen(data));
	compute_as_a(
	    "[{\"step\":\"join\",\"left\":\"current\",\"right\":\"artifact://x\","
	    "\"on\":\"id\"}]",
	    FRESH ",\"inputs\":1", "[]");
	forget(zygote_receive(&zygote));
}

/* Its child still runs, and its request is still held, when the other's is forked. */
static void
have_it_under_way(void)
{
	char data[64];

	(void)snprintf(data, sizeof(data), "[\"%s\"]", marker);
	compute_as_a("[{\"step\":\"jq_transform\",\"query\":\"def f: f; f\"}]",
	    FRESH ",\"wall_ms\":50000", data);
}

static void
send_what_cannot_be_read(void)
{
	char data[2048];
	struct test_reply r;

	(void)snprintf(data, sizeof(data), "%2000s", marker);
	zygote_send(&zygote, COMPUTE_RUN, ++last_id, "{\"owner\":\"a\",", data,
	    strlen(data));
	r = zygote_receive(&zygote);
	test_reply_release(&r);
}

static const struct {
	const char *name;
	void (*leave)(void);
} ways[] = {
	{ "a literal of a step", send_it_as_literal },
	{ "an answer", get_it_as_answer },
	{ "a further input", send_it_as_input },
	{ "a request under way", have_it_under_way },
	{ "a request that cannot be read", send_what_cannot_be_read },
};

Test(compute_owner, nothing_that_passed_through_the_zygote_is_inherited)
{
	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		start((struct zygote_options){ 0 });
		ways[i].leave();
		cr_expect_eq(places_seen_by("b", ""), 0, "%s", ways[i].name);
		zygote_stop(&zygote);
	}
}

Test(compute_owner, without_hiding_it_would_be)
{
	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		start((struct zygote_options){ .shares_memory = true });
		ways[i].leave();
		cr_expect_gt(places_seen_by("b", ""), 0, "%s", ways[i].name);
		zygote_stop(&zygote);
	}
}

#else
Test(compute_owner, the_planted_flaw_needs_a_build_with_fault_points)
{
	cr_skip_test("configured without --enable-fault-points");
}
#endif

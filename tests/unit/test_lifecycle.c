/* SPDX-License-Identifier: MIT */
/* test_lifecycle.c - walks the table of a child's legal lives. */
#include "config.h"

#include "supervisor/supervisor.h"

#include "common/exit_status.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

static const struct transition *table;
static size_t n;

static void
begin(void)
{
	table = lifecycle_table(&n);
}

TestSuite(lifecycle, .init = begin);

static const struct transition *
find(enum child_state state, enum child_event event)
{
	for (size_t i = 0; i < n; i++)
		if (table[i].in == state && table[i].on == event)
			return &table[i];
	return NULL;
}

Test(lifecycle, every_state_and_event_has_a_name)
{
	for (int i = 0; i < CHILD_STATE_COUNT; i++)
		cr_expect_str_neq(control_state_name(i), "?");
	for (int i = 0; i < CHILD_EVENT_COUNT; i++)
		cr_expect_str_neq(child_event_name(i), "?");
	cr_expect_str_eq(control_state_name(CHILD_STATE_COUNT), "?");
	cr_expect_str_eq(child_event_name(CHILD_EVENT_COUNT), "?");
}

Test(lifecycle, no_state_knows_two_answers_to_one_event)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < i; k++)
			cr_expect(table[i].in != table[k].in ||
				table[i].on != table[k].on,
			    "%s on %s", control_state_name(table[i].in),
			    child_event_name(table[i].on));
}

Test(lifecycle, every_state_is_reached_from_empty_and_can_end)
{
	bool is_reached[CHILD_STATE_COUNT] = { [CHILD_EMPTY] = true };
	bool can_end[CHILD_STATE_COUNT] = { [CHILD_GONE] = true };

	for (int round = 0; round < CHILD_STATE_COUNT; round++)
		for (size_t i = 0; i < n; i++) {
			is_reached[table[i].then] |= is_reached[table[i].in];
			can_end[table[i].in] |= can_end[table[i].then];
		}
	for (int s = 0; s < CHILD_STATE_COUNT; s++) {
		cr_expect(is_reached[s], "%s is never reached", control_state_name(s));
		cr_expect(can_end[s], "%s never ends", control_state_name(s));
	}
}

/* Whatever its state, a process may die, be killed or be told to drain: our own events
   must have an answer wherever they can occur, since their lack is a bug. */
Test(lifecycle, states_with_a_process_answer_all_our_own_events)
{
	static const enum child_state states[] = { CHILD_STARTING, CHILD_LIVE,
		CHILD_DRAINING, CHILD_STOPPING, CHILD_KILLED };
	static const enum child_event events[] = { EVENT_DRAIN, EVENT_LATE, EVENT_WRONG,
		EVENT_NOW, EVENT_DIED, EVENT_RENEWED, EVENT_REFUSED, EVENT_LEFT };

	for (size_t s = 0; s < ARRAY_LEN(states); s++)
		for (size_t e = 0; e < ARRAY_LEN(events); e++)
			cr_expect(find(states[s], events[e]) != NULL, "%s on %s",
			    control_state_name(states[s]), child_event_name(events[e]));
}

Test(lifecycle, states_without_a_process_can_start_or_be_left)
{
	static const enum child_state states[] = { CHILD_EMPTY, CHILD_WAITING,
		CHILD_BROKEN };

	for (size_t s = 0; s < ARRAY_LEN(states); s++) {
		cr_expect(find(states[s], EVENT_LEFT) != NULL);
		cr_expect(find(states[s], EVENT_START) != NULL);
		cr_expect(find(states[s], EVENT_DIED) == NULL);
	}
}

Test(lifecycle, nothing_follows_gone_and_only_start_makes_a_process)
{
	for (size_t i = 0; i < n; i++) {
		cr_expect(table[i].in != CHILD_GONE);
		cr_expect(
		    (table[i].action == child_spawn) == (table[i].on == EVENT_START));
		cr_expect((table[i].then == CHILD_KILLED) ==
			(table[i].action == child_kill ||
			    (table[i].in == CHILD_KILLED && table[i].action == NULL)),
		    "%s on %s", control_state_name(table[i].in),
		    child_event_name(table[i].on));
	}
}

Test(lifecycle, only_a_starting_child_becomes_live)
{
	for (size_t i = 0; i < n; i++)
		cr_expect(table[i].then != CHILD_LIVE || table[i].in == CHILD_STARTING);
}

Test(lifecycle, what_is_not_in_the_table_changes_nothing)
{
	struct child c = { .state = CHILD_LIVE, .due_ms = 77 };

	cr_expect_eq(lifecycle_take(&c, EVENT_READY), -EPROTO);
	cr_expect_eq(c.state, CHILD_LIVE);
	cr_expect_eq(c.due_ms, 77);
}

/* SPDX-License-Identifier: MIT */
/* test_lane_client.c - requests of many fibers over one lane, with a peer that we play. */
#include "config.h"

#include "common/clock.h"
#include "worker/lane_client.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

enum {
	PATIENCE_MS = 20000,
	OP_PART = 1,
	OP_RUN = 2,
	OP_DONE = 3,
	OP_CANCEL = 4,
	CALLS_MAX = 3
};

static struct loop *loop;
static struct fibers *fibers;
static struct lane_client *client;
static int peer = -1;
static char *buffer; /* of the peer */

static void
connect_peer(void)
{
	int ends[2];

	cr_assert(eq(int, lane_pair(ends), 0));
	if (peer >= 0)
		(void)close(peer);
	peer = ends[1];
	cr_assert(eq(int, lane_client_attach(client, ends[0]), 0));
}

static void
start(void)
{
	loop = loop_new();
	fibers = fibers_new(loop, 8);
	client = lane_client_new(loop, "compute", CALLS_MAX);
	buffer = malloc(LANE_MESSAGE_MAX);
	cr_assert(client != NULL && buffer != NULL);
}

static void
stop(void)
{
	lane_client_free(client);
	fibers_free(fibers);
	loop_free(loop);
	free(buffer);
	closep(&peer);
}

TestSuite(lane_client, .init = start, .fini = stop, .timeout = 60);

struct caller {
	struct lane_part parts[3];
	size_t n_parts;
	uint64_t due_ms;
	struct lane_reply reply;
	struct err err;
	struct fiber *fiber;
	int result;
	unsigned is_done;
};

static void
calls(void *ctx)
{
	struct caller *c = ctx;

	c->result = lane_call(client, c->parts, c->n_parts, OP_CANCEL, c->due_ms,
	    &c->reply, &c->err);
	c->is_done = 1;
}

static void
call(struct caller *c, const char *meta)
{
	if (c->n_parts == 0)
		c->parts[c->n_parts++] = (struct lane_part){ .op = OP_RUN,
			.meta = meta,
			.meta_len = strlen(meta),
			.data_fd = -1 };
	c->reply = (struct lane_reply)LANE_REPLY_INIT;
	c->fiber = fiber_start(fibers, calls, c);
	cr_assert(c->fiber != NULL);
	cr_assert(eq(int, loop_turn(loop, 0), 0)); /* it runs until it waits */
}

static void
turn_until(const unsigned *flag)
{
	uint64_t end = clock_mono_ms() + PATIENCE_MS;

	while (*flag == 0) {
		cr_assert(lt(u64, clock_mono_ms(), end));
		cr_assert(eq(int, loop_turn(loop, 20), 0));
	}
}

/* The next message that the peer gets; id 0 when there is none. */
static struct lane_head
hear(char meta[64])
{
	struct lane_message m = { .data_fd = -1 };

	if (lane_receive(peer, buffer, &m) != 1)
		return (struct lane_head){ .id = 0 };
	(void)snprintf(meta, 64, "%.*s", (int)m.head.meta_len, m.meta);
	closep(&m.data_fd);
	return m.head;
}

static void
answer(uint64_t id, const char *meta)
{
	cr_assert(eq(int,
	    lane_send(peer, OP_DONE, id, meta, strlen(meta), "data", 4, -1), 0));
}

Test(lane_client, an_answer_finds_its_request_in_any_order)
{
	struct caller a = { .due_ms = 0 }, b = { .due_ms = 0 };
	struct lane_head first, second;
	char meta[64];

	connect_peer();
	call(&a, "a");
	call(&b, "b");
	first = hear(meta);
	cr_expect(strcmp(meta, "a") == 0);
	second = hear(meta);
	cr_expect(strcmp(meta, "b") == 0);
	answer(second.id, "to b");
	answer(first.id, "to a");
	turn_until(&a.is_done);
	turn_until(&b.is_done);
	cr_expect(a.result == 0 && strcmp(a.reply.meta, "to a") == 0);
	cr_expect(b.result == 0 && strcmp(b.reply.meta, "to b") == 0);
	cr_expect(strcmp(a.reply.data, "data") == 0);
	lane_reply_release(&a.reply);
	lane_reply_release(&b.reply);
}

Test(lane_client, a_request_waits_for_a_peer)
{
	struct caller a = { .due_ms = 0 };
	char meta[64];

	call(&a, "early");
	connect_peer();
	answer(hear(meta).id, "late");
	turn_until(&a.is_done);
	cr_expect(eq(int, a.result, 0));
	lane_reply_release(&a.reply);
}

Test(lane_client, no_more_than_so_many_are_unanswered_at_a_time)
{
	struct caller c[CALLS_MAX + 2] = { { .due_ms = 0 } };
	uint64_t ids[CALLS_MAX + 2];
	char meta[64];

	connect_peer();
	for (size_t i = 0; i < ARRAY_LEN(c); i++)
		call(&c[i], "x");
	for (size_t i = 0; i < CALLS_MAX; i++)
		cr_assert(ne(u64, ids[i] = hear(meta).id, 0));
	cr_expect(eq(u64, hear(meta).id, 0));
	answer(ids[0], "ok");
	turn_until(&c[0].is_done);
	cr_assert(ne(u64, ids[CALLS_MAX] = hear(meta).id, 0));
	cr_expect(eq(u64, hear(meta).id, 0));
	answer(ids[1], "ok");
	turn_until(&c[1].is_done);
	cr_assert(ne(u64, ids[CALLS_MAX + 1] = hear(meta).id, 0));
	for (size_t i = 2; i < ARRAY_LEN(c); i++) {
		answer(ids[i], "ok");
		turn_until(&c[i].is_done);
	}
	for (size_t i = 0; i < ARRAY_LEN(c); i++)
		lane_reply_release(&c[i].reply);
}

Test(lane_client, a_peer_that_dies_breaks_what_it_had_and_keeps_what_it_had_not)
{
	struct caller c[CALLS_MAX + 1] = { { .due_ms = 0 } };
	char meta[64];

	connect_peer();
	for (size_t i = 0; i < ARRAY_LEN(c); i++)
		call(&c[i], i < CALLS_MAX ? "had" : "kept");
	(void)close(TAKE_FD(peer));
	for (size_t i = 0; i < CALLS_MAX; i++) {
		turn_until(&c[i].is_done);
		cr_expect(eq(int, c[i].result, -ECONNRESET));
		cr_expect(strstr(c[i].err.text, "compute") != NULL);
	}
	cr_expect(eq(uint, c[CALLS_MAX].is_done, 0));
	connect_peer();
	answer(hear(meta).id, "ok");
	cr_expect(strcmp(meta, "kept") == 0);
	turn_until(&c[CALLS_MAX].is_done);
	cr_expect(eq(int, c[CALLS_MAX].result, 0));
	lane_reply_release(&c[CALLS_MAX].reply);
}

Test(lane_client, a_lane_is_lost_from_its_end_until_the_next)
{
	uint64_t end = clock_mono_ms() + PATIENCE_MS;

	cr_expect(eq(u64, lane_client_lost_ms(client), 0));
	connect_peer();
	cr_expect(eq(u64, lane_client_lost_ms(client), 0));
	(void)close(TAKE_FD(peer));
	while (lane_client_lost_ms(client) == 0) {
		cr_assert(lt(u64, clock_mono_ms(), end));
		(void)loop_turn(loop, 20);
	}
	connect_peer();
	cr_expect(eq(u64, lane_client_lost_ms(client), 0));
}

Test(lane_client, a_new_socket_replaces_a_living_one)
{
	struct caller a = { .due_ms = 0 }, b = { .due_ms = 0 };
	char meta[64];

	connect_peer();
	call(&a, "to the old");
	connect_peer();
	turn_until(&a.is_done);
	cr_expect(eq(int, a.result, -ECONNRESET));
	call(&b, "to the new");
	answer(hear(meta).id, "ok");
	cr_expect(strcmp(meta, "to the new") == 0);
	turn_until(&b.is_done);
	lane_reply_release(&b.reply);
}

Test(lane_client, an_interrupted_call_is_cancelled_at_the_peer_and_its_answer_dropped)
{
	struct caller a = { .due_ms = 0 }, b = { .due_ms = 0 };
	struct lane_head asked, cancelled;
	char meta[64];

	connect_peer();
	call(&a, "a");
	asked = hear(meta);
	fiber_interrupt(a.fiber);
	turn_until(&a.is_done);
	cr_expect(eq(int, a.result, -ECANCELED));
	cancelled = hear(meta);
	cr_expect(eq(u16, cancelled.op, OP_CANCEL));
	cr_expect(eq(u64, cancelled.id, asked.id));
	answer(asked.id, "to nobody");
	call(&b, "b");
	answer(hear(meta).id, "to b");
	turn_until(&b.is_done);
	cr_expect(eq(int, b.result, 0));
	cr_expect(strcmp(b.reply.meta, "to b") == 0);
	lane_reply_release(&b.reply);
}

Test(lane_client, a_call_past_its_deadline_times_out_and_is_cancelled)
{
	struct caller a = { .due_ms = clock_mono_ms() + 20 };
	char meta[64];

	connect_peer();
	call(&a, "a");
	turn_until(&a.is_done);
	cr_expect(eq(int, a.result, -ETIMEDOUT));
	cr_expect(eq(u16, hear(meta).op, OP_RUN));
	cr_expect(eq(u16, hear(meta).op, OP_CANCEL));
}

Test(lane_client, a_call_that_was_never_sent_is_forgotten_without_a_word)
{
	struct caller a = { .due_ms = clock_mono_ms() + 20 };
	char meta[64];

	call(&a, "a");
	turn_until(&a.is_done);
	cr_expect(eq(int, a.result, -ETIMEDOUT));
	connect_peer();
	cr_expect(eq(u64, hear(meta).id, 0));
}

/* A request of several parts whose last one does not fit into the socket. */
static void
fill_socket(struct caller *c, char *bulk)
{
	static const char meta[] = "part";

	for (size_t i = 0; i < 3; i++)
		c->parts[c->n_parts++] =
		    (struct lane_part){ .op = i < 2 ? OP_PART : OP_RUN,
			    .meta = meta,
			    .meta_len = 4,
			    .data = bulk,
			    .data_len = LANE_INLINE_MAX,
			    .data_fd = -1 };
}

Test(lane_client, the_parts_of_one_request_stay_together_over_a_full_socket)
{
	struct caller c[CALLS_MAX] = { { .due_ms = 0 } };
	char *bulk = calloc(1, LANE_INLINE_MAX);
	uint64_t last = 0, end = clock_mono_ms() + PATIENCE_MS;
	unsigned parts = 0, done = 0;
	char meta[64];
	int small = 2 * LANE_INLINE_MAX;
	int ends[2];

	cr_assert(bulk != NULL);
	cr_assert(eq(int, lane_pair(ends), 0));
	cr_assert(eq(int,
	    setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0));
	peer = ends[1];
	cr_assert(eq(int, lane_client_attach(client, ends[0]), 0));
	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		fill_socket(&c[i], bulk);
		call(&c[i], NULL);
	}
	while (done < ARRAY_LEN(c)) {
		struct lane_head h = hear(meta);

		cr_assert(lt(u64, clock_mono_ms(), end));
		(void)loop_turn(loop, 1);
		if (h.id == 0)
			continue;
		cr_expect(eq(u64, h.data_len, LANE_INLINE_MAX));
		cr_expect(parts == 0 || h.id == last);
		last = h.id;
		parts = h.op == OP_RUN ? 0 : parts + 1;
		if (h.op == OP_RUN) {
			answer(h.id, "ok");
			done++;
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		turn_until(&c[i].is_done);
		cr_expect(eq(int, c[i].result, 0));
		lane_reply_release(&c[i].reply);
	}
	free(bulk);
}

Test(lane_client, a_request_that_cannot_be_sent_fails_and_takes_its_first_parts_back)
{
	struct caller a = { .due_ms = 0 };
	char meta[64];

	connect_peer();
	a.parts[0] = (struct lane_part){ OP_PART, "first", 5, NULL, 0, -1 };
	a.parts[1] = (struct lane_part){ OP_RUN, "", LANE_META_MAX + 1, NULL, 0, -1 };
	a.n_parts = 2;
	call(&a, NULL);
	turn_until(&a.is_done);
	cr_expect(eq(int, a.result, -EMSGSIZE));
	cr_expect(eq(u16, hear(meta).op, OP_PART));
	cr_expect(eq(u16, hear(meta).op, OP_CANCEL));
	cr_expect(eq(u64, hear(meta).id, 0));
}

Test(lane_client, garbage_from_the_peer_ends_the_lane)
{
	struct caller a = { .due_ms = 0 };

	connect_peer();
	call(&a, "a");
	cr_assert(eq(sz, (size_t)send(peer, "garbage", 7, MSG_NOSIGNAL), 7));
	turn_until(&a.is_done);
	cr_expect(eq(int, a.result, -ECONNRESET));
}

Test(lane_client, large_data_comes_as_a_descriptor_that_the_caller_owns)
{
	struct caller a = { .due_ms = 0 };
	char *bulk = calloc(1, LANE_INLINE_MAX + 1);
	char meta[64];
	struct lane_head h;

	cr_assert(bulk != NULL);
	connect_peer();
	call(&a, "a");
	h = hear(meta);
	cr_assert(eq(int,
	    lane_send(peer, OP_DONE, h.id, "", 0, bulk, LANE_INLINE_MAX + 1, -1), 0));
	turn_until(&a.is_done);
	cr_expect(eq(int, a.result, 0));
	cr_expect(ge(int, a.reply.data_fd, 0));
	cr_expect(eq(u64, a.reply.data_len, LANE_INLINE_MAX + 1));
	lane_reply_release(&a.reply);
	cr_expect(eq(int, a.reply.data_fd, -1));
	free(bulk);
}

/* SPDX-License-Identifier: MIT */
/*
 * fuzz_redis.c - bytes of a Redis server, read by hiredis and then taken for the
 * answer of an operation, which the first byte chooses.
 *
 * Owns:   a reader a run.
 * Called: by libFuzzer, and by driver.c on each file of the corpus.
 * Fails:  by abort, which is a finding.
 */
#include "config.h"

#include "common/queue/queue_ops.h"

#include <errno.h>
#include <hiredis.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
walk(const struct queue_list *l, unsigned depth)
{
	for (size_t i = 0; i < l->n && depth < 8; i++) {
		struct queue_text t = queue_list_text(l, i);
		struct queue_list inner = queue_list_list(l, i);

		ASSERT(t.p != NULL && t.p[t.n] == '\0');
		(void)queue_list_int(l, i);
		walk(&inner, depth + 1);
	}
}

static void
take(enum queue_op op, const redisReply *reply)
{
	struct queue_answer answer;
	struct err err = ERR_INIT;
	struct queue_list all = queue_list_of(reply);
	int r;

	memset(&answer, 0, sizeof(answer));
	walk(&all, 0);
	r = queue_parse(op, reply, &answer, &err);
	if (r < 0) {
		ASSERT(err.text[0] != '\0');
		return;
	}
	ASSERT((unsigned)answer.word < QUEUE_WORD_COUNT);
	if (op == QUEUE_OP_BEGIN && answer.word == QUEUE_OK) {
		walk(&answer.begin.journal, 0);
		ASSERT(
		    answer.begin.payload.p != NULL && answer.begin.evidence.p != NULL);
	}
}

/* hiredis takes the memory that an array's head announces: our own server is trusted so
   far. */
static bool
announces_much(const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		size_t digits = 0;

		if (data[i] != '*')
			continue;
		while (i + 1 < size && (data[i + 1] == '+' || data[i + 1] == '0'))
			i++;
		while (i + 1 < size && data[i + 1] >= '0' && data[i + 1] <= '9') {
			i++;
			digits++;
		}
		if (digits > 6)
			return true;
	}
	return false;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	redisReader *reader = redisReaderCreate();
	void *reply = NULL;

	if (reader == NULL || size < 1 || announces_much(data, size)) {
		redisReaderFree(reader);
		return 0;
	}
	reader->maxbuf = 0;
	if (redisReaderFeed(reader, (const char *)data + 1, size - 1) == REDIS_OK &&
	    redisReaderGetReply(reader, &reply) == REDIS_OK && reply != NULL)
		take((enum queue_op)(data[0] % QUEUE_OP_COUNT), reply);
	freeReplyObject(reply);
	redisReaderFree(reader);
	return 0;
}

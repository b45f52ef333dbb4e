/* SPDX-License-Identifier: MIT */
/*
 * books.c - the verdict over every job that was submitted.
 *
 * The words are those of Jepsen's total-queue checker (jepsen-io/jepsen, checker.clj):
 * lost are acknowledged jobs without a result, unexpected are results that nobody asked
 * for or of a kind that the job cannot have, duplicated were published more than once.
 *
 * Owns:   nothing beyond a call.
 * Called: when the blows are over.
 * Fails:  through the harness; what is wrong with a job is a line in verdict.why.
 */
#include "config.h"

#include "tests/chaos/chaos.h"

#include "common/store/digest.h"
#include "tests/e2e/ledger.h"

#include <stdlib.h>
#include <string.h>

enum {
	PAGE = 500,
	ERROR_TYPE_MAX = 40,
	FAULTS_SHOWN = 15,
	FAULT_MAX = 400
};

static bool
is_published(struct harness *h, unsigned i)
{
	char id[JOB_NAME_MAX];

	job_name(i, id);
	return harness_redis_int(h, "EXISTS agent:results:%s", id) == 1;
}

bool
books_is_drained(struct harness *h, void *chaos)
{
	const struct chaos *c = chaos;
	static unsigned first; /* all before it have a result */

	while (first < c->n_jobs && is_published(h, first))
		first++;
	for (unsigned i = first; i < c->n_jobs; i++)
		if (!is_published(h, i))
			return false;
	return true;
}

bool
books_is_settled(struct harness *h, void *chaos)
{
	redisReply *held = harness_redis(h, "KEYS agent:held:*");
	bool is_so = held->type == REDIS_REPLY_ARRAY && held->elements == 0 &&
	    harness_redis_int(h, "LLEN agent:jobs") == 0 &&
	    harness_redis_int(h, "LLEN agent:jobs:alone") == 0 &&
	    harness_redis_int(h, "ZCARD agent:delayed") == 0;

	(void)chaos;
	freeReplyObject(held);
	return is_so;
}

/* ---- each job ---- */

struct book {
	struct chaos *c;
	struct verdict *v;
	unsigned char *publications;  /* on the completion queue, one a job */
	char (*rows)[DIGEST_HEX_MAX]; /* SHA-256 of the stored message, one a job */
};

static void
count_end(struct verdict *v, unsigned i, const char *error, const char *message)
{
	char id[JOB_NAME_MAX];

	v->completed += error[0] == '\0';
	v->failed += error[0] != '\0';
	v->cancelled += strcmp(error, "cancelled") == 0;
	v->dead += strcmp(error, "crashed") == 0;
	if (job_may_end(i, error))
		return;
	job_name(i, id);
	v->unexpected++;
	v->innocent_buried += strcmp(error, "crashed") == 0 && job_is_innocent(i);
	buf_addf(&v->why, "%s: %.600s\n", id, message);
}

static void
read_end(struct chaos *c, const char *message, size_t n, char error[ERROR_TYPE_MAX])
{
	CLEANUP(arena_freep) struct arena *a = arena_new(0);
	const struct json *v = NULL;

	(void)c;
	ASSERT(a != NULL);
	(void)snprintf(error, ERROR_TYPE_MAX, "no JSON");
	if (json_read(a, message, n, 0, &v, NULL) < 0)
		return;
	if (json_eq_str(json_get(v, "status"), "completed"))
		error[0] = '\0';
	else {
		const struct json *type = json_get(json_get(v, "error"), "type");

		if (json_is(type, JSON_STRING))
			(void)snprintf(error, ERROR_TYPE_MAX, "%.*s", (int)type->len,
			    type->text);
	}
}

/* The message on the list is the row's, there is one of each, and it says the right
   thing. */
static void
check_job(struct book *b, unsigned i)
{
	struct verdict *v = b->v;
	char id[JOB_NAME_MAX], error[ERROR_TYPE_MAX], digest[DIGEST_HEX_MAX];
	redisReply *list;

	job_name(i, id);
	v->acknowledged += b->c->pushes[i] == PUSH_DONE;
	list = harness_redis(b->c->h, "LRANGE agent:results:%s 0 -1", id);
	if (list->elements == 0) {
		v->lost++;
		buf_addf(&v->why, "%s: lost; its job is %lld\n", id,
		    harness_redis_int(b->c->h, "EXISTS agent:job:%s", id));
		freeReplyObject(list);
		return;
	}
	if (list->elements > 1 || b->publications[i] > 1) {
		v->duplicated++;
		buf_addf(&v->why, "%s: %zu results, published %u times\n", id,
		    list->elements, b->publications[i]);
	}
	if (digest_of(list->element[0]->str, list->element[0]->len, digest) < 0 ||
	    strcmp(digest, b->rows[i]) != 0) {
		v->stored_otherwise++;
		buf_addf(&v->why,
		    "%s: what is published is not what is stored: %.600s\n", id,
		    list->element[0]->str);
	}
	read_end(b->c, list->element[0]->str, list->element[0]->len, error);
	count_end(v, i, error, list->element[0]->str);
	freeReplyObject(list);
}

/* ---- what was published, what is stored ---- */

static void
note_publication(struct book *b, const char *message, size_t n)
{
	CLEANUP(arena_freep) struct arena *a = arena_new(0);
	const struct json *v = NULL, *id;
	long i = -1;

	ASSERT(a != NULL);
	if (json_read(a, message, n, 0, &v, NULL) == 0 &&
	    json_is(id = json_get(v, "job_id"), JSON_STRING))
		i = job_number(b->c, id->text, id->len);
	if (i >= 0) {
		b->publications[i] += b->publications[i] < 255;
		return;
	}
	b->v->unexpected++;
	buf_addf(&b->v->why, "published, and nobody asked for it: %.300s\n", message);
}

static void
read_publications(struct book *b)
{
	long long n = harness_redis_int(b->c->h, "LLEN all:done");

	for (long long at = 0; at < n; at += PAGE) {
		redisReply *page = harness_redis(b->c->h, "LRANGE all:done %lld %lld",
		    at, at + PAGE - 1);

		for (size_t i = 0; i < page->elements; i++)
			note_publication(b, page->element[i]->str,
			    page->element[i]->len);
		freeReplyObject(page);
	}
}

static void
note_row(struct book *b, const char *line)
{
	const char *tab = strchr(line, '\t');
	long i = tab != NULL ? job_number(b->c, line, (size_t)(tab - line)) : -1;

	if (i >= 0) {
		(void)snprintf(b->rows[i], DIGEST_HEX_MAX, "%s", tab + 1);
		return;
	}
	b->v->unexpected++;
	buf_addf(&b->v->why, "stored, and nobody asked for it: %.100s\n", line);
}

static void
read_rows(struct book *b)
{
	const char *text = harness_sql(b->c->h,
	    "SELECT job_id, encode(sha256(convert_to(message, 'UTF8')), 'hex') "
	    "FROM agent_results");
	char *copy = strdup(text), *rest = copy, *line;

	ASSERT(copy != NULL);
	while ((line = strsep(&rest, "\n")) != NULL)
		if (line[0] != '\0')
			note_row(b, line);
	free(copy);
	harness_clear(b->c->h);
}

static void
read_ledger(struct book *b)
{
	CLEANUP(ledger_freep) struct ledger *l = ledger_read(b->c->h);
	struct ledger_sum sum = { 0 };
	char id[JOB_NAME_MAX];

	for (unsigned i = 0; i < b->c->n_jobs; i++) {
		job_name(i, id);
		ledger_check(l, b->c->h, id, &sum, &b->v->why);
	}
	b->v->repaid = sum.repaid;
	b->v->in_flight = sum.lost;
	b->v->unending = sum.unending;
}

static void
check_fsck(struct book *b)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	const char *argv[] = { harness_program(b->c->h, "agentctl"), "-c",
		harness_conf_path(b->c->h), "fsck", NULL };

	if (harness_run(b->c->h, argv, &out) != 0)
		buf_addf(&b->v->why, "agentctl fsck: %s\n", buf_str(&out));
}

void
books_balance(struct chaos *c, struct verdict *v)
{
	struct book b = { .c = c,
		.v = v,
		.publications = calloc(c->n_jobs, 1),
		.rows = calloc(c->n_jobs, sizeof(*b.rows)) };

	ASSERT(b.publications != NULL && b.rows != NULL);
	read_publications(&b);
	read_rows(&b);
	for (unsigned i = 0; i < c->n_jobs; i++)
		check_job(&b, i);
	read_ledger(&b);
	check_fsck(&b);
	free(b.publications);
	free(b.rows);
}

/* ---- the verdict ---- */

#define COUNTS(X)                                                               \
 X(acknowledged, false, "acknowledged by Redis")                                \
 X(completed, false, "completed")                                               \
 X(failed, false, "failed, as they had to")                                     \
 X(cancelled, false, "of these cancelled")                                      \
 X(dead, false, "of these buried for their crashes")                            \
 X(lost, true, "lost: acknowledged, and without a result")                      \
 X(unexpected, true, "unexpected: nobody asked for them, or of the wrong kind") \
 X(duplicated, true, "duplicated: published more than once")                    \
 X(stored_otherwise, true, "published other than stored")                       \
 X(repaid, true, "re-paid: asked for though the answer was journalled")         \
 X(innocent_buried, true, "innocent jobs buried")                               \
 X(unending, true, "journals of finished jobs that never expire")               \
 X(in_flight, false, "calls repeated that were in flight at a blow")

/* The first ones tell the story. */
static void
print_faults(const char *lines, size_t n)
{
	const char *end = lines + n;

	for (unsigned i = 0; i < FAULTS_SHOWN && lines < end; i++) {
		const char *eol = memchr(lines, '\n', (size_t)(end - lines));
		size_t len =
		    eol != NULL ? (size_t)(eol - lines) : (size_t)(end - lines);

		(void)printf("%.*s\n", (int)(len < FAULT_MAX ? len : FAULT_MAX), lines);
		lines += len + 1;
	}
	if (lines < end)
		(void)printf("... and more\n");
}

void
books_print(const struct verdict *v)
{
#define X(name, must_be_zero, what)         \
 (void)printf("%8u  %s%s\n", v->name, what, \
     (must_be_zero) && v->name > 0 ? "  <--" : "");
	COUNTS(X)
#undef X
	print_faults(v->why.data, v->why.len);
}

bool
books_are_in_order(const struct verdict *v)
{
#define X(name, must_be_zero, what) \
 if ((must_be_zero) && v->name > 0) \
  return false;
	COUNTS(X)
#undef X
	return v->why.len == 0 && v->acknowledged > 0 &&
	    v->acknowledged == v->completed + v->failed;
}

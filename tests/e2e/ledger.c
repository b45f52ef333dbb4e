/* SPDX-License-Identifier: MIT */
/*
 * ledger.c - compares the stand-in's log with the journals.
 *
 * Owns:   the rows read from the log.
 * Called: by end-to-end tests that kill.
 * Fails:  through the harness.
 */
#include "config.h"

#include "tests/e2e/ledger.h"

#include <stdlib.h>
#include <string.h>

enum {
	ID_MAX = 64,
	TURNS_MAX = 8
};

struct row {
	char job_id[ID_MAX];
	unsigned turn;
	unsigned long long serial;
};

struct ledger {
	struct row *rows;
	size_t n, cap;
};

static int64_t
number(const struct json *v, const char *name)
{
	int64_t i = -1;

	(void)json_int64(json_get(v, name), &i);
	return i;
}

static void
add_row(struct ledger *l, const struct json *line)
{
	const struct json *prompt = json_get_typed(line, "prompt", JSON_STRING);
	const char *open, *close;
	struct row *row;

	if (prompt == NULL || number(line, "status") != 200 ||
	    (open = memchr(prompt->text, '[', prompt->len)) == NULL ||
	    (close = memchr(open, ']', (size_t)(prompt->text + prompt->len - open))) ==
		NULL)
		return;
	if (l->n == l->cap) {
		l->cap = l->cap > 0 ? l->cap * 2 : 256;
		l->rows = reallocarray(l->rows, l->cap, sizeof(*l->rows));
		ASSERT(l->rows != NULL);
	}
	row = &l->rows[l->n++];
	(void)snprintf(row->job_id, ID_MAX, "%.*s", (int)(close - open - 1), open + 1);
	row->turn = (unsigned)number(line, "turn");
	row->serial = (unsigned long long)number(line, "serial");
}

static int
compare_rows(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	int order = strcmp(x->job_id, y->job_id);

	return order != 0 ? order : x->serial < y->serial ? -1 : x->serial > y->serial;
}

/* The first row of that job, or where it would stand. */
static size_t
find_rows(const struct ledger *l, const char *job_id)
{
	size_t low = 0, high = l->n;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (strcmp(l->rows[middle].job_id, job_id) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct ledger *
ledger_read(struct harness *h)
{
	struct ledger *l = calloc(1, sizeof(*l));
	struct arena *a = arena_new(0);
	CLEANUP(fclosep) FILE *f = NULL;
	CLEANUP(freep) char *line = NULL;
	char path[PROC_PATH_MAX];
	size_t cap = 0;
	ssize_t n;

	ASSERT(l != NULL && a != NULL);
	(void)snprintf(path, sizeof(path), "%s/llm.log", harness_dir(h));
	f = fopen(path, "re");
	while (f != NULL && (n = getline(&line, &cap, f)) > 0) {
		const struct json *v = NULL;

		if (json_read(a, line, (size_t)n, 0, &v, NULL) == 0)
			add_row(l, v);
		arena_clear(a);
	}
	arena_free(a);
	if (l->n > 0)
		qsort(l->rows, l->n, sizeof(*l->rows), compare_rows);
	return l;
}

void
ledger_free(struct ledger *l)
{
	if (l == NULL)
		return;
	free(l->rows);
	free(l);
}

void
ledger_freep(struct ledger **l)
{
	ledger_free(*l);
}

/* The serial of each turn's journalled answer; 0: none. */
static unsigned
read_journal(struct harness *h, const char *job_id,
    unsigned long long serials[TURNS_MAX])
{
	CLEANUP(arena_freep) struct arena *a = arena_new(0);
	redisReply *list = harness_redis(h, "LRANGE agent:journal:%s 0 -1", job_id);
	unsigned n = 0;

	ASSERT(a != NULL);
	memset(serials, 0, TURNS_MAX * sizeof(*serials));
	for (size_t i = 0; i < list->elements; i++) {
		const char *text = list->element[i]->str, *at;
		const struct json *v = NULL;
		int64_t turn;

		if (json_read(a, text, list->element[i]->len, 0, &v, NULL) < 0 ||
		    !json_eq_str(json_get(v, "kind"), "answer") ||
		    (at = strstr(text, "serial-")) == NULL)
			continue;
		turn = number(v, "turn");
		if (turn < 0 || turn >= TURNS_MAX)
			continue;
		serials[turn] = strtoull(at + 7, NULL, 10);
		n++;
	}
	freeReplyObject(list);
	return n;
}

void
ledger_check(const struct ledger *l, struct harness *h, const char *job_id,
    struct ledger_sum *sum, struct buf *why)
{
	unsigned long long serials[TURNS_MAX];

	sum->answers += read_journal(h, job_id, serials);
	for (size_t i = find_rows(l, job_id);
	     i < l->n && strcmp(l->rows[i].job_id, job_id) == 0; i++) {
		const struct row *row = &l->rows[i];

		if (row->turn >= TURNS_MAX || row->serial == serials[row->turn])
			continue;
		if (serials[row->turn] == 0 || row->serial < serials[row->turn]) {
			sum->lost++;
			continue;
		}
		sum->repaid++;
		buf_addf(why,
		    "%s: turn %u was asked as %llu after the answer to %llu was "
		    "journalled\n",
		    job_id, row->turn, row->serial, serials[row->turn]);
	}
	if (harness_redis_int(h, "TTL agent:journal:%s", job_id) == -1) {
		sum->unending++;
		buf_addf(why, "%s: its journal has no expiry\n", job_id);
	}
}

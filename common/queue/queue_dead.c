/* SPDX-License-Identifier: MIT */
/*
 * queue_dead.c - reads the list of dead letters in pages.
 *
 * Owns:   nothing.
 * Called: by agentctl, and by the scheduler for trimming.
 * Fails:  as the client does; -ENOENT for a letter that is not there.
 */
#include "config.h"

#include "common/queue/queue_dead.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum {
	PAGE = 20,
	NAME_MIN = 8
};

static struct queue_letter
letter_of(const struct queue_list *row)
{
	return (struct queue_letter){
		.element = queue_list_text(row, 0),
		.job_id = queue_list_text(row, 1),
		.reason = queue_list_text(row, 2),
		.detail = queue_list_text(row, 3),
		.at_ms = queue_list_int(row, 4),
		.payload = queue_list_text(row, 5),
		.name = queue_list_text(row, 6),
	};
}

/* One page: the number of its rows, or what each answered if that was not 0. */
static int
read_page(struct redis_sync *s, const struct queue_setup *q, uint64_t from,
    uint64_t count, int (*each)(const struct queue_letter *, void *), void *arg,
    int64_t *total, int *stopped, struct err *err)
{
	CLEANUP(redis_reply_freep) struct redisReply *reply = NULL;
	struct queue_command c;
	struct queue_answer a;
	int r;

	queue_cmd_dead_page(&c, q, from, count);
	r = queue_run(s, &c, &reply, &a, err);
	if (r < 0)
		return r;
	*total = a.page.total;
	for (size_t i = 0; i < a.page.rows.n && *stopped == 0; i++) {
		struct queue_list row = queue_list_list(&a.page.rows, i);
		struct queue_letter letter = letter_of(&row);

		*stopped = each(&letter, arg);
	}
	return (int)a.page.rows.n;
}

int
queue_dead_each(struct redis_sync *s, const struct queue_setup *q, uint64_t from,
    uint64_t count, int (*each)(const struct queue_letter *, void *), void *arg,
    int64_t *total, struct err *err)
{
	int64_t n_all = 0;
	int stopped = 0;

	do {
		uint64_t want = count < PAGE ? count : PAGE;
		int n = read_page(s, q, from, want, each, arg, &n_all, &stopped, err);

		if (n < 0)
			return n;
		from += (uint64_t)n;
		count -= (uint64_t)n;
		if ((uint64_t)n < want)
			break;
	} while (count > 0 && stopped == 0);
	if (total != NULL)
		*total = n_all;
	return stopped;
}

struct search {
	const char *name;
	int (*each)(const struct queue_letter *, void *);
	void *arg;
	int answer;
	bool is_found;
};

static int
look(const struct queue_letter *letter, void *arg)
{
	struct search *search = arg;
	size_t n = strlen(search->name);
	bool is_it = (n > 0 && letter->job_id.n == n &&
			 memcmp(letter->job_id.p, search->name, n) == 0) ||
	    (n >= NAME_MIN && n <= letter->name.n &&
		memcmp(letter->name.p, search->name, n) == 0);

	if (!is_it)
		return 0;
	search->is_found = true;
	search->answer = search->each(letter, search->arg);
	return 1;
}

int
queue_dead_find(struct redis_sync *s, const struct queue_setup *q, const char *name,
    int (*each)(const struct queue_letter *, void *), void *arg, struct err *err)
{
	struct search search = { .name = name, .each = each, .arg = arg };
	int r = queue_dead_each(s, q, 0, UINT64_MAX, look, &search, NULL, err);

	if (r < 0)
		return r;
	if (!search.is_found)
		return err_set(err, -ENOENT, "there is no dead letter %s", name);
	return search.answer;
}

static int
copy_element(const struct queue_letter *letter, void *arg)
{
	buf_add(arg, letter->element.p, letter->element.n);
	return buf_status(arg);
}

static int
act(struct redis_sync *s, const struct queue_setup *q, const char *name,
    void (*fill)(struct queue_command *, const struct queue_setup *, struct queue_text),
    struct err *err)
{
	CLEANUP(redis_reply_freep) struct redisReply *reply = NULL;
	CLEANUP_BUF struct buf element = BUF_INIT;
	struct queue_command c;
	struct queue_answer a;
	int r = queue_dead_find(s, q, name, copy_element, &element, err);

	if (r < 0)
		return r;
	fill(&c, q, (struct queue_text){ .p = element.data, .n = element.len });
	r = queue_run(s, &c, &reply, &a, err);
	if (r < 0 || a.word == QUEUE_OK || a.word == QUEUE_ALREADY)
		return r;
	if (a.word == QUEUE_BUSY)
		return err_set(err, -EBUSY, "the job %s is on its way: it is %.*s",
		    name, (int)a.state.what.n, a.state.what.p);
	if (a.word == QUEUE_FINISHED)
		return err_set(err, -EALREADY, "the job %s has been done since", name);
	return err_set(err, -ENOENT, "the dead letter %s is no longer there", name);
}

int
queue_dead_retry(struct redis_sync *s, const struct queue_setup *q, const char *name,
    struct err *err)
{
	return act(s, q, name, queue_cmd_dead_retry, err);
}

int
queue_dead_drop(struct redis_sync *s, const struct queue_setup *q, const char *name,
    struct err *err)
{
	return act(s, q, name, queue_cmd_dead_drop, err);
}

int
queue_dead_trim(struct redis_sync *s, const struct queue_setup *q, struct err *err)
{
	CLEANUP(redis_reply_freep) struct redisReply *reply = NULL;
	char last[24];

	if (q->dead_max <= 0)
		return 0;
	(void)snprintf(last, sizeof(last), "%" PRId64, q->dead_max - 1);
	return redis_sync_call(s, &reply, err, "LTRIM", q->dead, "0", last, NULL);
}

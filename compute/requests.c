/* SPDX-License-Identifier: MIT */
/*
 * requests.c - one request of a worker: its messages, its limits, its answer.
 *
 * Owns:   the request's copies and descriptors; answers that wait for a full lane.
 * Called: by zygote.c and children.c.
 * Fails:  a request that cannot be read is answered so; a lane that takes no answers is
 *         marked as gone.
 */
#include "config.h"

#include "common/clock.h"
#include "common/fault_point.h"
#include "compute/zygote_private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

enum {
	MEGABYTE = 1024 * 1024,
	CPU_SEC_MAX = 3600,
	WALL_MS_MAX = 24 * 3600 * 1000,
	META_MEMORY_MAX = 8 * MEGABYTE
};

static void
part_release(struct part *p)
{
	hidden_free(p->meta);
	closep(&p->data_fd);
}

void
request_free(struct request *q)
{
	part_release(&q->run);
	for (size_t i = 0; i < q->n_inputs; i++)
		part_release(&q->inputs[i]);
	free(q);
}

void
unsent_free(struct unsent *u)
{
	hidden_free(u->meta);
	closep(&u->data_fd);
	free(u);
}

/* meta and data in one hidden piece; NULL when memory is short. */
static char *
copy_texts(const char *meta, size_t meta_len, const char *data, size_t data_len)
{
	char *p = hidden_alloc(meta_len + data_len + 1);

	if (p == NULL)
		return NULL;
	memcpy(p, meta, meta_len);
	if (data_len > 0)
		memcpy(p + meta_len, data, data_len);
	return p;
}

int
request_take_part(struct part *p, struct lane_message *m)
{
	bool is_inline = m->data_fd < 0;

	p->meta_len = m->head.meta_len;
	p->data_len = m->head.data_len;
	p->data_fd = TAKE_FD(m->data_fd);
	p->meta =
	    copy_texts(m->meta, p->meta_len, m->data, is_inline ? p->data_len : 0);
	if (p->meta == NULL)
		return -ENOMEM;
	p->data = is_inline ? p->meta + p->meta_len : NULL;
	return 0;
}

int
request_show(struct request *q, bool shown)
{
	int r = hidden_show(q->run.meta, shown);

	for (size_t i = 0; r == 0 && i < q->n_inputs; i++)
		r = hidden_show(q->inputs[i].meta, shown);
	return r;
}

/* A whole number of the meta, within 1 and max; own when it is absent or 0. */
static uint64_t
number(const struct json *meta, const char *name, uint64_t own, uint64_t max)
{
	int64_t i = 0;

	if (json_int64(json_get(meta, name), &i) < 0 || i <= 0)
		i = (int64_t)own;
	return (uint64_t)i > max ? max : (uint64_t)i;
}

static uint64_t
or_default(uint64_t own, uint64_t standard)
{
	return own > 0 ? own : standard;
}

static void
take_limits(const struct zygote *z, const struct json *meta, struct request *q)
{
	const struct zygote_options *o = &z->options;
	uint64_t cpu = or_default(o->cpu_sec, COMPUTE_CPU_SEC);
	uint64_t memory = or_default(o->memory_mb, COMPUTE_MEMORY_MB);
	uint64_t output = or_default(o->output_mb, COMPUTE_OUTPUT_MB);

	q->limits.cpu_sec =
	    number(meta, "cpu_sec", cpu, o->cpu_sec > 0 ? o->cpu_sec : CPU_SEC_MAX);
	q->limits.memory_bytes = MEGABYTE *
	    number(meta, "memory_mb", memory, o->memory_mb > 0 ? memory : 1u << 20);
	q->limits.output_bytes = MEGABYTE *
	    number(meta, "output_mb", output, o->output_mb > 0 ? output : 1u << 20);
	q->wall_ms = number(meta, "wall_ms", COMPUTE_WALL_MS, WALL_MS_MAX);
	q->deadline_ms = clock_mono_ms() + q->wall_ms;
}

/* Texts with escapes were copied into it. */
static void
forget(struct arena **a)
{
	if (*a != NULL)
		arena_wipe(*a);
	arena_freep(a);
}

bool
request_read(const struct zygote *z, struct request *q, struct failure *f)
{
	CLEANUP(forget) struct arena *a = arena_new(META_MEMORY_MAX);
	const struct json *meta = NULL, *owner, *fresh;
	struct err err = ERR_INIT;

	f->type = FAILURE_EXECUTION;
	if (a == NULL ||
	    json_read(a, q->run.meta, q->run.meta_len, 0, &meta, &err) < 0) {
		(void)snprintf(f->reason, sizeof(f->reason),
		    "compute: the request cannot be read: %.400s", err_text(&err));
		return false;
	}
	owner = json_get_typed(meta, "owner", JSON_STRING);
	if (owner != NULL && owner->len < sizeof(q->owner))
		memcpy(q->owner, owner->text, owner->len);
	fresh = json_get(meta, "fresh");
	/* without an owner nothing is shared */
	q->is_fresh = q->owner[0] == '\0' || json_is_true(fresh) ||
	    json_eq_str(json_get(meta, "format"), "yaml");
	take_limits(z, meta, q);
	return true;
}

/* ---- answers ---- */

static void
keep_unsent(struct lane *l, uint64_t id, const char *meta, size_t meta_len,
    const char *data, size_t data_len, int data_fd)
{
	struct unsent *u = calloc(1, sizeof(*u));

	if (u == NULL) { /* the worker's deadline will tell it */
		l->is_gone = true;
		return;
	}
	u->id = id;
	u->meta_len = meta_len;
	u->data_len = data_len;
	u->meta = copy_texts(meta, meta_len, data, data_fd < 0 ? data_len : 0);
	u->data_fd = data_fd < 0 ? -1 : fcntl(data_fd, F_DUPFD_CLOEXEC, 0);
	if (u->meta == NULL || (data_fd >= 0 && u->data_fd < 0)) {
		unsent_free(u);
		l->is_gone = true;
		return;
	}
	u->data = data_fd < 0 ? u->meta + meta_len : NULL;
	TAILQ_INSERT_TAIL(&l->unsent, u, link);
}

void
request_answer(struct zygote *z, struct request *q, const char *meta, size_t meta_len,
    const char *data, size_t data_len, int data_fd)
{
	struct lane *l = q->lane;
	int r = -EAGAIN;

	(void)z;
	FAULT_POINT(COMPUTE_DONE);
	if (l != NULL && !l->is_gone) {
		if (TAILQ_EMPTY(&l->unsent))
			r = lane_send(l->fd, COMPUTE_DONE, q->id, meta, meta_len, data,
			    data_len, data_fd);
		if (r == -EAGAIN)
			keep_unsent(l, q->id, meta, meta_len, data, data_len, data_fd);
		else if (r < 0)
			l->is_gone = true;
	}
	request_free(q);
}

void
request_fail(struct zygote *z, struct request *q, const struct failure *f)
{
	CLEANUP_BUF struct buf meta = BUF_INIT;

	answer_failure(&meta, f, NULL);
	if (buf_status(&meta) < 0 && q->lane != NULL)
		q->lane->is_gone = true;
	request_answer(z, q, buf_str(&meta), meta.len, "", 0, -1);
	if (meta.data != NULL) /* a reason may quote the request */
		explicit_bzero(meta.data, meta.len);
}

void
lane_send_unsent(struct lane *l)
{
	struct unsent *u;

	while ((u = TAILQ_FIRST(&l->unsent)) != NULL) {
		int r = lane_send(l->fd, COMPUTE_DONE, u->id, u->meta, u->meta_len,
		    u->data, u->data_len, u->data_fd);

		if (r == -EAGAIN)
			return;
		if (r < 0) {
			l->is_gone = true;
			return;
		}
		TAILQ_REMOVE(&l->unsent, u, link);
		unsent_free(u);
	}
}

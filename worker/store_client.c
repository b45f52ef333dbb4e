/* SPDX-License-Identifier: MIT */
/*
 * store_client.c - waits in a fiber for what the store's helper thread does.
 *
 * Owns:   nothing; a request lives in its fiber's frame and cannot be withdrawn while
 *         the thread may hold it, so each wait is masked and short, and repeated.
 * Called: by job code only.
 * Fails:  as store.h says; -ECANCELED between two tries when the job was stopped.
 */
#include "config.h"

#include "common/clock.h"
#include "worker/worker.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

enum {
	LONG_AWAY_MS = 5000,
	TRY_MS = 1000,
	PAUSE_MS = 20
};

static void
on_answers(void *ctx, uint32_t events)
{
	struct worker *w = ctx;

	(void)events;
	(void)store_queue_drain(w->store);
}

int
store_client_watch(struct worker *w)
{
	return loop_watch(w->loop, store_queue_fd(w->store), EPOLLIN, on_answers, w);
}

static void
on_done(struct store_request *r)
{
	wait_done(r->arg, 0);
}

bool
store_client_is_long_away(const struct worker *w)
{
	uint64_t since = store_queue_away_since(w->store);

	return since != 0 && clock_mono_ms() - since > LONG_AWAY_MS;
}

static int
run(struct worker *w, struct store_request *r, uint64_t due_ms, struct err *err)
{
	for (;;) {
		uint64_t now = clock_mono_ms();
		struct wait wait;
		bool was_masked;
		int status;

		wait_begin(&wait);
		r->arg = &wait;
		r->tag = fiber_running_tag();
		r->done = on_done;
		r->deadline_ms =
		    due_ms != 0 && due_ms < now + TRY_MS ? due_ms : now + TRY_MS;
		r->result = 0;
		r->err = (struct err)ERR_INIT;
		was_masked = fiber_mask_interrupts(true);
		store_queue_submit(w->store, r);
		(void)wait_for(&wait, 0);
		(void)fiber_mask_interrupts(was_masked);
		r->arg = NULL;
		if (r->result != -EAGAIN)
			return r->result < 0
			    ? err_set(err, r->result, "%s", err_text(&r->err))
			    : 0;
		if (due_ms != 0 && clock_mono_ms() >= due_ms)
			return err_set(err, -ETIMEDOUT, "%s", err_text(&r->err));
		status = fiber_sleep_until(clock_mono_ms() + PAUSE_MS);
		job_waited(w, clock_mono_ms() - now);
		if (status < 0)
			return err_set(err, status, "stopped while the store was away");
	}
}

static void
on_lookup_done(struct store_request *r)
{
	struct store_lookup *l = r->arg;

	l->is_done = true;
	if (l->wait != NULL)
		wait_done(l->wait, 0);
}

void
store_client_lookup_begin(struct worker *w, const char *job_id, struct store_lookup *l)
{
	*l = (struct store_lookup){ .wait = NULL };
	l->request.op = STORE_OP_GET_BY_JOB;
	l->request.get.job_id = job_id;
	l->request.get.result = (struct store_result)STORE_RESULT_INIT;
	l->request.deadline_ms = clock_mono_ms() + TRY_MS;
	l->request.arg = l;
	l->request.tag = fiber_running_tag();
	l->request.done = on_lookup_done;
	store_queue_submit(w->store, &l->request);
}

int
store_client_lookup_end(struct store_lookup *l, struct store_result *out,
    struct err *err)
{
	struct wait wait;
	bool was_masked;

	wait_begin(&wait);
	if (!l->is_done) {
		l->wait = &wait;
		was_masked = fiber_mask_interrupts(true);
		(void)wait_for(&wait, 0);
		(void)fiber_mask_interrupts(was_masked);
		l->wait = NULL;
	}
	*out = l->request.get.result;
	return l->request.result < 0
	    ? err_set(err, l->request.result, "%s", err_text(&l->request.err))
	    : 0;
}

int
store_client_put(struct worker *w, const struct store_row *row,
    struct store_outcome *out, uint64_t due_ms, struct err *err)
{
	struct store_request r = { .op = STORE_OP_PUT };
	int status;

	r.put.row = row;
	status = run(w, &r, due_ms, err);
	*out = r.put.outcome;
	return status;
}

/* *out changes only on success, and then its former content is released. */
static int
get(struct worker *w, struct store_request *r, struct store_result *out,
    uint64_t due_ms, struct err *err)
{
	int status;

	r->get.result = (struct store_result)STORE_RESULT_INIT;
	status = run(w, r, due_ms, err);
	if (status == 0) {
		store_result_release(out);
		*out = r->get.result;
	} else {
		store_result_release(&r->get.result);
	}
	return status;
}

int
store_client_get_by_job(struct worker *w, const char *job_id, uint64_t max_data,
    struct store_result *out, uint64_t due_ms, struct err *err)
{
	struct store_request r = { .op = STORE_OP_GET_BY_JOB };

	r.get.job_id = job_id;
	r.get.max_data = max_data;
	return get(w, &r, out, due_ms, err);
}

struct settling {
	const char *job_id;
	int64_t token;
	struct store_result row;
};

static int
settle(struct store *store, void *ctx, struct err *err)
{
	struct settling *s = ctx;
	int r = store_settle(store, s->job_id, s->token, err);

	return r < 0 ? r : store_get_by_job(store, s->job_id, 0, &s->row, err);
}

int
store_client_call(struct worker *w,
    int (*fn)(struct store *store, void *ctx, struct err *err), void *ctx,
    uint64_t due_ms, struct err *err)
{
	struct store_request r = { .op = STORE_OP_CALL };

	r.call.run = fn;
	r.call.ctx = ctx;
	return run(w, &r, due_ms, err);
}

int
store_client_settle(struct worker *w, const char *job_id, int64_t token,
    struct store_result *out, uint64_t due_ms, struct err *err)
{
	struct settling s = { job_id, token, STORE_RESULT_INIT };
	int status = store_client_call(w, settle, &s, due_ms, err);

	*out = s.row;
	return status;
}

int
store_client_get_by_ref(struct worker *w, const char *ref, const char *owner,
    uint64_t max_data, struct store_result *out, uint64_t due_ms, struct err *err)
{
	struct store_request r = { .op = STORE_OP_GET_BY_REF };

	r.get.ref = ref;
	r.get.owner = owner;
	r.get.max_data = max_data;
	return get(w, &r, out, due_ms, err);
}

int
store_client_place(struct worker *w, const char *result_id, const void *bytes,
    size_t len, int fd, struct store_place *out, uint64_t due_ms, struct err *err)
{
	struct store_request r = { .op = STORE_OP_PLACE };
	int status;

	r.place.result_id = result_id;
	r.place.bytes = bytes;
	r.place.len = len;
	r.place.fd = fd;
	status = run(w, &r, due_ms, err);
	*out = r.place.place;
	return status;
}

int
store_client_put_blob(struct worker *w, const void *bytes, size_t len,
    char ref[STORE_REF_MAX], uint64_t due_ms, struct err *err)
{
	struct store_request r = { .op = STORE_OP_PUT_BLOB };
	int status;

	r.put_blob.bytes = bytes;
	r.put_blob.len = len;
	status = run(w, &r, due_ms, err);
	if (status == 0)
		memcpy(ref, r.put_blob.ref, STORE_REF_MAX);
	return status;
}

int
store_client_get_blob(struct worker *w, const char *ref, size_t max_len, char **bytes,
    size_t *len, uint64_t due_ms, struct err *err)
{
	struct store_request r = { .op = STORE_OP_GET_BLOB };
	int status;

	r.get_blob.ref = ref;
	r.get_blob.max_len = max_len;
	status = run(w, &r, due_ms, err);
	*bytes = r.get_blob.bytes;
	*len = r.get_blob.len;
	return status;
}

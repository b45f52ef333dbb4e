/* SPDX-License-Identifier: MIT */
/*
 * pipeline_cache.c - agent:cache:{owner}:{digest}: what a pipeline came to.
 *
 * Owns:   nothing beyond the call.
 * Called: by execute_pipeline, around the run of a pipeline.
 * Fails:  towards running: an outage, a lost blob, a digest that does not match and a
 *         reference that may no longer be read are all a miss.
 *
 * The key holds the owner and the digest of steps and input, and steps name their auth
 * profile: nobody gets what another owner, another input or another profile made. A hit
 * is given out only after each reference in it was judged anew, for this very job: that a
 * former job of the same owner was given a reference is no permission for the next.
 */
#include "config.h"

#include "worker/pipeline_cache.h"

#include "common/clock.h"
#include "common/fault_point.h"
#include "common/store/digest.h"
#include "worker/buffers.h"
#include "worker/job_refs.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

enum {
	INLINE_MAX = 16 * 1024, /* bytes of data that stand in Redis itself */
	WAIT_MS = 1000          /* a Redis that is away is not waited for any longer */
};

void
pipeline_cache_release(struct pipeline_cache *c)
{
	buf_release(&c->key);
}

static bool
is_cacheable(const struct conf *conf, const struct pipeline_facts *f)
{
	if (!f->is_sound || conf->pipeline.cache_ttl_sec == 0 || f->has_post)
		return false;
	return f->has_fetch ? conf->pipeline.cache_get : f->n_refs > 0;
}

/* 0 to run the pipeline in place of what failed, unless the job must stop. */
static int
miss(int why)
{
	return why == -ECANCELED || why == -ENOMEM || why == -ESTALE ? why : 0;
}

/* ---- finding ---- */

struct found {
	struct arena *arena;
	const char *text;
	size_t len;
};

static void
copy_found(void *ctx, const struct queue_answer *answer)
{
	struct found *f = ctx;

	f->len = answer->cache.text.n;
	f->text = arena_strndup(f->arena, answer->cache.text.p, f->len);
}

static int
ask_redis(struct pipeline_cache *c, struct job *j, struct found *f)
{
	struct queue_command cmd;
	struct queue_answer answer;
	struct err err = ERR_INIT;
	int r;

	queue_cmd_cache_get(&cmd, &j->worker->setup,
	    (struct queue_text){ buf_str(&c->key), c->key.len });
	FAULT_POINT_OF(CACHE_GET_SEND, j->msg.job_id);
	r = redis_op(j->worker->redis, &cmd, copy_found, f, &answer,
	    clock_mono_ms() + WAIT_MS, &err);
	FAULT_POINT_OF(CACHE_GET_REPLY, j->msg.job_id);
	return r;
}

/* May this job read all that the result was made of, and is all of that still there? */
static int
check_refs(struct job *j, const struct pipeline_facts *facts)
{
	CLEANUP(store_result_release) struct store_result row = STORE_RESULT_INIT;
	struct err err = ERR_INIT;
	int r = 0;

	for (size_t i = 0; r == 0 && i < facts->n_refs; i++)
		r = job_ref_check(j, facts->refs[i], &row, &err);
	return r;
}

static int
load(struct job *j, struct arena *a, const struct json *record,
    struct pipeline_data *out)
{
	const struct json *data = json_get_typed(record, "data", JSON_STRING);
	const char *ref = json_cstr(a, json_get_typed(record, "ref", JSON_STRING));
	char digest[DIGEST_HEX_MAX];
	size_t n = 0;
	int r;

	if (data != NULL) {
		out->len = data->len;
		out->bytes = malloc((size_t)data->len + 1);
		if (out->bytes == NULL)
			return -ENOMEM;
		memcpy(out->bytes, data->text, data->len);
		out->bytes[data->len] = '\0';
		r = digest_of(out->bytes, data->len, digest);
		if (r < 0)
			return r;
		return json_eq_str(json_get(record, "sha256"), digest) ? 0 : -EBADMSG;
	}
	if (ref == NULL)
		return -EBADMSG;
	r = buffers_wait(j, j->deadline_ms, NULL);
	if (r == 0) /* compares the bytes with the digest in the reference */
		r = store_client_get_blob(j->worker, ref,
		    (size_t)j->worker->conf->storage.max_inline_bytes, &out->bytes, &n,
		    clock_mono_ms() + WAIT_MS, NULL);
	out->len = n;
	return r;
}

static const struct json *
trace_of(struct arena *a, int64_t age_ms, int64_t rows)
{
	struct json_builder *list = json_array_begin(a);
	struct json_builder *entry = json_object_begin(a);
	struct json_builder *notes = json_array_begin(a);
	char note[96];

	(void)snprintf(note, sizeof(note), "from the cache: computed %lld s ago",
	    (long long)(age_ms > 0 ? age_ms / 1000 : 0));
	json_array_add(notes, json_new_cstr(a, note));
	json_object_add(entry, "step", json_new_cstr(a, "cache"));
	json_object_add(entry, "ms", json_new_int(a, 0));
	json_object_add(entry, "notes", json_end(notes));
	json_object_add(entry, "rows_out",
	    rows >= 0 ? json_new_int(a, rows) : json_new_null(a));
	json_array_add(list, json_end(entry));
	return json_end(list);
}

/* 0 with *out, or why it is a miss. */
static int
take(struct job *j, struct arena *a, const struct pipeline_facts *facts,
    const struct found *f, struct pipeline_result *out)
{
	struct pipeline_data data = PIPELINE_DATA_INIT;
	const struct json *record = NULL;
	int64_t at = 0, rows = -1;
	int r;

	if (f->text == NULL || f->len == 0)
		return arena_failed(a) ? -ENOMEM : -ENOENT;
	r = json_read(a, f->text, f->len, 0, &record, NULL);
	if (r == 0)
		r = check_refs(j, facts);
	if (r == 0)
		r = load(j, a, record, &data);
	if (r < 0) {
		pipeline_data_release(&data);
		return r;
	}
	(void)json_int64(json_get(record, "at_ms"), &at);
	(void)json_int64(json_get(record, "rows"), &rows);
	out->data = data;
	out->rows = rows;
	out->trace = trace_of(a, clock_wall_ms() - at, rows);
	return out->trace != NULL ? 0 : -ENOMEM;
}

int
pipeline_cache_find(struct pipeline_cache *c, struct job *j, struct arena *a,
    const struct json *args, const struct pipeline_facts *facts,
    struct pipeline_result *out)
{
	struct metrics_page *m = worker_metrics(j->worker);
	struct found found = { a, NULL, 0 };
	char digest[PIPELINE_DIGEST_MAX];
	int r;

	c->is_on = is_cacheable(j->worker->conf, facts);
	if (!c->is_on)
		return 0;
	r = pipeline_facts_digest(args, digest);
	if (r == 0) {
		queue_key_cache(&c->key, j->msg.owner, digest);
		r = buf_status(&c->key);
	}
	if (r == 0)
		r = ask_redis(c, j, &found);
	if (r == 0)
		r = take(j, a, facts, &found, out);
	metric_add(m, r == 0 ? METRIC_CACHE_HITS : METRIC_CACHE_MISSES, 0, 1);
	return r == 0 ? 1 : miss(r);
}

/* ---- keeping ---- */

/* Appends the member that holds the data, or leads to it. */
static int
write_data(struct json_writer *w, struct job *j, const char *bytes, size_t n)
{
	char digest[DIGEST_HEX_MAX], ref[STORE_REF_MAX];
	int r;

	if (n > INLINE_MAX) {
		r = store_client_put_blob(j->worker, bytes, n, ref,
		    clock_mono_ms() + WAIT_MS, NULL);
		jw_key(w, "ref");
		jw_cstr(w, ref);
		return r;
	}
	r = digest_of(bytes, n, digest);
	jw_key(w, "sha256");
	jw_cstr(w, digest);
	jw_key(w, "data");
	jw_string(w, bytes, n);
	return r;
}

static int
write_record(struct buf *out, struct job *j, const struct pipeline_result *result)
{
	const struct pipeline_data *d = &result->data;
	const char *bytes = d->bytes;
	struct json_writer w;
	void *map = NULL;
	int r;

	if (d->fd >= 0) {
		map = mmap(NULL, (size_t)d->len, PROT_READ, MAP_SHARED, d->fd, 0);
		if (map == MAP_FAILED)
			return -errno;
		bytes = map;
	}
	jw_init(&w, out);
	jw_object_begin(&w);
	jw_key(&w, "at_ms");
	jw_int(&w, clock_wall_ms());
	jw_key(&w, "rows");
	jw_int(&w, result->rows);
	r = write_data(&w, j, bytes, (size_t)d->len);
	jw_object_end(&w);
	if (map != NULL)
		(void)munmap(map, (size_t)d->len);
	return r < 0 ? r : buf_status(out);
}

int
pipeline_cache_keep(struct pipeline_cache *c, struct job *j,
    const struct pipeline_result *result)
{
	const struct conf *conf = j->worker->conf;
	CLEANUP_BUF struct buf record = BUF_INIT;
	struct queue_command cmd;
	struct queue_answer answer;
	struct err err = ERR_INIT;
	int r;

	if (!c->is_on || result->data.len == 0 ||
	    result->data.len >= (uint64_t)conf->storage.max_inline_bytes)
		return 0;
	r = write_record(&record, j, result);
	if (r < 0)
		return miss(r);
	queue_cmd_cache_put(&cmd, &j->worker->setup,
	    (struct queue_text){ buf_str(&c->key), c->key.len },
	    (struct queue_text){ buf_str(&record), record.len },
	    conf->pipeline.cache_ttl_sec);
	FAULT_POINT_OF(CACHE_PUT_SEND, j->msg.job_id);
	r = redis_op(j->worker->redis, &cmd, NULL, NULL, &answer,
	    clock_mono_ms() + WAIT_MS, &err);
	FAULT_POINT_OF(CACHE_PUT_REPLY, j->msg.job_id);
	return miss(r);
}

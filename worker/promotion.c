/* SPDX-License-Identifier: MIT */
/*
 * promotion.c - counts the uses of a pipeline's shape and makes a tool of it.
 *
 * Owns:   nothing beyond the call.
 * Called: by execute_pipeline, after each success.
 * Fails:  towards no tool: what cannot be counted or stored now is counted at the next
 *         use.
 *
 * The count stands in Redis under agent:cache:{owner}:use:{shape}, the tool in the
 * store. A shape with anything in it that looks like a secret is not even counted.
 */
#include "config.h"

#include "worker/promotion.h"

#include "common/clock.h"
#include "common/fnv.h"
#include "common/log.h"
#include "common/store/store_tools.h"
#include "worker/agent/args_view.h"
#include "worker/pipeline/shape.h"

#include <errno.h>
#include <string.h>

enum {
	USES_TTL_SEC = 30 * 86400, /* a shape that nobody uses is forgotten */
	WAIT_MS = 1000
};

/* 0 for what only puts the promotion off. */
static int
put_off(int why)
{
	return why == -ECANCELED || why == -ENOMEM || why == -ESTALE ? why : 0;
}

/* Does the view that hides secrets hide anything? */
static bool
holds_secret(const struct json *args)
{
	CLEANUP_BUF struct buf plain = BUF_INIT;
	CLEANUP_BUF struct buf view = BUF_INIT;

	json_write(&plain, args, JSON_COMPACT);
	args_view(&view, args, (struct llm_text){ NULL, 0 }, SIZE_MAX / 2);
	return buf_status(&plain) != 0 || buf_status(&view) != 0 ||
	    plain.len != view.len ||
	    memcmp(buf_str(&plain), buf_str(&view), plain.len) != 0;
}

/* Where this worker notes that this shape of this owner is a tool, and as what. */
static uint64_t *
note_of(struct job *j, const char *shape, uint64_t *hash)
{
	struct fnv f;

	fnv_init(&f);
	fnv_adds(&f, j->msg.owner);
	fnv_adds(&f, shape);
	*hash = (uint64_t)(f.h >> 64);
	return &j->worker->known_tools[*hash % ARRAY_LEN(j->worker->known_tools)];
}

static int
count_use(struct job *j, const char *shape, bool is_mark, struct queue_answer *answer)
{
	CLEANUP_BUF struct buf key = BUF_INIT;
	CLEANUP_BUF struct buf name = BUF_INIT;
	struct queue_command cmd;
	struct err err = ERR_INIT;

	buf_addf(&name, "use:%s", shape);
	queue_key_cache(&key, j->msg.owner, buf_str(&name));
	if (buf_status(&key) != 0 || buf_status(&name) != 0)
		return -ENOMEM;
	queue_cmd_use(&cmd, &j->worker->setup,
	    (struct queue_text){ buf_str(&key), key.len }, queue_text(j->msg.job_id),
	    USES_TTL_SEC, is_mark);
	return redis_op(j->worker->redis, &cmd, NULL, NULL, answer,
	    clock_mono_ms() + WAIT_MS, &err);
}

static int
add_now(struct store *store, void *ctx, struct err *err)
{
	bool is_new;

	return store_tool_add(store, ctx, &is_new, err);
}

static int
store_shape(struct job *j, const struct pipeline_shape *shape, int64_t uses)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	CLEANUP_BUF struct buf list = BUF_INIT;
	CLEANUP(freep) char *template = NULL;
	CLEANUP(freep) char *parameters = NULL;
	CLEANUP(freep) char *owner = strdup(j->msg.owner);
	CLEANUP(freep) char *name = strdup(shape->name);
	CLEANUP(freep) char *digest = strdup(shape->digest);
	CLEANUP(freep) char *description = strdup(shape->description);
	struct store_tool t = { .owner = owner,
		.name = name,
		.shape = digest,
		.description = description,
		.uses = uses };
	struct err err = ERR_INIT;

	json_write(&text, shape->template, JSON_COMPACT);
	json_write(&list, shape->parameters, JSON_COMPACT);
	t.template = template = buf_take(&text, NULL);
	t.parameters = parameters = buf_take(&list, NULL);
	if (owner == NULL || name == NULL || digest == NULL || description == NULL ||
	    template == NULL || parameters == NULL)
		return -ENOMEM;
	return store_client_call(j->worker, add_now, &t, clock_mono_ms() + WAIT_MS,
	    &err);
}

int
promotion_note(struct job *j, struct arena *a, const struct json *args,
    const struct pipeline_facts *facts)
{
	int64_t after = j->worker->conf->pipeline.promote_after;
	struct pipeline_shape shape;
	struct queue_answer answer;
	uint64_t hash, *note;
	int r;

	if (after == 0)
		return 0;
	r = pipeline_shape_of(a, args, facts, &shape);
	if (r < 0)
		return put_off(r);
	note = note_of(j, shape.digest, &hash);
	if (*note == hash || shape.looks_secret || holds_secret(args))
		return 0;
	r = count_use(j, shape.digest, false, &answer);
	if (r == 0 && answer.use.is_tool)
		*note = hash;
	if (r < 0 || answer.use.is_tool || answer.use.count < after)
		return put_off(r);
	r = store_shape(j, &shape, answer.use.count);
	if (r < 0)
		return put_off(r);
	metric_add(worker_metrics(j->worker), METRIC_TOOLS_PROMOTED, 0, 1);
	log_debug("job %s: its pipeline is the tool %s from now on", j->msg.job_id,
	    shape.name);
	return put_off(count_use(j, shape.digest, true, &answer));
}

/* SPDX-License-Identifier: MIT */
/*
 * facts.c - reads a pipeline's arguments without running them.
 *
 * Owns:   nothing; texts live in the arena.
 * Called: before each run of execute_pipeline.
 * Fails:  only for want of memory.
 */
#include "config.h"

#include "worker/pipeline/facts.h"

#include "common/store/digest.h"

#include <errno.h>
#include <strings.h>

static void
add_ref(struct pipeline_facts *f, const char *ref)
{
	if (ref != NULL && ref[0] != '\0' && f->n_refs < PIPELINE_REFS_MAX)
		f->refs[f->n_refs++] = ref;
}

static void
read_step(struct pipeline_facts *f, const struct step *s)
{
	if (s->kind == STEP_HTTP_REQUEST) {
		f->has_fetch = true;
		f->has_post |= strcasecmp(s->http.method, "GET") != 0;
	} else if (s->kind == STEP_JOIN) {
		add_ref(f, s->join.left);
		add_ref(f, s->join.right);
	}
}

int
pipeline_facts_read(struct arena *a, const struct json *args,
    struct pipeline_facts *out)
{
	const struct json *steps = json_get_typed(args, "pipeline", JSON_ARRAY);
	const struct json *input = json_get_typed(args, "input_ref", JSON_STRING);
	const struct step *first;
	int r;

	*out = (struct pipeline_facts){ .is_sound = false };
	if (steps == NULL || steps->len == 0)
		return 0;
	r = steps_parse(a, steps, &out->steps);
	if (r < 0 || out->steps.problems->len > 0 || out->steps.n == 0)
		return r;
	add_ref(out, json_cstr(a, input));
	first = &out->steps.v[0];
	out->needs_input = out->n_refs == 0 && first->kind != STEP_HTTP_REQUEST &&
	    !(first->kind == STEP_JOIN && first->join.left != NULL &&
		first->join.right != NULL);
	for (size_t i = 0; i < out->steps.n; i++)
		read_step(out, &out->steps.v[i]);
	out->is_sound = true;
	return arena_failed(a) ? -ENOMEM : 0;
}

int
pipeline_facts_digest(const struct json *args, char out[PIPELINE_DIGEST_MAX])
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	const struct json *input = json_get_typed(args, "input_ref", JSON_STRING);

	json_write_canonical(&text, json_get(args, "pipeline"));
	buf_addc(&text, '\n');
	if (input != NULL)
		buf_add(&text, input->text, input->len);
	if (buf_status(&text) != 0)
		return buf_status(&text);
	return digest_of(buf_str(&text), text.len, out);
}

/* SPDX-License-Identifier: MIT */
/*
 * answer_part.c - from a body to a document, and its smallest parts.
 *
 * Owns:   nothing; texts live in the caller's arena.
 * Called: by the providers' readers.
 * Fails:  with a typed error.
 */
#include "config.h"

#include "worker/llm/answer_part.h"

#include "worker/llm/error_body.h"

#include <errno.h>
#include <string.h>

enum {
	/* of one answer; a larger number is no count, and sums of it would overflow */
	TOKENS_MAX = 1000000000,
	MODEL_MAX = 200 /* bytes of a model's name */
};

uint64_t
llm_part_count(const struct json *v, const char *name)
{
	const struct json *count = json_get(v, name);
	int64_t i = 0;
	int r = json_int64(count, &i);

	if (r == -ERANGE && count->text[0] != '-')
		i = TOKENS_MAX;
	else if (r < 0 || i < 0)
		i = 0;
	return (uint64_t)(i < TOKENS_MAX ? i : TOKENS_MAX);
}

struct llm_text
llm_part_text(struct arena *a, const struct json *v)
{
	if (!json_is(v, JSON_STRING))
		return (struct llm_text){ NULL, 0 };
	return llm_text_dup(a, v->text, v->len);
}

struct llm_text
llm_part_model(struct arena *a, const struct json *v)
{
	struct llm_text model = llm_part_text(a, v);

	if (model.len > MODEL_MAX) /* no name; the configured one is told */
		model.len = 0;
	return model;
}

int
llm_part_bad(struct llm_error *e, int status, const char *what)
{
	return llm_error_set(e, ERROR_TYPE_LLM_BAD_RESPONSE, status,
	    "the provider's answer cannot be used: %s", what);
}

/* vLLM's has no member of that name: it is the error. */
static const struct json *
error_in(const struct json *doc)
{
	const struct json *error = json_get(doc, "error");

	if (json_is(error, JSON_NULL))
		error = NULL;
	return error == NULL && json_eq_str(json_get(doc, "object"), "error") ? doc
									      : error;
}

void
llm_part_url(struct buf *url, const char *base, const char *path)
{
	size_t query = strcspn(base, "?"), n = query, m = strlen(path);

	while (n > 0 && base[n - 1] == '/')
		n--;
	buf_add(url, base, n);
	if (n < m || memcmp(base + n - m, path, m) != 0)
		buf_adds(url, path);
	buf_adds(url, base + query);
}

int
llm_part_read(struct arena *a, int status, const char *body, size_t n,
    void (*usage)(const struct json *doc, struct llm_usage *out),
    int (*read)(struct arena *a, int status, const struct json *doc,
	struct llm_answer *out, struct llm_error *e),
    struct llm_answer *out, struct llm_error *e)
{
	struct arena *scratch = NULL;
	const struct json *doc = NULL, *error;
	struct err why = ERR_INIT;
	int r;

	memset(out, 0, sizeof(*out));
	scratch = arena_new(0);
	if (scratch == NULL)
		return llm_error_set(e, ERROR_TYPE_INTERNAL, status,
		    "no memory for an answer");
	r = n == 0 ? -EINVAL : json_read(scratch, body, n, 0, &doc, &why);
	error = r == 0 ? error_in(doc) : NULL;
	if (r == 0)
		usage(doc, &out->usage);
	if (status < 200 || status > 299)
		r = llm_error_from_json(status, r == 0 ? doc : NULL, body, n, e);
	else if (n == 0)
		r = llm_part_bad(e, status, "it is empty");
	else if (r < 0)
		r = llm_part_bad(e, status,
		    why.text[0] != '\0' ? why.text : "it is no JSON");
	else if (error != NULL)
		r = llm_error_from_json(status, doc, body, n, e);
	else
		r = read(a, status, doc, out, e);
	arena_free(scratch);
	return r;
}

enum llm_finish
llm_part_finish_read(const struct json *reason, const struct llm_part_finish *names,
    size_t n, const struct llm_answer *answer)
{
	enum llm_finish finish = LLM_FINISH_STOP;

	for (size_t i = 0; i < n; i++)
		if (json_eq_str(reason, names[i].name))
			finish = names[i].finish;
	if (finish == LLM_FINISH_STOP && answer->n_calls > 0)
		return LLM_FINISH_TOOL_CALLS;
	if (finish == LLM_FINISH_TOOL_CALLS && answer->n_calls == 0)
		return LLM_FINISH_STOP;
	return finish;
}

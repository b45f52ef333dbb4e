/* SPDX-License-Identifier: MIT */
/* answer_part.h - what the readers of the providers' answers share. */
#ifndef WORKER_LLM_ANSWER_PART_H
#define WORKER_LLM_ANSWER_PART_H

#include "worker/llm/llm.h"

enum {
	LLM_PART_CALLS_MAX = 64 /* in one answer; a model that wants more has lost its
				   way */
};

/* A number of tokens: nonsense is 0, and none is so large that sums overflow. */
uint64_t llm_part_count(const struct json *v, const char *name);
/* A copy of a string; absent when it is none. */
struct llm_text llm_part_text(struct arena *a, const struct json *v);
/* The same of a model's name; one that is too long is none. */
struct llm_text llm_part_model(struct arena *a, const struct json *v);
/* The base with that path behind it, unless it ends so already; a query (Azure's
   api-version) stays behind both. */
void llm_part_url(struct buf *url, const char *base, const char *path);
/* Why an answer ended, by the words of one provider. An unknown or absent reason is read
   from what the answer holds. */
struct llm_part_finish {
	const char *name;
	enum llm_finish finish;
};
enum llm_finish llm_part_finish_read(const struct json *reason,
    const struct llm_part_finish *names, size_t n, const struct llm_answer *answer);
/* Sets llm_bad_response; returns -EIO. */
int llm_part_bad(struct llm_error *e, int status, const char *what);

/*
 * As llm_provider_type.answer: reads the JSON, tells errors of every make, and hands a
 * document that is none to read. usage is called for each document.
 */
int llm_part_read(struct arena *a, int status, const char *body, size_t n,
    void (*usage)(const struct json *doc, struct llm_usage *out),
    int (*read)(struct arena *a, int status, const struct json *doc,
	struct llm_answer *out, struct llm_error *e),
    struct llm_answer *out, struct llm_error *e);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * error_body.h - what a provider, or whatever stands in front of it, means by an answer
 * that is none: JSON errors of several makes, HTML pages, plain text, nothing.
 */
#ifndef WORKER_LLM_ERROR_BODY_H
#define WORKER_LLM_ERROR_BODY_H

#include "worker/llm/llm.h"

/*
 * Sets *e from an HTTP status that is not 2xx, or from a 2xx body that holds an error
 * object. Always returns -EIO.
 */
int llm_error_from_body(struct arena *a, int status, const char *body, size_t n,
    struct llm_error *e);

/* The same when the body was read already (doc may be NULL). */
int llm_error_from_json(int status, const struct json *doc, const char *body, size_t n,
    struct llm_error *e);

/* The readable part of a foreign text: tags, control characters and runs of blanks out,
   cut at a whole character. Always terminated. */
void llm_excerpt(const char *text, size_t n, char *out, size_t cap);

#endif

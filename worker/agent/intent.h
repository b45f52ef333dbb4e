/* SPDX-License-Identifier: MIT */
/*
 * intent.h - what a prompt asks for: a lasting change, a one-time data question, or
 * unclear.
 *
 * Deterministic: the same text always gives the same answer; no model, no clock, no
 * state. The text may be any bytes (it is read as UTF-8; what is not becomes a
 * separator). Cues are words, never substrings; quoted text, code and JSON inside the
 * prompt are no cues. The cost is linear in the text and the memory constant (a few kB
 * of stack).
 */
#ifndef WORKER_AGENT_INTENT_H
#define WORKER_AGENT_INTENT_H

#include "common/buf.h"

#include <stdbool.h>
#include <stddef.h>

enum intent_label {
	INTENT_UNCLEAR,
	INTENT_PATCH,
	INTENT_EXECUTE,
	INTENT_LABEL_COUNT
};

enum {
	INTENT_WORDS_MAX = 16, /* cues remembered per side; later ones only score */
	INTENT_REASONING_MAX = 240, /* bytes, with the NUL */
	INTENT_TEXT_MAX =
	    1024 * 1024,           /* bytes that are looked at; the rest is ignored */
	INTENT_NARROW_PERCENT = 70 /* confidence from which the tools are narrowed */
};

struct intent_side {
	double score;
	size_t n_words;
	const char *words[INTENT_WORDS_MAX]; /* static texts, in order of appearance */
};

struct intent {
	enum intent_label label;
	/* 0..1, of the leading side; below 0.7 nothing is narrowed */
	double confidence;
	char reasoning[INTENT_REASONING_MAX];
	struct intent_side patch;
	struct intent_side execute;
};

void intent_classify(const char *text, size_t n, struct intent *out);

/* True when the label is sure enough to offer only its lane's tools to the model. */
bool intent_narrows(const struct intent *i);

const char *intent_label_name(
    enum intent_label label); /* "patch", "execute", "unclear" */

/* {"intent","confidence","reasoning","matched_keywords":{"patch","execute"},"scores":{..}}
 */
void intent_write_json(struct buf *out, const struct intent *i);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * intent_sentence.h - one sentence while it is judged.
 *
 * Private to the classifier: intent_place.c fills it, intent_weigh.c scores it.
 */
#ifndef WORKER_AGENT_INTENT_SENTENCE_H
#define WORKER_AGENT_INTENT_SENTENCE_H

#include "worker/agent/intent.h"
#include "worker/agent/intent_rules.h"
#include "worker/agent/intent_words.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum governance {
	GOVERNED_PERM = 1,
	GOVERNED_COND = 2,
	GOVERNED_CONDW = 4
};

struct item {
	const struct intent_rule *rule; /* NULL: a word unknown to us */
	uint32_t classes;               /* of the rule, less what its place excludes */
	uint8_t kind;                   /* enum intent_token_kind */
	uint8_t form;                   /* enum intent_form */
	uint8_t segment;
	uint8_t governed; /* verbs: by which governor */
	bool is_verb;     /* taken as a verb that asks for something */
	bool is_inside;   /* in a relative clause */
	bool is_negated;  /* do not ... */
	bool is_governor; /* a lasting word in a place where it governs */
	bool is_done;     /* counted already */
};

struct sentence {
	size_t n;
	bool is_question;
	bool has_question_mark;
	struct item items[INTENT_SENTENCE_MAX];
	struct intent_side patch, execute;
};

/* Looks at an item; index n and beyond is an end, which reads as a comma. */
const struct item *item_at(const struct sentence *s, size_t i);
bool item_is_any(const struct sentence *s, size_t i, uint32_t classes);
bool item_is_comma(const struct sentence *s, size_t i);
bool item_is_word(const struct sentence *s, size_t i, const char *text);

/* Does a question begin at item i: what ..., is the ..., when did ... ? */
bool sentence_begins_question(const struct sentence *s, size_t i);

/* Marks and places everything in the sentence; the sides stay empty. */
void sentence_place(const struct intent_sentence *in, struct sentence *s);

/* Remembers a cue once, while there is room. */
void side_note(struct intent_side *side, const char *word);

/* Scores both sides of a placed sentence. */
void sentence_weigh(struct sentence *s);

#endif

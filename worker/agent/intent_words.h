/* SPDX-License-Identifier: MIT */
/*
 * intent_words.h - a prompt as sentences of folded words.
 *
 * Private to the classifier. Letters are folded to lower case, full-width forms to
 * ASCII, typographic apostrophes to ', invisible characters dropped. Quoted text, code
 * between backticks, {...} and addresses (a.b, a@b, /a/b, a_b) become one TOKEN_LITERAL
 * each.
 */
#ifndef WORKER_AGENT_INTENT_WORDS_H
#define WORKER_AGENT_INTENT_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	INTENT_WORD_MAX = 22,
	INTENT_SENTENCE_MAX = 160
};

enum intent_token_kind {
	TOKEN_WORD,
	TOKEN_NUMBER,
	TOKEN_COMMA,
	TOKEN_SIGN,
	TOKEN_LITERAL
};

struct intent_token {
	uint8_t kind; /* enum intent_token_kind */
	uint8_t len;
	char text[INTENT_WORD_MAX]; /* TOKEN_WORD: NUL-terminated; "" when it was too
				       long */
};

struct intent_sentence {
	size_t n;
	bool has_question_mark;
	struct intent_token tokens[INTENT_SENTENCE_MAX];
};

/* The reader's next* positions only move forwards: that keeps the whole reading
   linear. */
struct intent_reader {
	const unsigned char *at, *end;
	const unsigned char *chunk_end; /* run without white space, already judged */
	const unsigned char *next_closer[3]; /* by quote family, see quote_family() */
	bool has_balanced_braces;
};

void intent_reader_init(struct intent_reader *r, const char *text, size_t n);

/* The next sentence with at least one token, or false at the end of the text. */
bool intent_reader_next(struct intent_reader *r, struct intent_sentence *s);

#endif

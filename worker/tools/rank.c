/* SPDX-License-Identifier: MIT */
/*
 * rank.c - BM25 over small sets.
 *
 * Owns:   its tables during the call.
 * Called: by search_tools.
 * Fails:  only for want of memory.
 */
#include "config.h"

#include "worker/tools/rank.h"

#include "common/cleanup.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
	WORD_MAX = 32,   /* bytes of a word that count */
	QUERY_WORDS = 32 /* words of a query that count */
};

/* A word in a name is worth so many in a description. */
#define NAME_WEIGHT 3.0
#define K1 1.2
#define B 0.75

struct word {
	char text[WORD_MAX];
	size_t len;
};

/* The next word from *at on: letters and digits, all that is not ASCII among them. */
static bool
next_word(const char **at, const char *end, struct word *out)
{
	const char *p = *at;

	out->len = 0;
	while (p < end && (unsigned char)*p < 0x80 && !isalnum((unsigned char)*p))
		p++;
	for (; p < end && ((unsigned char)*p >= 0x80 || isalnum((unsigned char)*p));
	     p++)
		if (out->len + 1 < sizeof(out->text))
			out->text[out->len++] = (char)tolower((unsigned char)*p);
	/* "flights" finds "flight" */
	if (out->len > 3 && out->text[out->len - 1] == 's')
		out->len--;
	out->text[out->len] = '\0';
	*at = p;
	return out->len > 0;
}

static size_t
query_words(const char *query, size_t n, struct word words[QUERY_WORDS])
{
	const char *at = query, *end = query + n;
	size_t found = 0;

	while (found < QUERY_WORDS && next_word(&at, end, &words[found])) {
		size_t i = 0;

		while (i < found && strcmp(words[i].text, words[found].text) != 0)
			i++;
		found += i == found;
	}
	return found;
}

/* Adds how often each word of the query stands in the text; answers its length. */
static double
count_words(const char *text, double weight, const struct word *words, size_t n_words,
    double *counts)
{
	const char *at = text, *end = text + strlen(text);
	struct word w;
	double len = 0;

	while (next_word(&at, end, &w)) {
		len += weight;
		for (size_t i = 0; i < n_words; i++)
			if (strcmp(words[i].text, w.text) == 0)
				counts[i] += weight;
	}
	return len;
}

static int
by_score(const void *a, const void *b)
{
	const struct rank_text *x = a, *y = b;

	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

/* counts: n rows of n_words, then the lengths in lens. */
static void
score(struct rank_text *texts, size_t n, size_t n_words, const double *counts,
    const double *lens)
{
	double total = 0;

	for (size_t i = 0; i < n; i++)
		total += lens[i];
	for (size_t w = 0; w < n_words; w++) {
		double have = 0, idf;

		for (size_t i = 0; i < n; i++)
			have += counts[i * n_words + w] > 0;
		idf = log(1 + ((double)n - have + 0.5) / (have + 0.5));
		for (size_t i = 0; i < n; i++) {
			double f = counts[i * n_words + w];
			double norm = 1 - B + B * lens[i] * (double)n / (total + 1e-9);

			texts[i].score += idf * f * (K1 + 1) / (f + K1 * norm);
		}
	}
}

int
rank_texts(struct rank_text *texts, size_t n, const char *query, size_t query_len)
{
	struct word words[QUERY_WORDS];
	size_t n_words = query_words(query, query_len, words);
	CLEANUP(freep) double *counts = NULL;
	CLEANUP(freep) double *lens = NULL;

	for (size_t i = 0; i < n; i++) {
		texts[i].score = 0;
		texts[i].index = i;
	}
	if (n == 0 || n_words == 0)
		return 0;
	counts = calloc(n * n_words, sizeof(*counts));
	lens = calloc(n, sizeof(*lens));
	if (counts == NULL || lens == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		lens[i] = count_words(texts[i].name, NAME_WEIGHT, words, n_words,
			      &counts[i * n_words]) +
		    count_words(texts[i].description, 1, words, n_words,
			&counts[i * n_words]);
	score(texts, n, n_words, counts, lens);
	qsort(texts, n, sizeof(*texts), by_score);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * rank.h - which of a few hundred short texts speaks most of the words of a query.
 *
 * BM25 over words without their case and their plural; what stands in a name counts
 * more than what stands in a description. The same texts and query give the same order:
 * equals stay as they were given.
 */
#ifndef WORKER_TOOLS_RANK_H
#define WORKER_TOOLS_RANK_H

#include <stdbool.h>
#include <stddef.h>

struct rank_text {
	const char *name;
	const char *description;
	double score; /* filled by rank_texts; 0: no word of the query */
	size_t index; /* filled, too: its place before */
};

/* Scores and sorts, best first. 0 or -ENOMEM. */
int rank_texts(struct rank_text *texts, size_t n, const char *query, size_t query_len);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * bench_compute.c - rows a second of each primitive, and of reading and writing.
 *
 * Usage: bench_compute [ROWS]... (default 100000 1000000). One line a primitive:
 * rows, name, milliseconds (best of three), thousand rows a second, arena MB. Without
 * lane and jail: what the engine itself costs.
 *
 * Owns:   the table's text and an arena a run.
 * Called: by people and by scripts.
 * Fails:  with exit status 1 and the reason.
 */
#include "config.h"

#include "common/clock.h"
#include "compute/answer.h"
#include "compute/read.h"

#include <string.h>

enum {
	ROUNDS = 3
};

/* clang-format off */
static const struct {
	const char *name;
	const char *steps;
} primitives[] = {
	{ "read only", "[]" },
	{ "table_sort number", "[{\"step\":\"table_sort\",\"field\":\"price\"}]" },
	{ "table_sort text", "[{\"step\":\"table_sort\",\"field\":\"name\"}]" },
	{ "table_sort two fields", "[{\"step\":\"table_sort\",\"fields\":[\"category\",{\"field\":\"price\",\"order\":\"desc\"}]}]" },
	{ "sort + top 10", "[{\"step\":\"table_sort\",\"field\":\"price\"},{\"step\":\"top_k\",\"k\":10}]" },
	{ "top_k 10 by field", "[{\"step\":\"top_k\",\"k\":10,\"field\":\"price\",\"order\":\"desc\"}]" },
	{ "table_filter number", "[{\"step\":\"table_filter\",\"condition\":{\"field\":\"price\",\"op\":\"<\",\"value\":500}}]" },
	{ "table_filter matches", "[{\"step\":\"table_filter\",\"condition\":{\"field\":\"name\",\"op\":\"matches\",\"value\":\"7$\"}}]" },
	{ "table_select", "[{\"step\":\"table_select\",\"fields\":[\"id\",\"price\"]}]" },
	{ "groupby 5 groups", "[{\"step\":\"groupby\",\"by\":[\"category\"],\"agg\":[{\"agg\":\"sum\",\"field\":\"price\"},{\"agg\":\"count\"}]}]" },
	{ "groupby all apart", "[{\"step\":\"groupby\",\"by\":[\"name\"],\"agg\":\"count\"}]" },
	{ "join with itself", "[{\"step\":\"join\",\"left\":\"current\",\"right\":\"current\",\"on\":\"id\"}]" },
	{ "parse_date", "[{\"step\":\"parse_date\",\"field\":\"day\"}]" },
	{ "regex_extract", "[{\"step\":\"regex_extract\",\"field\":\"name\",\"pattern\":\"row (\\\\d+)\"}]" },
	{ "jq_transform", "[{\"step\":\"jq_transform\",\"query\":\"map(select(.price < 100))\"}]" },
};
/* clang-format on */

static char *
make_table(unsigned rows, size_t *n)
{
	struct buf b = BUF_INIT;
	uint32_t x = 1;

	buf_addc(&b, '[');
	for (unsigned i = 0; i < rows; i++) {
		x = x * 1664525u + 1013904223u;
		buf_addf(&b,
		    "%s{\"id\":%u,\"name\":\"row %u\",\"price\":%u.%02u,\"category\":\"%c\","
		    "\"day\":\"2024-%02u-%02u\"}",
		    i > 0 ? "," : "", i, (x >> 4) % 1000000, (x >> 8) % 1000,
		    (x >> 3) % 100, 'A' + (int)(x >> 16) % 5, 1 + (x >> 9) % 12,
		    1 + (x >> 5) % 28);
	}
	buf_addc(&b, ']');
	return buf_take(&b, n);
}

static int
fail(const char *name, const struct failure *f)
{
	fprintf(stderr, "bench_compute: %s: %s: %s\n", name, f->step, f->reason);
	return -1;
}

/* Milliseconds of the steps alone (of reading, when there are none); negative:
   failed. */
static double
run_once(const char *name, const char *text, size_t n, const char *steps_text,
    size_t *arena_mb)
{
	CLEANUP(arena_freep) struct arena *a = arena_new(0);
	const struct json *v = NULL;
	struct step_list steps;
	uint64_t began_us;
	struct run r;

	if (a == NULL || run_init(&r, a) < 0 ||
	    json_read(a, steps_text, strlen(steps_text), 0, &v, NULL) < 0 ||
	    steps_parse(a, v, &steps) < 0 || steps.problems->len > 0) {
		fprintf(stderr, "bench_compute: %s: wrong steps\n", name);
		return -1;
	}
	r.may_run_programs = true;
	began_us = clock_mono_us();
	if (read_input(&r, FORMAT_JSON, text, n, &r.data) < 0)
		return fail(name, &r.failure);
	if (steps.n > 0)
		began_us = clock_mono_us();
	if (run_steps(&r, &steps) < 0)
		return fail(name, &r.failure);
	*arena_mb = arena_bytes(a) >> 20;
	return (double)(clock_mono_us() - began_us) / 1000;
}

static int
bench_primitives(unsigned rows)
{
	size_t n = 0;
	CLEANUP(freep) char *text = make_table(rows, &n);

	if (text == NULL)
		return -1;
	printf("# %u rows, %zu MB of JSON\n", rows, n >> 20);
	for (size_t i = 0; i < ARRAY_LEN(primitives); i++) {
		double best = 0;
		size_t mb = 0;

		for (int k = 0; k < ROUNDS; k++) {
			double ms = run_once(primitives[i].name, text, n,
			    primitives[i].steps, &mb);

			if (ms < 0)
				return -1;
			best = k == 0 || ms < best ? ms : best;
		}
		printf("%8u  %-24s %9.2f ms %9.0f krows/s %6zu MB\n", rows,
		    primitives[i].name, best, rows / best, mb);
	}
	return 0;
}

int
main(int argc, char **argv)
{
	static char first[] = "100000", second[] = "1000000";
	char *standard[] = { argv[0], first, second };

	if (argc < 2) {
		argv = standard;
		argc = 3;
	}
	for (int i = 1; i < argc; i++)
		if (bench_primitives((unsigned)strtoul(argv[i], NULL, 10)) < 0)
			return 1;
	return 0;
}

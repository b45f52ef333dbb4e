/* SPDX-License-Identifier: MIT */
/* test_metrics.c - the table of metrics and what counting does to a page. */
#include "config.h"

#include "common/metrics.h"

#include <criterion/criterion.h>
#include <string.h>

static struct metrics_page page;

static uint64_t
cell(unsigned i)
{
	return atomic_load(&page.cell[i]);
}

Test(metrics, cells_do_not_overlap_and_names_are_unique)
{
	unsigned next = 0;

	for (unsigned m = 0; m < METRIC_COUNT; m++) {
		const struct metric_info *info = metric_info(m);

		cr_expect_eq(info->first_cell, next, "%s", info->name);
		next += info->width *
		    (info->type == METRIC_HISTOGRAM ? (unsigned)METRIC_HISTOGRAM_CELLS
						    : 1);
		cr_expect(info->help[0] != '\0');
		cr_expect((info->label == NULL) == (info->width == 1), "%s",
		    info->name);
		cr_expect(info->type != METRIC_COUNTER ||
			strcmp(info->name + strlen(info->name) - 6, "_total") == 0,
		    "%s", info->name);
		for (unsigned k = 0; k < m; k++)
			cr_expect_str_neq(metric_info(k)->name, info->name);
	}
	cr_expect_eq(metrics_cells(), next);
	cr_expect_leq(next, METRICS_CELLS);
}

Test(metrics, buckets_rise)
{
	for (int i = 1; i < METRIC_BUCKETS - 1; i++)
		cr_expect(metric_bucket_sec[i - 1] < metric_bucket_sec[i]);
}

Test(metrics, counters_add_and_gauges_are_set)
{
	unsigned taken = metric_info(METRIC_JOBS_TAKEN)->first_cell;
	unsigned up = metric_info(METRIC_REDIS_UP)->first_cell;

	metric_add(&page, METRIC_JOBS_TAKEN, 0, 2);
	metric_add(&page, METRIC_JOBS_TAKEN, 0, 3);
	metric_set(&page, METRIC_REDIS_UP, 0, 1);
	metric_set(&page, METRIC_REDIS_UP, 0, 0);
	cr_expect_eq(cell(taken), 5);
	cr_expect_eq(cell(up), 0);
}

Test(metrics, a_label_out_of_range_counts_under_the_last)
{
	const struct metric_info *info = metric_info(METRIC_LLM_CALLS);

	metric_add(&page, METRIC_LLM_CALLS, 1000000, 1);
	cr_expect_eq(cell(info->first_cell + info->width - 1), 1);
	cr_expect_eq(cell(info->first_cell + info->width), 0);
}

Test(metrics, observations_fall_into_the_first_bucket_that_holds_them)
{
	static const struct {
		uint64_t us;
		unsigned bucket;
	} cases[] = { { 0, 0 }, { 5000, 0 }, { 5001, 1 }, { 1000000, 7 },
		{ 300000000, 14 }, { 300000001, 15 }, { UINT64_MAX / 2, 15 } };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		unsigned first = metric_info(METRIC_JOB_SECONDS)->first_cell;

		memset(&page, 0, sizeof(page));
		metric_observe(&page, METRIC_JOB_SECONDS, 0, cases[i].us);
		cr_expect_eq(cell(first + cases[i].bucket), 1, "%llu us",
		    (unsigned long long)cases[i].us);
		cr_expect_eq(cell(first + METRIC_BUCKETS), cases[i].us);
	}
}

Test(metrics, what_several_processes_see_alike_is_not_added_up)
{
	static const enum metric levels[] = { METRIC_QUEUE_QUEUED,
		METRIC_QUEUE_OLDEST_MS, METRIC_REDIS_UP, METRIC_STORE_UP };
	static struct metrics_page other;
	uint64_t sum[METRICS_CELLS] = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
		metric_set(&page, levels[i], 0, 1);
		metric_set(&other, levels[i], 0, 1);
	}
	metric_set(&other, METRIC_QUEUE_QUEUED, 0, 7);
	metrics_sum(sum, &page, true);
	metrics_sum(sum, &other, true);
	metrics_sum(sum, &other, false);
	for (size_t i = 0; i < ARRAY_LEN(levels); i++)
		cr_expect_eq(sum[metric_info(levels[i])->first_cell],
		    levels[i] == METRIC_QUEUE_QUEUED ? 7 : 1, "%s",
		    metric_info(levels[i])->name);
}

Test(metrics, sums_leave_gauges_of_the_dead_out)
{
	uint64_t sum[METRICS_CELLS] = { 0 };
	unsigned taken = metric_info(METRIC_JOBS_TAKEN)->first_cell;
	unsigned flight = metric_info(METRIC_JOBS_IN_FLIGHT)->first_cell;
	unsigned sec = metric_info(METRIC_LLM_SECONDS)->first_cell;

	metric_add(&page, METRIC_JOBS_TAKEN, 0, 2);
	metric_set(&page, METRIC_JOBS_IN_FLIGHT, 0, 4);
	metric_observe(&page, METRIC_LLM_SECONDS, 1, 7);
	metrics_sum(sum, &page, false);
	metrics_sum(sum, &page, true);
	cr_expect_eq(sum[taken], 4);
	cr_expect_eq(sum[flight], 4);
	cr_expect_eq(sum[sec + METRIC_HISTOGRAM_CELLS], 2);
	cr_expect_eq(sum[sec + METRIC_HISTOGRAM_CELLS + METRIC_BUCKETS], 14);
}

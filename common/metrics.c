/* SPDX-License-Identifier: MIT */
/*
 * metrics.c - where each metric's cells lie, and how they are counted and added.
 *
 * Owns:   nothing but constant tables; pages belong to the caller.
 * Called: by every role on its own page, by the supervisor's hub and by the gateway.
 * Fails:  never; a label out of range is counted under the last one.
 */
#include "config.h"

#include "common/metrics.h"

#define CELLS_COUNTER(width) (width)
#define CELLS_GAUGE(width) (width)
#define CELLS_LEVEL(width) (width)
#define CELLS_HISTOGRAM(width) ((width)*METRIC_HISTOGRAM_CELLS)

/* Each metric begins where the one before it ended. */
enum cell_place {
#define X(id, name, type, label, width, help) \
 FIRST_##id, LAST_##id = FIRST_##id + CELLS_##type(width) - 1,
	METRICS(X)
#undef X
	CELLS_IN_USE
};

_Static_assert((int)CELLS_IN_USE <= (int)METRICS_CELLS,
    "the metrics do not fit into a page");

static const struct metric_info infos[METRIC_COUNT] = {
#define X(id, name, type, label, width, help) \
 { name, METRIC_##type, label, width, help, FIRST_##id },
	METRICS(X)
#undef X
};

const double metric_bucket_sec[METRIC_BUCKETS - 1] = { 0.005, 0.01, 0.025, 0.05, 0.1,
	0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300 };

const struct metric_info *
metric_info(enum metric m)
{
	ASSERT((unsigned)m < METRIC_COUNT);
	return &infos[m];
}

unsigned
metrics_cells(void)
{
	return CELLS_IN_USE;
}

static unsigned
cell_of(const struct metric_info *info, unsigned label)
{
	unsigned per_label =
	    info->type == METRIC_HISTOGRAM ? (unsigned)METRIC_HISTOGRAM_CELLS : 1;

	if (label >= info->width)
		label = info->width - 1;
	return info->first_cell + label * per_label;
}

void
metric_add(struct metrics_page *p, enum metric m, unsigned label, uint64_t n)
{
	const struct metric_info *info = metric_info(m);

	ASSERT(info->type != METRIC_HISTOGRAM);
	atomic_fetch_add_explicit(&p->cell[cell_of(info, label)], n,
	    memory_order_relaxed);
}

void
metric_set(struct metrics_page *p, enum metric m, unsigned label, uint64_t v)
{
	const struct metric_info *info = metric_info(m);

	ASSERT(info->type != METRIC_HISTOGRAM);
	atomic_store_explicit(&p->cell[cell_of(info, label)], v, memory_order_relaxed);
}

void
metric_observe(struct metrics_page *p, enum metric m, unsigned label, uint64_t us)
{
	const struct metric_info *info = metric_info(m);
	unsigned first = cell_of(info, label), bucket = 0;

	ASSERT(info->type == METRIC_HISTOGRAM);
	while (bucket < METRIC_BUCKETS - 1 &&
	    (double)us > metric_bucket_sec[bucket] * 1000000.0)
		bucket++;
	atomic_fetch_add_explicit(&p->cell[first + bucket], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&p->cell[first + METRIC_BUCKETS], us,
	    memory_order_relaxed);
}

void
metric_merge(enum metric_type type, uint64_t *into, uint64_t v)
{
	if (type != METRIC_LEVEL)
		*into += v;
	else if (v > *into)
		*into = v;
}

static bool
is_of_the_present(enum metric_type type)
{
	return type == METRIC_GAUGE || type == METRIC_LEVEL;
}

void
metrics_sum(uint64_t *into, const struct metrics_page *page, bool with_gauges)
{
	for (unsigned m = 0; m < METRIC_COUNT; m++) {
		unsigned end = m + 1 < METRIC_COUNT ? infos[m + 1].first_cell
						    : (unsigned)CELLS_IN_USE;

		if (is_of_the_present(infos[m].type) && !with_gauges)
			continue;
		for (unsigned i = infos[m].first_cell; i < end; i++)
			metric_merge(infos[m].type, &into[i],
			    atomic_load_explicit(&page->cell[i], memory_order_relaxed));
	}
}

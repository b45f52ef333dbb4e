/* SPDX-License-Identifier: MIT */
/*
 * columns.h - a row with some of its columns set.
 */
#ifndef COMPUTE_COLUMNS_H
#define COMPUTE_COLUMNS_H

#include "common/pipeline/steps.h"

/*
 * *out becomes row with the n columns set to the values: one that the row has is
 * replaced where it stands (the last of duplicates), others come behind. False when
 * the arena is exhausted.
 */
bool columns_put(struct arena *a, const struct json *row, const struct column *columns,
    const struct json *values, size_t n, struct json *out);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * error_types.c - names of the reasons for which a job can fail.
 *
 * Owns:   nothing but the table.
 * Called: by everyone who builds or reads a result message, a journal record, a metric.
 * Fails:  never; an unknown name is ERROR_TYPE_NONE.
 */
#include "config.h"

#include "common/error_types.h"

#include "common/cleanup.h"
#include "common/metrics.h"

#include <string.h>

static const struct {
	const char *name;
	bool is_retryable;
} types[] = { [ERROR_TYPE_NONE] = { "", false },
#define X(id, name, retryable) [ERROR_TYPE_##id] = { #name, retryable },
	ERROR_TYPES(X)
#undef X
};
_Static_assert(ARRAY_LEN(types) == ERROR_TYPE_COUNT, "every type has its row");
_Static_assert((int)ERROR_TYPE_COUNT <= (int)METRIC_STATUS_ERRORS_MAX,
    "every type has its label value");

const char *
error_type_name(enum error_type type)
{
	ASSERT((unsigned)type < ERROR_TYPE_COUNT);
	return types[type].name;
}

bool
error_type_is_retryable(enum error_type type)
{
	ASSERT((unsigned)type < ERROR_TYPE_COUNT);
	return types[type].is_retryable;
}

enum error_type
error_type_from_name(const char *name, size_t n)
{
	for (unsigned t = ERROR_TYPE_NONE + 1; t < ERROR_TYPE_COUNT; t++)
		if (strlen(types[t].name) == n && memcmp(types[t].name, name, n) == 0)
			return (enum error_type)t;
	return ERROR_TYPE_NONE;
}

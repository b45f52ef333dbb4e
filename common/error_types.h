/* SPDX-License-Identifier: MIT */
/*
 * error_types.h - the closed list of reasons for which a job can fail.
 *
 * What a type is called on the wire and whether another attempt may help stand here and
 * nowhere else. The numbers are the label values of the metric JOBS_DONE.
 */
#ifndef COMMON_ERROR_TYPES_H
#define COMMON_ERROR_TYPES_H

#include <stdbool.h>
#include <stddef.h>

/* clang-format off */
#define ERROR_TYPES(X)                          \
	/* in C                 on the wire             retryable */ \
	X(INVALID_MESSAGE,      invalid_message,        false) \
	X(UNSUPPORTED_VERSION,  unsupported_version,    false) \
	X(PAYLOAD_TOO_LARGE,    payload_too_large,      false) \
	X(UNKNOWN_AGENT,        unknown_agent,          false) \
	X(JOB_ID_CONFLICT,      job_id_conflict,        false) \
	X(LLM_UNAVAILABLE,      llm_unavailable,        true)  \
	X(LLM_RATE_LIMITED,     llm_rate_limited,       true)  \
	X(LLM_QUOTA_EXHAUSTED,  llm_quota_exhausted,    false) \
	X(LLM_AUTH,             llm_auth,               false) \
	X(LLM_BAD_RESPONSE,     llm_bad_response,       true)  \
	X(LLM_REFUSED,          llm_refused,            false) \
	X(LLM_LENGTH,           llm_length,             false) \
	X(EXECUTION_ERROR,      execution_error,        true)  \
	X(INVALID_STEP,         invalid_step,           false) \
	X(STEP_LIMIT,           step_limit,             false) \
	X(FORBIDDEN_ADDRESS,    forbidden_address,      false) \
	X(FORBIDDEN_REFERENCE,  forbidden_reference,    false) \
	X(SCHEMA_VIOLATION,     schema_violation,       false) \
	X(PATCH_REJECTED,       patch_rejected,         false) \
	X(PATCH_CONFLICT,       patch_conflict,         true)  \
	X(LOOP_DETECTED,        loop_detected,          false) \
	X(LIMIT_EXCEEDED,       limit_exceeded,         false) \
	X(BUDGET_EXCEEDED,      budget_exceeded,        false) \
	X(TIMEOUT,              timeout,                true)  \
	X(CANCELLED,            cancelled,              false) \
	X(REJECTED,             rejected,               false) \
	X(OUTCOME_UNKNOWN,      outcome_unknown,        false) \
	X(CRASHED,              crashed,                false) \
	X(STORAGE_ERROR,        storage_error,          true)  \
	X(INTERNAL,             internal,               false)
/* clang-format on */

enum error_type {
	ERROR_TYPE_NONE, /* nothing failed */
#define X(id, name, retryable) ERROR_TYPE_##id,
	ERROR_TYPES(X)
#undef X
	ERROR_TYPE_COUNT
};

const char *error_type_name(enum error_type type); /* "" for ERROR_TYPE_NONE */
bool error_type_is_retryable(enum error_type type);

/* The type of that name, or ERROR_TYPE_NONE when there is none. */
enum error_type error_type_from_name(const char *name, size_t n);

#endif

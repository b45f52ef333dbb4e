/* SPDX-License-Identifier: MIT */
/*
 * job_skim.c - steps over a long payload and keeps the few members that name the job.
 *
 * Owns:   nothing; appends to the caller's buffer.
 * Called: by the job, for payloads over queue.max_payload_bytes.
 * Fails:  never; a payload without readable members gives "{}".
 */
#include "config.h"

#include "worker/job_skim.h"

#include <stdbool.h>
#include <string.h>

enum {
	MEMBER_MAX = 8192, /* an id of 200 bytes, all escaped, is shorter */
	KEPT_MAX = 64 * 1024
};

static const char *const kept[] = { "\"job_id\"", "\"run_id\"", "\"node_id\"",
	"\"workflow_owner\"", "\"user_id\"", "\"retry_count\"", "\"created_at\"" };

static const char *
skip_space(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
		p++;
	return p;
}

/* From the opening quote to behind the closing one; NULL when there is none. */
static const char *
skip_string(const char *p, const char *end)
{
	for (p++; p < end; p++) {
		if (*p == '"')
			return p + 1;
		p += *p == '\\';
	}
	return NULL;
}

/* Behind a value: at the ',' or '}' after it; NULL when the payload ends before. */
static const char *
skip_value(const char *p, const char *end)
{
	uint64_t depth = 0;

	while (p < end) {
		if (*p == '"') {
			p = skip_string(p, end);
			if (p == NULL)
				return NULL;
			continue;
		}
		if (depth == 0 && (*p == ',' || *p == '}' || *p == ']'))
			return p;
		depth += *p == '[' || *p == '{';
		depth -= *p == ']' || *p == '}';
		p++;
	}
	return NULL;
}

static bool
is_kept(const char *name, size_t n)
{
	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		if (strlen(kept[i]) == n && memcmp(kept[i], name, n) == 0)
			return true;
	return false;
}

/* One member that begins at p; returns where the next begins, or NULL. */
static const char *
skim_member(const char *p, const char *end, struct buf *out)
{
	const char *name = p, *name_end, *value;

	if (p == end || *p != '"')
		return NULL;
	name_end = skip_string(p, end);
	if (name_end == NULL)
		return NULL;
	p = skip_space(name_end, end);
	if (p == end || *p != ':')
		return NULL;
	value = skip_space(p + 1, end);
	p = skip_value(value, end);
	if (p == NULL)
		return NULL;
	if (is_kept(name, (size_t)(name_end - name)) && p - name <= MEMBER_MAX &&
	    out->len + (size_t)(p - name) < KEPT_MAX) {
		buf_adds(out, out->len > 1 ? "," : "");
		buf_add(out, name, (size_t)(p - name));
	}
	return *p == ',' ? skip_space(p + 1, end) : NULL;
}

void
job_skim(const char *payload, size_t n, struct buf *out)
{
	const char *end = payload + n, *p = skip_space(payload, end);

	buf_addc(out, '{');
	p = p < end && *p == '{' ? skip_space(p + 1, end) : NULL;
	while (p != NULL)
		p = skim_member(p, end, out);
	buf_addc(out, '}');
}

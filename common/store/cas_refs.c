/* SPDX-License-Identifier: MIT */
/*
 * cas_refs.c - a set of content ids: filled, then asked.
 *
 * Owns:   the array.
 * Called: by agentctl purge and by the worker that keeps to storage.retention_days.
 * Fails:  only for want of memory.
 */
#include "config.h"

#include "common/store/cas_refs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void
cas_refs_release(struct cas_refs *r)
{
	free(r->ids);
	*r = (struct cas_refs){ 0 };
}

int
cas_refs_add(struct cas_refs *r, const char *text, size_t n)
{
	char id[CAS_ID_MAX];

	if (n >= sizeof(id))
		return 0;
	memcpy(id, text, n);
	id[n] = '\0';
	if (!cas_is_id(id))
		return 0;
	if (r->n == r->cap) {
		size_t cap = r->cap > 0 ? r->cap * 2 : 64;
		void *ids = realloc(r->ids, cap * sizeof(*r->ids));

		if (ids == NULL)
			return -ENOMEM;
		r->ids = ids;
		r->cap = cap;
	}
	memcpy(r->ids[r->n++], id, sizeof(id));
	r->is_sorted = false;
	return 0;
}

static int
compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

int
cas_refs_has(void *refs, const char *id)
{
	struct cas_refs *r = refs;

	if (r->n == 0)
		return 0;
	if (!r->is_sorted)
		qsort(r->ids, r->n, sizeof(*r->ids), compare);
	r->is_sorted = true;
	return bsearch(id, r->ids, r->n, sizeof(*r->ids), compare) != NULL;
}

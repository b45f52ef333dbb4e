/* SPDX-License-Identifier: MIT */
/* cas_refs.h - a set of content ids: what journals name, for a purge. */
#ifndef COMMON_STORE_CAS_REFS_H
#define COMMON_STORE_CAS_REFS_H

#include "common/store/cas.h"

struct cas_refs {
	char (*ids)[CAS_ID_MAX]; /* owned */
	size_t n, cap;
	bool is_sorted;
};

void cas_refs_release(struct cas_refs *r); /* for CLEANUP */
/* What is no content id is left out. 0 or -ENOMEM. */
int cas_refs_add(struct cas_refs *r, const char *text, size_t n);
/* Is the id in the set? Of the form that struct store_purge wants. */
int cas_refs_has(void *refs, const char *id);

#endif

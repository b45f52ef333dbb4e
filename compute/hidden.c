/* SPDX-License-Identifier: MIT */
/*
 * hidden.c - mappings that a fork leaves out.
 *
 * Owns:   the mappings handed out, and a few that wait for the next use, wiped.
 * Called: by the zygote's files, in one thread.
 * Fails:  with NULL; memory that cannot be hidden is not handed out.
 */
#include "config.h"

#include "compute/hidden.h"

#include "common/lane.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

enum {
	PAGE = 4096,
	KEPT_MAX =
	    8, /* mappings that wait: mapping and faulting cost more than wiping */
	KEPT_BYTES = LANE_MESSAGE_MAX + PAGE,
	STACK_BYTES = 48 * 1024
};

/* Stands before what is handed out. */
struct head {
	size_t n;      /* bytes that the caller may have used */
	size_t mapped; /* bytes of the mapping */
} __attribute__((aligned(16)));

static struct head *kept[KEPT_MAX];
static size_t n_kept;

#ifdef WITH_FAULT_POINTS
bool hidden_is_off;
#else
enum {
	hidden_is_off = false
};
#endif

static struct head *
map(size_t mapped)
{
	void *at = mmap(NULL, mapped, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		return NULL;
	if (madvise(at, mapped, MADV_DONTFORK) < 0) {
		(void)munmap(at, mapped);
		return NULL;
	}
	return at;
}

void *
hidden_alloc(size_t n)
{
	size_t mapped = sizeof(struct head) + n;
	struct head *h;

	if (hidden_is_off)
		return calloc(1, n);
	mapped = mapped < KEPT_BYTES ? KEPT_BYTES : mapped + PAGE - 1;
	mapped -= mapped % PAGE;
	if (mapped == KEPT_BYTES && n_kept > 0)
		h = kept[--n_kept];
	else
		h = map(mapped);
	if (h == NULL)
		return NULL;
	h->n = n;
	h->mapped = mapped;
	return h + 1;
}

void
hidden_free(void *p)
{
	struct head *h;

	if (p == NULL || hidden_is_off) {
		free(p);
		return;
	}
	h = (struct head *)p - 1;
	if (h->mapped != KEPT_BYTES || n_kept == KEPT_MAX) {
		(void)munmap(h, h->mapped);
		return;
	}
	explicit_bzero(p, h->n);
	kept[n_kept++] = h;
}

int
hidden_show(void *p, bool shown)
{
	struct head *h;

	if (p == NULL || hidden_is_off)
		return 0;
	h = (struct head *)p - 1;
	return madvise(h, h->mapped, shown ? MADV_DOFORK : MADV_DONTFORK) < 0 ? -errno
									      : 0;
}

__attribute__((noinline)) void
hidden_scrub_stack(void)
{
	char below[STACK_BYTES];

	if (!hidden_is_off)
		explicit_bzero(below, sizeof(below));
}

/* SPDX-License-Identifier: MIT */
/*
 * arena.c - a region of memory that is freed at once, and its cache of texts.
 *
 * Owns:   the chain of blocks; whatever was handed out dies with them.
 * Called: by the JSON reader and builder and by everything that makes values.
 * Fails:  stickily with NULL; arena_failed() tells.
 */
#include "config.h"

#include "common/json/arena.h"

#include "common/cleanup.h"

#include <string.h>

enum {
	BLOCK_FIRST = 4 * 1024,      /* a small message fits */
	BLOCK_LARGEST = 1024 * 1024, /* doubling stops here */
	BLOCK_KEPT = 256 * 1024,     /* arena_clear keeps no larger one */
	CACHE_FIRST = 64,
	CACHE_LARGEST = 4096,
	CACHE_PROBES = 8
};

struct block {
	struct block *next;
	size_t size; /* bytes after this head */
};

/* The head is padded so that what follows is aligned to 16. */
_Static_assert(sizeof(struct block) == 16, "blocks hand out memory aligned to 16");

struct cached {
	const char *text;
	uint32_t len;
	uint32_t hash;
};

struct arena {
	struct block *blocks; /* the one in use first */
	char *at, *end;       /* the free part of that block */
	size_t max_bytes;     /* 0: none */
	size_t used_bytes;
	size_t next_size;
	struct cached *cache; /* in a block; NULL until the first text */
	uint32_t cache_size;
	uint32_t cache_used;
	bool has_failed;
};

struct arena *
arena_new(size_t max_bytes)
{
	struct arena *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	a->max_bytes = max_bytes;
	a->next_size = BLOCK_FIRST;
	return a;
}

static void
blocks_free(struct block *b)
{
	while (b != NULL) {
		struct block *next = b->next;

		free(b);
		b = next;
	}
}

void
arena_free(struct arena *a)
{
	if (a == NULL)
		return;
	blocks_free(a->blocks);
	free(a);
}

void
arena_wipe(struct arena *a)
{
	for (struct block *b = a->blocks; b != NULL; b = b->next)
		explicit_bzero(b + 1, b->size);
}

void
arena_freep(struct arena **a)
{
	arena_free(*a);
	*a = NULL;
}

void
arena_clear(struct arena *a)
{
	struct block *kept = a->blocks;

	if (kept != NULL) {
		blocks_free(kept->next);
		kept->next = NULL;
		if (kept->size > BLOCK_KEPT) {
			free(kept);
			kept = NULL;
		}
	}
	a->blocks = kept;
	a->at = kept != NULL ? (char *)(kept + 1) : NULL;
	a->end = kept != NULL ? a->at + kept->size : NULL;
	a->next_size = kept != NULL ? 2 * kept->size : BLOCK_FIRST;
	a->used_bytes = 0;
	a->cache = NULL;
	a->cache_size = a->cache_used = 0;
	a->has_failed = false;
}

static struct block *
block_new(size_t size)
{
	struct block *b = malloc(sizeof(*b) + size);

	if (b != NULL)
		b->size = size;
	return b;
}

/* A block for one large piece goes behind the one in use, whose free part stays. */
static void *
large_alloc(struct arena *a, size_t n)
{
	struct block *b = block_new(n);

	if (b == NULL)
		return NULL;
	if (a->blocks != NULL) {
		b->next = a->blocks->next;
		a->blocks->next = b;
	} else {
		b->next = NULL;
		a->blocks = b;
		a->at = a->end = (char *)(b + 1) + n;
	}
	return b + 1;
}

static bool
next_block(struct arena *a)
{
	struct block *b = block_new(a->next_size);

	if (b == NULL)
		return false;
	b->next = a->blocks;
	a->blocks = b;
	a->at = (char *)(b + 1);
	a->end = a->at + b->size;
	if (a->next_size < BLOCK_LARGEST)
		a->next_size *= 2;
	return true;
}

static void *
fail(struct arena *a)
{
	a->has_failed = true;
	return NULL;
}

void *
arena_alloc(struct arena *a, size_t n)
{
	void *p;

	if (a->has_failed || n > SIZE_MAX - 64)
		return fail(a);
	n = (n + 15) & ~(size_t)15;
	if (a->max_bytes != 0 && n > a->max_bytes - a->used_bytes)
		return fail(a);
	if ((size_t)(a->end - a->at) < n) {
		if (n > a->next_size / 4) {
			p = large_alloc(a, n);
			if (p == NULL)
				return fail(a);
			a->used_bytes += n;
			return p;
		}
		if (!next_block(a))
			return fail(a);
	}
	p = a->at;
	a->at += n;
	a->used_bytes += n;
	return p;
}

char *
arena_strndup(struct arena *a, const char *s, size_t n)
{
	char *copy = arena_alloc(a, n + 1);

	if (copy == NULL)
		return NULL;
	if (n > 0)
		memcpy(copy, s, n);
	copy[n] = '\0';
	return copy;
}

bool
arena_failed(const struct arena *a)
{
	return a->has_failed;
}

size_t
arena_bytes(const struct arena *a)
{
	return a->used_bytes;
}

/* The slot where a text of this hash belongs: a free one, or its home when all are
 * taken. */
static struct cached *
cache_slot(const struct arena *a, uint32_t hash)
{
	uint32_t mask = a->cache_size - 1;

	for (uint32_t i = 0; i < CACHE_PROBES; i++) {
		struct cached *c = &a->cache[(hash + i) & mask];

		if (c->text == NULL)
			return c;
	}
	return &a->cache[hash & mask];
}

static void
cache_grow(struct arena *a)
{
	struct cached *old = a->cache;
	uint32_t old_size = a->cache_size;
	uint32_t size = old_size == 0 ? CACHE_FIRST : 4 * old_size;
	struct cached *fresh = arena_alloc(a, size * sizeof(*fresh));

	if (fresh == NULL)
		return;
	memset(fresh, 0, size * sizeof(*fresh));
	a->cache = fresh;
	a->cache_size = size;
	for (uint32_t i = 0; i < old_size; i++)
		if (old[i].text != NULL)
			*cache_slot(a, old[i].hash) = old[i];
}

static const char *
cache_find(const struct arena *a, const char *s, size_t n, uint32_t hash)
{
	uint32_t mask = a->cache_size - 1;

	for (uint32_t i = 0; i < CACHE_PROBES && a->cache_size > 0; i++) {
		const struct cached *c = &a->cache[(hash + i) & mask];

		if (c->text == NULL)
			return NULL;
		if (c->hash == hash && c->len == n && memcmp(c->text, s, n) == 0)
			return c->text;
	}
	return NULL;
}

const char *
arena_intern(struct arena *a, const char *s, size_t n, uint32_t hash)
{
	const char *text = cache_find(a, s, n, hash);

	if (text != NULL || n > UINT32_MAX)
		return text;
	text = arena_strndup(a, s, n);
	if (text == NULL)
		return NULL;
	if (a->cache_used >= a->cache_size / 2 && a->cache_size < CACHE_LARGEST)
		cache_grow(a);
	if (a->cache_size > 0) {
		*cache_slot(a, hash) = (struct cached){ text, (uint32_t)n, hash };
		a->cache_used++;
	}
	return arena_failed(a) ? NULL : text;
}

/* SPDX-License-Identifier: MIT */
/*
 * flaw.c - a planted flaw of the jailed child, in builds with fault points only.
 *
 * Owns:   nothing.
 * Called: by child.c in the jail.
 * Fails:  never: what cannot be read is passed over.
 *
 * The jail shows no map of the process, so pages are tried by a call that reads its
 * argument before it refuses: sigprocmask answers EFAULT for what is not there.
 */
#include "config.h"

#include "compute/flaw.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	PAGE = 4096,
	ASKED_MAX = 256
};

#define AROUND ((uintptr_t)1 << 30) /* bytes around the libraries that are tried */

struct search {
	const unsigned char *asked; /* hidden by FLAW_KEY */
	size_t n;
	uint64_t found, pages;
};

bool
flaw_is_hit(const struct task *t)
{
	size_t n = strlen(FLAW_MAGIC);

	return t->run.data_len > n && t->run.data_len <= n + ASKED_MAX &&
	    memcmp(t->run.data, FLAW_MAGIC, n) == 0;
}

static bool
is_readable(uintptr_t page)
{
	return syscall(SYS_rt_sigprocmask, -1, page, NULL, 8) == 0 || errno == EINVAL;
}

static bool
is_it(const struct search *s, const unsigned char *at)
{
	for (size_t i = 0; i < s->n; i++)
		if ((at[i] ^ FLAW_KEY) != s->asked[i])
			return false;
	return true;
}

/* Pages from..to hang together and can be read. */
static void
look(struct search *s, uintptr_t from, uintptr_t to)
{
	s->pages += (to - from) / PAGE;
	for (uintptr_t at = from; at + s->n <= to; at++)
		s->found += is_it(s, (const unsigned char *)at);
}

static void
look_between(struct search *s, uintptr_t from, uintptr_t to)
{
	uintptr_t begin = 0;

	for (uintptr_t page = from; page < to; page += PAGE) {
		if (is_readable(page)) {
			begin = begin == 0 ? page : begin;
		} else if (begin != 0) {
			look(s, begin, page);
			begin = 0;
		}
	}
	if (begin != 0)
		look(s, begin, to);
}

/* The piece of memory that holds this address. */
static void
look_around(struct search *s, uintptr_t address)
{
	uintptr_t from = address - address % PAGE, to = from + PAGE;

	while (is_readable(from - PAGE))
		from -= PAGE;
	while (is_readable(to))
		to += PAGE;
	look(s, from, to);
}

int
flaw_answer(const struct task *t, struct buf *meta, struct output *out)
{
	static const char program[] = "the program's own data";
	size_t magic = strlen(FLAW_MAGIC);
	struct search s = { .asked = (const unsigned char *)t->run.data + magic,
		.n = t->run.data_len - magic };
	uintptr_t library = (uintptr_t)stdout; /* its object lies in the C library */

	library -= library % PAGE;
	look_around(&s, (uintptr_t)program);
	look_around(&s, (uintptr_t)&s); /* the stack */
	look_around(&s, (uintptr_t)sbrk(0) - PAGE);
	look_between(&s, library - AROUND, library + AROUND / 16);
	buf_adds(meta, "{\"ok\":true,\"trace\":[],\"rows\":1}");
	buf_addf(&out->pending, "{\"found\":%llu,\"pages\":%llu}",
	    (unsigned long long)s.found, (unsigned long long)s.pages);
	return buf_status(meta);
}

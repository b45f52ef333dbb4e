/* SPDX-License-Identifier: MIT */
/*
 * zygote.h - the process that answers lanes by forking jailed children.
 *
 * It reads requests' meta, never their data; it has no limits of its own and says
 * nothing. A child that dies costs its own request an answer that says why, never the
 * zygote or a neighbour. Plain table steps re-use a child of the same owner; a request
 * that is "fresh", has inputs, or whose data is a memory file gets a child of its own.
 */
#ifndef COMPUTE_ZYGOTE_H
#define COMPUTE_ZYGOTE_H

#include "common/err.h"
#include "common/role/sandbox.h"

#include <stdbool.h>
#include <stdint.h>

struct zygote;

struct zygote_options {
	unsigned max_children; /* that run at a time; 0: one per core */
	bool is_unjailed; /* no filter: for tests under tools that need more calls */
	/* bounds of what a request may ask for, and what it gets when it does not
	   say */
	uint64_t cpu_sec, memory_mb, output_mb; /* 0: the defaults of compute_proto.h */
#ifdef WITH_FAULT_POINTS
	bool shares_children; /* with every owner: a test must see what that costs */
	bool shares_memory;   /* children inherit what other owners sent */
#endif
};

/* Before the caller's own sandbox: opens what it needs. 0 or negative errno. */
int zygote_new(const struct zygote_options *o, struct zygote **out, struct err *err);
void zygote_free(struct zygote *z); /* kills the children */
void zygote_freep(struct zygote **z);

/* Takes the descriptor of a lane. */
int zygote_add_lane(struct zygote *z, int fd);

/*
 * One turn: waits until something happens on a lane, a child or extra_fd (-1: none), or
 * timeout_ms pass (-1: no bound), and deals with it. Returns 1 when extra_fd is
 * readable, else 0, or negative errno of poll.
 */
int zygote_turn(struct zygote *z, int extra_fd, int timeout_ms);

/* No request waits or runs. */
bool zygote_is_idle(const struct zygote *z);

struct zygote_counts {
	uint64_t runs;   /* requests taken */
	uint64_t killed; /* children that hit a limit or died */
	uint64_t forks;
};
struct zygote_counts zygote_counts(const struct zygote *z);

#endif

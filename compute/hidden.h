/* SPDX-License-Identifier: MIT */
/*
 * hidden.h - memory of the zygote that its children do not inherit.
 *
 * Requests and answers of many owners pass through the zygote, and a forked child has a
 * copy of everything that its parent has. So all that holds somebody's text lives in
 * mappings that a fork leaves out; only the request that a child is forked for is shown
 * to it.
 */
#ifndef COMPUTE_HIDDEN_H
#define COMPUTE_HIDDEN_H

#include <stdbool.h>
#include <stddef.h>

/* n bytes on pages of their own, hidden; NULL when memory is short. */
void *hidden_alloc(size_t n);
void hidden_free(void *p); /* NULL is fine */

/* Whether the next fork passes it on; NULL is fine. 0 or negative errno. */
int hidden_show(void *p, bool shown);

/* Leaves no former calls' data on the stack that a fork copies. */
void hidden_scrub_stack(void);

#ifdef WITH_FAULT_POINTS
/* True: plain memory instead, and no scrubbing; for the test of the tests. */
extern bool hidden_is_off;
#endif

#endif

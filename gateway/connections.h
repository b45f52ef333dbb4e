/* SPDX-License-Identifier: MIT */
/*
 * connections.h - the open connections, and which of them have had enough time.
 *
 * The HTTP library's own timeout sees inactivity only: a byte now and then would hold a
 * place for ever. Here each connection is in a phase with a deadline.
 */
#ifndef GATEWAY_CONNECTIONS_H
#define GATEWAY_CONNECTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct connections;

enum connection_phase {
	CONNECTION_RECEIVING, /* a request is awaited or incomplete */
	CONNECTION_WAITING,   /* a job runs for it */
	CONNECTION_SENDING
};

/* limit_ms: how long a request may take to come. In a crowd, when fewer than a quarter of
   max places are free, the slowest are cut off at once, so that they keep nobody out.
   NULL: no memory. */
struct connections *connections_new(uint32_t limit_ms, size_t max);
void connections_free(struct connections *c);

/* NULL when memory is short. Thread-safe, as all of these. */
struct connection *connections_add(struct connections *c, int fd);
void connections_remove(struct connections *c, struct connection *k);

/* arg is what connections_sweep reports for one that waits. */
void connections_phase(struct connections *c, struct connection *k,
    enum connection_phase phase, const void *arg);

/*
 * Cuts off who is too slow, and calls gone(ctx, arg) for each that waits and whose
 * client has left (once). Returns the milliseconds until it should be called again.
 */
uint32_t connections_sweep(struct connections *c,
    void (*gone)(void *ctx, const void *arg), void *ctx);

size_t connections_count(struct connections *c);
size_t connections_busy(struct connections *c); /* those not receiving */

#endif

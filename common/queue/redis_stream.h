/* SPDX-License-Identifier: MIT */
/*
 * redis_stream.h - bytes to and from a server, plain or over TLS, never blocking.
 *
 * The caller waits (poll, epoll) for redis_stream_events() and calls again; TLS may want
 * to write in order to read and the other way round, and this is where that is known.
 */
#ifndef COMMON_QUEUE_REDIS_STREAM_H
#define COMMON_QUEUE_REDIS_STREAM_H

#include "common/err.h"
#include "common/queue/redis_tls.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct redis_stream;

/* Where to: a Unix socket's path, or a literal address and a port. */
struct redis_place {
	const char *path; /* NULL: address and port */
	const char *address;
	int port;
	struct redis_tls *tls; /* NULL: plain */
	const char *host;      /* as the user called it, for its certificate */
};

/* Begins to connect. 0, -EAGAIN when that failed at once (err says why) or -ENOMEM. */
int redis_stream_open(const struct redis_place *place, struct redis_stream **out,
    struct err *err);
void redis_stream_close(struct redis_stream *s); /* NULL is fine */

int redis_stream_fd(const struct redis_stream *s);
bool redis_stream_is_open(const struct redis_stream *s);
bool redis_stream_is_plain(const struct redis_stream *s);
/* POLLIN, POLLOUT: what the stream waits for; with has_output POLLOUT once it is open. */
short redis_stream_events(const struct redis_stream *s, bool has_output);

/* 1 when open; 0 while it connects; -EAGAIN when that failed; -EACCES when the server's
   certificate or ours is refused. */
int redis_stream_ready(struct redis_stream *s, struct err *err);
/* Once open: bytes moved; 0 when none can be now; -ECONNRESET when it is lost. */
ssize_t redis_stream_read(struct redis_stream *s, void *out, size_t n, struct err *err);
ssize_t redis_stream_write(struct redis_stream *s, const void *bytes, size_t n,
    struct err *err);

#endif

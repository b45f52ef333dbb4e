/* SPDX-License-Identifier: MIT */
/*
 * resolve.c - host names of Redis servers, looked up on the helper thread.
 *
 * Owns:   one struct lookup per question under way.
 * Called: by the worker's connections to Redis when they connect.
 * Fails:  with the resolver's own words, through the callback.
 */
#include "config.h"

#include "worker/worker.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>

struct lookup {
	struct store_request request;
	const char *host; /* the URL's; outlives the lookup */
	unsigned n;       /* which of several addresses */
	char address[NI_MAXHOST];
	redis_found_fn *found;
	void *arg;
};

/* On the helper thread. */
static int
look_up(struct store *store UNUSED, void *ctx, struct err *err)
{
	struct lookup *l = ctx;
	const struct addrinfo hints = { .ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM };
	struct addrinfo *list = NULL, *at;
	unsigned n = 0;
	int r = getaddrinfo(l->host, NULL, &hints, &list);

	if (r != 0)
		return err_set(err, -ENXIO, "%s: %s", l->host, gai_strerror(r));
	for (at = list; at != NULL; at = at->ai_next)
		n++;
	at = list;
	for (n = l->n % n; n > 0; n--)
		at = at->ai_next;
	r = getnameinfo(at->ai_addr, at->ai_addrlen, l->address, sizeof(l->address),
	    NULL, 0, NI_NUMERICHOST);
	freeaddrinfo(list);
	return r != 0 ? err_set(err, -ENXIO, "%s: %s", l->host, gai_strerror(r)) : 0;
}

static void
on_done(struct store_request *r)
{
	struct lookup *l = r->arg;

	l->found(l->arg, r->result == 0 ? l->address : NULL, err_text(&r->err));
	free(l);
}

void
worker_resolve(void *ctx, const char *host, unsigned n, redis_found_fn *found,
    void *arg)
{
	struct worker *w = ctx;
	struct lookup *l = calloc(1, sizeof(*l));

	if (l == NULL) {
		found(arg, NULL, "no memory");
		return;
	}
	*l = (struct lookup){ .host = host, .n = n, .found = found, .arg = arg };
	l->request.op = STORE_OP_CALL_LOCAL;
	l->request.call.run = look_up;
	l->request.call.ctx = l;
	l->request.done = on_done;
	l->request.arg = l;
	store_queue_submit(w->store, &l->request);
}

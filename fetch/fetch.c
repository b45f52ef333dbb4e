/* SPDX-License-Identifier: MIT */
/*
 * fetch.c - what the process holds: guard, HTTP client, epoll set, lanes.
 *
 * Owns:   everything in struct fetch but the configuration and the metrics page.
 * Called: by main, and by the tests that run the process's inside without its outside.
 * Fails:  at the start, with the configuration entry that is wrong.
 */
#include "config.h"

#include "fetch/fetch.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

enum {
	BUFFER_BYTES = 32 * 1024,
	BUFFERS_AT_A_LANE = 4, /* times what a worker may hold */
	EVENTS_AT_ONCE = 32
};

static int
make_guard(struct fetch *f, struct err *err)
{
	const struct addr_guard_rules rules = {
		.domains = f->conf->network.allow_domains.v,
		.n_domains = f->conf->network.allow_domains.n,
		.private_entries = f->conf->network.allow_private.v,
		.n_private = f->conf->network.allow_private.n,
		.ports = f->conf->network.allow_ports.v,
		.n_ports = f->conf->network.allow_ports.n,
	};

	return addr_guard_new(&rules, &f->guard, err);
}

static int
gather_secrets(struct fetch *f)
{
	const struct conf *c = f->conf;
	int r = conf_profile_secrets(c, NULL, &f->secrets);

	f->by_profile = calloc(c->n_auth_profiles + 1, sizeof(*f->by_profile));
	if (f->by_profile == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < c->n_auth_profiles && r == 0; i++)
		r = conf_profile_secrets(c, &c->auth_profiles[i], &f->by_profile[i]);
	return r;
}

const struct secrets *
fetch_secrets(const struct fetch *f, const struct conf_auth_profile *used)
{
	return used != NULL ? f->by_profile[used - f->conf->auth_profiles] : f->secrets;
}

int
fetch_init(struct fetch *f, const struct conf *conf, struct metrics_page *metrics,
    struct err *err)
{
	struct http_client_options options = { .buffer_bytes = BUFFER_BYTES };
	struct epoll_event ev = { .events = EPOLLIN };
	int r;

	memset(f, 0, sizeof(*f));
	TAILQ_INIT(&f->lanes);
	f->conf = conf;
	f->metrics = metrics;
	f->lane_bytes_max =
	    ((uint64_t)conf->limits.worker_buffer_mb << 20) * BUFFERS_AT_A_LANE +
	    (uint64_t)conf->network.max_body_bytes;
	f->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (f->epoll_fd < 0)
		return err_set(err, -errno, "epoll: %s", strerror(errno));
	r = gather_secrets(f);
	if (r < 0)
		return err_set(err, r, "no memory for the secrets");
	r = make_guard(f, err);
	if (r < 0)
		return r;
	options.guard = f->guard;
	r = http_client_new(&options, &f->client, err);
	if (r < 0)
		return r;
	ev.data.ptr = f->client;
	if (epoll_ctl(f->epoll_fd, EPOLL_CTL_ADD, http_client_fd(f->client), &ev) < 0)
		return err_set(err, -errno, "epoll: %s", strerror(errno));
	return 0;
}

void
fetch_release(struct fetch *f)
{
	lanes_close(f);
	http_client_free(f->client);
	addr_guard_free(f->guard);
	for (size_t i = 0; f->by_profile != NULL && i < f->conf->n_auth_profiles; i++)
		secrets_free(f->by_profile[i]);
	free(f->by_profile);
	secrets_free(f->secrets);
	if (f->epoll_fd >= 0)
		(void)close(f->epoll_fd);
}

void
fetch_turn(struct fetch *f, int wait_ms, void (*on_other)(void))
{
	struct epoll_event events[EVENTS_AT_ONCE];
	int n = epoll_wait(f->epoll_fd, events, EVENTS_AT_ONCE, wait_ms);

	for (int i = 0; i < n; i++) {
		if (events[i].data.ptr == NULL)
			on_other();
		else if (events[i].data.ptr == f->client)
			http_client_turn(f->client);
		else
			lane_ready(events[i].data.ptr, events[i].events);
	}
	lanes_sweep(f);
}

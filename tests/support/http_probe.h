/* SPDX-License-Identifier: MIT */
/*
 * http_probe.h - a scripted HTTP server for tests, in threads of the test itself.
 *
 * It listens on 127.0.0.1 at a port of the kernel's choice and answers by a table of
 * routes, well or badly as the row says.
 */
#ifndef TESTS_SUPPORT_HTTP_PROBE_H
#define TESTS_SUPPORT_HTTP_PROBE_H

#include <stddef.h>
#include <stdint.h>

struct http_probe;

enum {
	PROBE_CHUNKED = 1 << 0,   /* Transfer-Encoding: chunked instead of a length */
	PROBE_RAW = 1 << 1,       /* body is the whole answer, status line included */
	PROBE_CUT = 1 << 2,       /* closes after half of the body */
	PROBE_CLOSE = 1 << 3,     /* closes without an answer */
	PROBE_HANG = 1 << 4,      /* never answers */
	PROBE_ECHO = 1 << 5,      /* the body is the request as it came */
	PROBE_GZIP_BOMB = 1 << 6, /* gzip that grows to repeat bytes of zero */
	PROBE_ENDLESS_HEADERS = 1 << 7
};

struct http_probe_route {
	const char *path;    /* without query */
	int status;          /* 0: 200 */
	const char *headers; /* "Name: value\r\n"...; {port} is replaced */
	const char *body;
	size_t repeat; /* the body this many times; 0: once */
	unsigned flags;
	unsigned delay_ms; /* before the answer */
	unsigned drip_ms;  /* pause between the bytes of the body */
};

/* routes must stay. NULL when no socket could be had. */
struct http_probe *http_probe_start(const struct http_probe_route *routes, size_t n);
void http_probe_stop(struct http_probe *p);

uint16_t http_probe_port(const struct http_probe *p);
unsigned http_probe_requests(struct http_probe *p);
unsigned http_probe_connections(struct http_probe *p);

/* Copies the last request (head and body), terminated; returns out. */
char *http_probe_last(struct http_probe *p, char *out, size_t size);

#endif

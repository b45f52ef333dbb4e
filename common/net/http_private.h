/* SPDX-License-Identifier: MIT */
/*
 * http_private.h - what the files of the HTTP client share; nobody else includes it.
 */
#ifndef COMMON_NET_HTTP_PRIVATE_H
#define COMMON_NET_HTTP_PRIVATE_H

#include "common/net/addr_guard.h"
#include "common/net/http_client.h"
#include "common/net/url.h"

#include <curl/curl.h>
#include <sys/queue.h>

enum {
	HTTP_CLIENT_MAGIC = 0x48434c49,
	HTTP_TRANSFER_MAGIC = 0x48545241,
	HTTP_METHOD_MAX = 16,
	HTTP_IDLE_MAX = 256,                /* pooled handles */
	HTTP_OTHER_BODY_MAX = 64 * 1024,    /* kept of a body that is not 2xx */
	HTTP_HEADERS_KEPT_MAX = 16 * 1024,  /* of an answer */
	HTTP_HEADERS_READ_MAX = 256 * 1024, /* more ends the transfer */
};

struct http_socket {
	uint8_t registered; /* EPOLLIN | EPOLLOUT in the epoll set; 0: not in it */
	uint8_t wanted;     /* what curl waits for; 0: nothing, the connection idles */
	bool is_ours;       /* opened by our callback, so its closing is seen too */
};

struct http_header_line {
	struct curl_slist node; /* data points behind the array of lines */
	bool is_auth;
	bool is_of_body; /* Content-*: goes when the body goes */
};

TAILQ_HEAD(http_transfers, http_transfer);

struct http_client {
	uint32_t magic;
	CURLM *multi;                /* owned */
	int epoll_fd;                /* owned: sockets and timer_fd */
	int timer_fd;                /* owned */
	uint64_t due_ms;             /* when curl wants its timeout action; 0: never */
	uint64_t armed_ms;           /* when timer_fd fires; 0: not armed */
	struct http_socket *sockets; /* by descriptor number, owned */
	size_t n_sockets;
	struct http_transfers active; /* in curl's hands */
	struct http_transfers failed; /* not started: told at the next turn */
	struct http_transfers idle;   /* pooled */
	size_t n_active, n_idle, n_in_multi;
	struct http_client_options options;
	char *user_agent, *ca_file; /* owned */
};

struct http_transfer {
	uint32_t magic;
	TAILQ_ENTRY(http_transfer) entry;
	struct http_client *client;
	CURL *easy; /* owned; set up once */
	bool is_in_multi, was_sent;

	/* the request */
	char method[HTTP_METHOD_MAX];
	char *url;                      /* owned: of this hop */
	struct url target;              /* read from url */
	struct http_header_line *lines; /* owned, one block with its text */
	size_t n_lines;
	const void *body;
	size_t body_len, max_body_bytes;
	uint32_t connect_timeout_ms;
	uint64_t started_ms, deadline_ms; /* monotonic */
	unsigned max_redirects;
	enum http_version version;
	const struct secrets *secrets;
	int (*on_body)(void *, const char *, size_t);
	http_done_fn done;
	void *ctx;

	/* the answer */
	int status;         /* of the answer that is arriving; 0: none yet */
	struct buf headers; /* name NUL value NUL ... */
	size_t header_bytes;
	size_t body_bytes;
	struct buf answer;
	bool is_too_large, has_enough, has_sink_failed, has_too_many_headers;
	bool has_head; /* the empty line after the headers has come */
	unsigned redirects, addresses_refused, addresses_tried;
	char refusal[304];       /* why the guard said no */
	enum http_class failure; /* for the failed list */
	char curl_text[CURL_ERROR_SIZE];
	char message[CURL_ERROR_SIZE + 128];
};

/* http_sockets.c */
int http_sockets_init(struct http_client *c, struct err *err);
void http_sockets_release(struct http_client *c);
void http_sockets_wake(struct http_client *c); /* the descriptor becomes readable */
void http_sockets_kick(struct http_client *c); /* curl's timeout action, when due */
void http_sockets_turn(struct http_client *c); /* ready sockets and timer */
curl_socket_t http_socket_open(void *transfer, curlsocktype purpose,
    struct curl_sockaddr *address);
int http_socket_close(void *client, curl_socket_t fd);

/* http_answer.c: what arrives */
size_t http_answer_header(char *line, size_t size, size_t n, void *transfer);
size_t http_answer_body(char *bytes, size_t size, size_t n, void *transfer);
void http_answer_clear(struct http_transfer *t);
const char *http_answer_find(const struct http_transfer *t, const char *name);
enum http_class http_answer_class(struct http_transfer *t, CURLcode code);

/* http_request.c: what is sent */
int http_request_copy(struct http_transfer *t, const struct http_request *request);
void http_request_apply(struct http_transfer *t); /* to the easy handle, for this hop */
void http_request_release(struct http_transfer *t);
CURL *http_request_easy(
    struct http_transfer *t); /* a handle with all that never changes */
enum http_class http_request_check(struct http_transfer *t); /* url; fills t->target */
/* 1: t is ready for its next hop; 0: this answer is the final one; less: *class says
 * why */
int http_request_redirect(struct http_transfer *t, enum http_class *class);

#endif

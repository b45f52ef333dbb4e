/* SPDX-License-Identifier: MIT */
/*
 * redis_stream.c - a non-blocking connection, plain or TLS.
 *
 * Owns:   the descriptor and the TLS state upon it.
 * Called: by redis_conn.c.
 * Fails:  with the system's or OpenSSL's words; a stream that has failed is only closed.
 */
#include "config.h"

#include "common/queue/redis_stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

enum {
	KEEPALIVE_SEC = 15,
	KEEPALIVE_PROBES = 3
};

enum stage {
	STAGE_CONNECT,
	STAGE_HANDSHAKE,
	STAGE_OPEN
};

struct redis_stream {
	int fd;
	SSL *ssl; /* NULL: plain */
	enum stage stage;
	short wants; /* by TLS, beyond what the caller wants */
};

/* ---- opening ---- */

static socklen_t
fill_unix(const char *path, struct sockaddr_storage *out)
{
	struct sockaddr_un *a = (struct sockaddr_un *)out;
	size_t n = strlen(path);

	if (n >= sizeof(a->sun_path))
		return 0;
	a->sun_family = AF_UNIX;
	memcpy(a->sun_path, path, n + 1);
	return sizeof(*a);
}

static socklen_t
fill_inet(const char *address, int port, struct sockaddr_storage *out)
{
	struct sockaddr_in *four = (struct sockaddr_in *)out;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)out;

	if (inet_pton(AF_INET, address, &four->sin_addr) == 1) {
		four->sin_family = AF_INET;
		four->sin_port = htons((uint16_t)port);
		return sizeof(*four);
	}
	if (inet_pton(AF_INET6, address, &six->sin6_addr) == 1) {
		six->sin6_family = AF_INET6;
		six->sin6_port = htons((uint16_t)port);
		return sizeof(*six);
	}
	return 0;
}

/* A peer that vanished is found out within a minute; small messages leave at once. */
static void
tune(int fd)
{
	static const struct {
		int level, name, value;
	} options[] = {
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_SEC },
		{ IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_SEC / KEEPALIVE_PROBES },
		{ IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES },
		{ IPPROTO_TCP, TCP_NODELAY, 1 },
	};

	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		(void)setsockopt(fd, options[i].level, options[i].name,
		    &options[i].value, sizeof(options[i].value));
}

static int
open_socket(struct redis_stream *s, const struct redis_place *place, struct err *err)
{
	struct sockaddr_storage a = { 0 };
	socklen_t len = place->path != NULL
	    ? fill_unix(place->path, &a)
	    : fill_inet(place->address, place->port, &a);

	if (len == 0)
		return err_set(err, -EAGAIN, "%s cannot be an address",
		    place->path != NULL ? place->path : place->address);
	s->fd = socket(a.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0)
		return err_set(err, -EAGAIN, "socket: %s", strerror(errno));
	if (place->path == NULL)
		tune(s->fd);
	if (connect(s->fd, (struct sockaddr *)&a, len) < 0 && errno != EINPROGRESS)
		return err_set(err, -EAGAIN, "%s", strerror(errno));
	return 0;
}

int
redis_stream_open(const struct redis_place *place, struct redis_stream **out,
    struct err *err)
{
	struct redis_stream *s = calloc(1, sizeof(*s));
	int r;

	if (s == NULL)
		return err_set(err, -ENOMEM, "no memory for a connection");
	s->fd = -1;
	r = open_socket(s, place, err);
	if (r == 0 && place->tls != NULL && place->path == NULL) {
		s->ssl = redis_tls_client(place->tls, s->fd, place->host);
		if (s->ssl == NULL)
			r = err_set(err, -ENOMEM, "no memory for TLS");
	}
	if (r < 0) {
		redis_stream_close(s);
		return r;
	}
	*out = s;
	return 0;
}

void
redis_stream_close(struct redis_stream *s)
{
	if (s == NULL)
		return;
	SSL_free(s->ssl); /* says no good-bye: nobody would wait for it */
	closep(&s->fd);
	free(s);
}

int
redis_stream_fd(const struct redis_stream *s)
{
	return s->fd;
}

bool
redis_stream_is_open(const struct redis_stream *s)
{
	return s->stage == STAGE_OPEN;
}

bool
redis_stream_is_plain(const struct redis_stream *s)
{
	return s->ssl == NULL;
}

short
redis_stream_events(const struct redis_stream *s, bool has_output)
{
	switch (s->stage) {
	case STAGE_CONNECT:
		return POLLOUT;
	case STAGE_HANDSHAKE:
		return s->wants;
	case STAGE_OPEN:
	default:
		return (short)(POLLIN | s->wants | (has_output ? POLLOUT : 0));
	}
}

/* ---- TLS ---- */

static const char *
tls_reason(void)
{
	unsigned long code = ERR_peek_last_error();
	const char *why = ERR_reason_error_string(code);

	return why != NULL ? why : "the connection was closed";
}

/* What OpenSSL could not do now: 0, and what to wait for; or the end of the stream. */
static int
tls_result(struct redis_stream *s, int r, struct err *err)
{
	int saved = errno;

	switch (SSL_get_error(s->ssl, r)) {
	case SSL_ERROR_WANT_READ:
		s->wants = POLLIN;
		return 0;
	case SSL_ERROR_WANT_WRITE:
		s->wants = POLLOUT;
		return 0;
	case SSL_ERROR_ZERO_RETURN:
		(void)err_set(err, -ECONNRESET, "closed by the server");
		break;
	case SSL_ERROR_SYSCALL:
		(void)err_set(err, -ECONNRESET, "%s",
		    saved != 0 ? strerror(saved) : "closed by the server");
		break;
	default:
		(void)err_set(err, -ECONNRESET, "TLS: %s", tls_reason());
		break;
	}
	ERR_clear_error();
	return -ECONNRESET;
}

static int
handshake(struct redis_stream *s, struct err *err)
{
	long verdict;
	int r;

	ERR_clear_error();
	errno = 0;
	s->wants = 0;
	r = SSL_do_handshake(s->ssl);
	if (r == 1) {
		s->stage = STAGE_OPEN;
		return 1;
	}
	if (tls_result(s, r, err) == 0)
		return 0;
	verdict = SSL_get_verify_result(s->ssl);
	if (verdict != X509_V_OK)
		return err_set(err, -EACCES, "its certificate is refused: %s",
		    X509_verify_cert_error_string(verdict));
	return err_prefix(err, -EAGAIN, "TLS handshake");
}

/* ---- bytes ---- */

int
redis_stream_ready(struct redis_stream *s, struct err *err)
{
	struct pollfd pfd = { s->fd, POLLOUT, 0 };
	socklen_t len = sizeof(int);
	int why = 0;

	if (s->stage == STAGE_CONNECT) {
		if (poll(&pfd, 1, 0) == 0)
			return 0;
		if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &why, &len) < 0)
			why = errno;
		if (why != 0)
			return err_set(err, -EAGAIN, "%s", strerror(why));
		s->stage = s->ssl != NULL ? STAGE_HANDSHAKE : STAGE_OPEN;
	}
	return s->stage == STAGE_HANDSHAKE ? handshake(s, err) : 1;
}

static ssize_t
plain_result(ssize_t n, struct err *err)
{
	if (n > 0)
		return n;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	return err_set(err, -ECONNRESET, "%s",
	    n < 0 ? strerror(errno) : "closed by the server");
}

ssize_t
redis_stream_read(struct redis_stream *s, void *out, size_t n, struct err *err)
{
	int r;

	if (s->ssl == NULL)
		return plain_result(read(s->fd, out, n), err);
	ERR_clear_error();
	errno = 0;
	s->wants = 0;
	r = SSL_read(s->ssl, out, n > INT_MAX ? INT_MAX : (int)n);
	return r > 0 ? r : tls_result(s, r, err);
}

ssize_t
redis_stream_write(struct redis_stream *s, const void *bytes, size_t n, struct err *err)
{
	int r;

	if (s->ssl == NULL)
		return plain_result(write(s->fd, bytes, n), err);
	ERR_clear_error();
	errno = 0;
	s->wants = 0;
	r = SSL_write(s->ssl, bytes, n > INT_MAX ? INT_MAX : (int)n);
	return r > 0 ? r : tls_result(s, r, err);
}

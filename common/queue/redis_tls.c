/* SPDX-License-Identifier: MIT */
/*
 * redis_tls.c - one OpenSSL context per process for its connections to Redis.
 *
 * Owns:   the context and the name that certificates must carry.
 * Called: by redis_target.c at the start, by redis_stream.c per connection.
 * Fails:  with the option, the file and OpenSSL's own reason.
 */
#include "config.h"

#include "common/queue/redis_tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <string.h>

struct redis_tls {
	SSL_CTX *ctx;
	char *server_name; /* "" : as the host is called */
};

static int
refused(struct err *err, const char *option, const char *path)
{
	const char *why = ERR_reason_error_string(ERR_peek_last_error());

	(void)err_set(err, -EINVAL, "%s: %s: %s", option, path,
	    why != NULL ? why : "cannot be used");
	ERR_clear_error();
	return -EINVAL;
}

static int
readable(struct err *err, const char *option, const char *path)
{
	if (access(path, R_OK) < 0)
		return err_set(err, -EINVAL, "%s: %s: %s", option, path,
		    strerror(errno));
	return 0;
}

static int
load_trust(SSL_CTX *ctx, const char *ca_file, struct err *err)
{
	int r;

	if (ca_file[0] == '\0')
		return SSL_CTX_set_default_verify_paths(ctx) == 1
		    ? 0
		    : refused(err, "redis.ca_file", "the system's certificates");
	r = readable(err, "redis.ca_file", ca_file);
	if (r < 0)
		return r;
	return SSL_CTX_load_verify_file(ctx, ca_file) == 1
	    ? 0
	    : refused(err, "redis.ca_file", ca_file);
}

static int
load_identity(SSL_CTX *ctx, const struct redis_tls_options *o, struct err *err)
{
	int r;

	if (o->cert_file[0] == '\0' && o->key_file[0] == '\0')
		return 0;
	if (o->cert_file[0] == '\0' || o->key_file[0] == '\0')
		return err_set(err, -EINVAL,
		    "redis.key_file: belongs together with redis.cert_file");
	r = readable(err, "redis.cert_file", o->cert_file);
	if (r == 0)
		r = readable(err, "redis.key_file", o->key_file);
	if (r < 0)
		return r;
	if (SSL_CTX_use_certificate_chain_file(ctx, o->cert_file) != 1)
		return refused(err, "redis.cert_file", o->cert_file);
	if (SSL_CTX_use_PrivateKey_file(ctx, o->key_file, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_check_private_key(ctx) != 1)
		return refused(err, "redis.key_file", o->key_file);
	return 0;
}

/* A key with a passphrase would make OpenSSL ask on the terminal. */
static int
no_passphrase(char *buf UNUSED, int size UNUSED, int writing UNUSED, void *arg UNUSED)
{
	return 0;
}

int
redis_tls_new(const struct redis_tls_options *o, struct redis_tls **out,
    struct err *err)
{
	struct redis_tls *t = calloc(1, sizeof(*t));
	int r;

	if (t == NULL || (t->server_name = strdup(o->server_name)) == NULL ||
	    (t->ctx = SSL_CTX_new(TLS_client_method())) == NULL) {
		redis_tls_free(t);
		return err_set(err, -ENOMEM, "no memory for TLS to Redis");
	}
	(void)SSL_CTX_set_min_proto_version(t->ctx, TLS1_2_VERSION);
	(void)SSL_CTX_set_options(t->ctx, SSL_OP_NO_RENEGOTIATION);
	(void)SSL_CTX_set_mode(t->ctx,
	    SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
		SSL_MODE_RELEASE_BUFFERS);
	(void)SSL_CTX_set_session_cache_mode(t->ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_default_passwd_cb(t->ctx, no_passphrase);
	SSL_CTX_set_verify(t->ctx, SSL_VERIFY_PEER, NULL);
	ERR_clear_error();
	r = load_trust(t->ctx, o->ca_file, err);
	if (r == 0)
		r = load_identity(t->ctx, o, err);
	if (r < 0) {
		redis_tls_free(t);
		return r;
	}
	*out = t;
	return 0;
}

void
redis_tls_free(struct redis_tls *t)
{
	if (t == NULL)
		return;
	SSL_CTX_free(t->ctx);
	free(t->server_name);
	free(t);
}

static bool
expect_name(SSL *ssl, const char *name)
{
	unsigned char any[sizeof(struct in6_addr)];

	if (inet_pton(AF_INET, name, any) == 1 || inet_pton(AF_INET6, name, any) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	/* the macro SSL_set_tlsext_host_name, without its cast that drops const */
	return SSL_set1_host(ssl, name) == 1 &&
	    SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
		(void *)(uintptr_t)name) == 1;
}

struct ssl_st *
redis_tls_client(struct redis_tls *t, int fd, const char *host)
{
	SSL *ssl = SSL_new(t->ctx);

	if (ssl != NULL && SSL_set_fd(ssl, fd) == 1 &&
	    expect_name(ssl, t->server_name[0] != '\0' ? t->server_name : host)) {
		SSL_set_connect_state(ssl);
		return ssl;
	}
	SSL_free(ssl);
	return NULL;
}

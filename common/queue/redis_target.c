/* SPDX-License-Identifier: MIT */
/*
 * redis_target.c - whom to connect to, and how to introduce oneself.
 *
 * Owns:   the parsed URL, the TLS context, the credentials.
 * Called: by both clients.
 * Fails:  with a sentence that names the option or the server, never a secret.
 */
#include "config.h"

#include "common/queue/redis_target.h"

#include "common/queue/queue_ops.h"

#include <errno.h>
#include <hiredis.h>
#include <string.h>

/* ---- making one ---- */

static int
target_new(const char *url, const char *run_dir, const struct redis_tls_options *tls,
    const char *sentinel_user, const char *sentinel_password, struct redis_target **out,
    struct err *err)
{
	CLEANUP(redis_target_freep)
	struct redis_target *t = calloc(1, sizeof(*t));
	int r;

	if (t == NULL || (t->sentinel_user = strdup(sentinel_user)) == NULL ||
	    (t->sentinel_password = strdup(sentinel_password)) == NULL)
		return err_set(err, -ENOMEM, "no memory for the Redis client");
	r = redis_url_parse(url, run_dir, &t->url, err);
	if (r == 0 && t->url.is_tls)
		r = redis_tls_new(tls, &t->tls, err);
	if (r < 0)
		return r;
	(void)redis_url_name(&t->url, t->name, sizeof(t->name));
	*out = TAKE_PTR(t);
	return 0;
}

int
redis_target_from_conf(const struct conf *conf, struct redis_target **out,
    struct err *err)
{
	const struct redis_tls_options tls = { .ca_file = conf->redis.ca_file,
		.cert_file = conf->redis.cert_file,
		.key_file = conf->redis.key_file,
		.server_name = conf->redis.server_name };

	return target_new(conf->redis.url, conf->service.run_dir, &tls,
	    conf->redis.sentinel_user, conf->redis.sentinel_password, out, err);
}

int
redis_target_from_url(const char *url, const char *run_dir, struct redis_target **out,
    struct err *err)
{
	const struct redis_tls_options tls = { "", "", "", "" };

	return target_new(url, run_dir, &tls, "", "", out, err);
}

void
redis_target_free(struct redis_target *t)
{
	if (t == NULL)
		return;
	if (t->sentinel_password != NULL)
		explicit_bzero(t->sentinel_password, strlen(t->sentinel_password));
	free(t->sentinel_user);
	free(t->sentinel_password);
	redis_tls_free(t->tls);
	redis_url_release(&t->url);
	free(t);
}

void
redis_target_freep(struct redis_target **t)
{
	redis_target_free(*t);
}

bool
redis_target_has_sentinels(const struct redis_target *t)
{
	return t->url.n_sentinels > 0;
}

/* ---- the greeting ---- */

static void
say(struct redis_greeting *g, const char *a, const char *b, const char *c)
{
	g->command[g->n].argv[0] = a;
	g->command[g->n].argv[1] = b;
	g->command[g->n].argv[2] = c;
	g->command[g->n].argc = b == NULL ? 1 : c == NULL ? 2 : 3;
	g->n++;
}

static void
say_auth(struct redis_greeting *g, const char *user, const char *password)
{
	if (user[0] != '\0')
		say(g, "AUTH", user, password);
	else if (password[0] != '\0')
		say(g, "AUTH", password, NULL);
}

void
redis_greeting_server(const struct redis_target *t, struct redis_greeting *g)
{
	*g = (struct redis_greeting){ .n = 0 };
	(void)snprintf(g->db, sizeof(g->db), "%d", t->url.db);
	say_auth(g, t->url.user, t->url.password);
	if (t->url.db != 0)
		say(g, "SELECT", g->db, NULL);
	say(g, redis_target_has_sentinels(t) ? "ROLE" : "PING", NULL, NULL);
}

void
redis_greeting_sentinel(const struct redis_target *t, struct redis_greeting *g)
{
	*g = (struct redis_greeting){ .is_sentinel = true };
	say_auth(g, t->sentinel_user, t->sentinel_password);
	say(g, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", t->url.master);
}

static const char *
text_of(const redisReply *reply, size_t i)
{
	if (reply->type != REDIS_REPLY_ARRAY || i >= reply->elements ||
	    reply->element[i]->type != REDIS_REPLY_STRING)
		return "";
	return reply->element[i]->str;
}

static int
judge_master(const struct redis_target *t, const redisReply *reply,
    struct redis_host *master, struct err *err)
{
	int port = atoi(text_of(reply, 1));

	if (text_of(reply, 0)[0] == '\0' || port <= 0 || port > 65535)
		return err_set(err, -EAGAIN, "the sentinel knows no master \"%s\"",
		    t->url.master);
	master->name = strdup(text_of(reply, 0));
	master->port = port;
	return master->name == NULL ? err_set(err, -ENOMEM, "no memory") : 0;
}

int
redis_greeting_judge(const struct redis_target *t, const struct redis_greeting *g,
    int i, const struct redisReply *reply, struct redis_host *master, struct err *err)
{
	int r = queue_reply_error(reply, err);

	if (r == -EACCES || (r < 0 && strcmp(g->command[i].argv[0], "AUTH") == 0))
		return err_prefix(err, -EACCES, "%s refused",
		    g->is_sentinel ? "the sentinel's credentials are"
				   : "the credentials are");
	if (r < 0)
		return err_prefix(err, -EAGAIN, "%s", g->command[i].argv[0]);
	if (i + 1 < g->n)
		return 0;
	if (g->is_sentinel)
		return judge_master(t, reply, master, err);
	if (redis_target_has_sentinels(t) && strcmp(text_of(reply, 0), "master") != 0)
		return err_set(err, -EAGAIN,
		    "the server that the sentinel named is no master (yet)");
	return 0;
}

bool
redis_target_has_moved(const struct redis_target *t, const struct redisReply *reply)
{
	return t->url.path == NULL && reply->type == REDIS_REPLY_ERROR &&
	    (strncmp(reply->str, "READONLY", 8) == 0 ||
		strncmp(reply->str, "MASTERDOWN", 10) == 0);
}

/* SPDX-License-Identifier: MIT */
/*
 * redis_target.h - everything that connections to Redis need to know: the URL, TLS, the
 * sentinels' credentials. Made once per process, before its sandbox; read-only then.
 */
#ifndef COMMON_QUEUE_REDIS_TARGET_H
#define COMMON_QUEUE_REDIS_TARGET_H

#include "common/conf/conf.h"
#include "common/queue/redis_conn.h"
#include "common/queue/redis_url.h"

struct redis_target {
	struct redis_url url;
	struct redis_tls *tls;   /* NULL: plain */
	char *sentinel_user;     /* "" when none */
	char *sentinel_password; /* "" when none; secret */
	char name[300];          /* for messages */
};

/* Reads the URL and, for TLS, the files that the configuration names. 0 with *out owned
   by the caller; -EINVAL with the option at fault; -ENOMEM. */
int redis_target_from_conf(const struct conf *conf, struct redis_target **out,
    struct err *err);
/* Of a URL alone, for tests: TLS then trusts the system's certificates. */
int redis_target_from_url(const char *url, const char *run_dir,
    struct redis_target **out, struct err *err);
void redis_target_free(struct redis_target *t); /* NULL is fine */
void redis_target_freep(struct redis_target **t);

/* Does the target stand still, or is the master to be asked for? */
bool redis_target_has_sentinels(const struct redis_target *t);

/*
 * What is said first on a connection, one command after the other: to the server AUTH,
 * SELECT, and PING, or ROLE when sentinels named it; to a sentinel AUTH and the
 * question for the master. Texts are the target's and the greeting's own.
 */
struct redis_greeting {
	struct {
		int argc;
		const char *argv[3];
	} command[3];
	int n;
	bool is_sentinel;
	char db[16];
};

void redis_greeting_server(const struct redis_target *t, struct redis_greeting *g);
void redis_greeting_sentinel(const struct redis_target *t, struct redis_greeting *g);

/*
 * Judges the reply to the i-th command. 0 when it is as it should be; -EACCES when the
 * credentials are refused; -EAGAIN else (a replica, no such master, loading); err never
 * shows the credentials. The last reply of a sentinel gives *master (its name is
 * malloced), which may be NULL else.
 */
int redis_greeting_judge(const struct redis_target *t, const struct redis_greeting *g,
    int i, const struct redisReply *reply, struct redis_host *master, struct err *err);

/* An answer that means: another server is the master now, so ask for it again. */
bool redis_target_has_moved(const struct redis_target *t,
    const struct redisReply *reply);

#endif

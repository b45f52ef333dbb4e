/* SPDX-License-Identifier: MIT */
/* places.h - users, directories and addresses that the daemon needs before it
   starts. */
#ifndef SUPERVISOR_PLACES_H
#define SUPERVISOR_PLACES_H

#include "common/conf/conf.h"
#include "common/err.h"

#include <sys/types.h>

struct identity;

/* Who the children will be. As root both users must exist and be no root; else all run
   as the caller. */
int places_identity(const struct conf *c, struct identity *out, struct err *err);

/* Makes the directory (its parents too) or takes the present one; as root it is given
   to the service's user when it was made here. */
int places_folder(const char *path, mode_t mode, const struct identity *who,
    struct err *err);

/* run_dir and state_dir. */
int places_prepare(const struct conf *c, const struct identity *who, struct err *err);

/* Locks state_dir against a second daemon, whose pid file may be another. The descriptor
 * holds the lock; or negative errno. */
int places_lock(const struct conf *c, struct err *err);

/* Whether the directories, the log's folder and the HTTP address could be had; touches
 * nothing. Findings go to err. */
int places_look(const struct conf *c, const struct identity *who, struct err *err);

/* Binds "ADDRESS:PORT" ("[::1]:PORT", "localhost:PORT"); the descriptor or negative
 * errno. */
int places_listen(const char *listen_at, struct err *err);

#endif

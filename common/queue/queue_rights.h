/* SPDX-License-Identifier: MIT */
/*
 * queue_rights.h - every command that the service sends, alone or inside a script.
 *
 * The list is checked against the user's rules at the start, and the page
 * agent-runner.conf(5) shows the rules that it needs; tests hold scripts, list and page
 * together.
 */
#ifndef COMMON_QUEUE_QUEUE_RIGHTS_H
#define COMMON_QUEUE_QUEUE_RIGHTS_H

#include "common/queue/redis_sync.h"

/* Lines "COMMAND ARGUMENT...", each ended by a newline; rights.lua says what KEY, JOBS,
   RESULT, COMPLETION and CHANNEL stand for. */
extern const char queue_rights[];

/* 0; -EACCES with the first command that is refused; else as queue_run. Redis before
   version 7 cannot tell, and 0 is assumed. */
int queue_check_rights(struct redis_sync *s, const struct queue_setup *q,
    struct err *err);

#endif

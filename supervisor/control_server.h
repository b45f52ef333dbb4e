/* SPDX-License-Identifier: MIT */
/* control_server.h - the daemon's side of {run_dir}/control.sock. */
#ifndef SUPERVISOR_CONTROL_SERVER_H
#define SUPERVISOR_CONTROL_SERVER_H

#include "common/err.h"

struct supervisor;
struct control_server;

/* Binds and listens. 0 with s->control set, or negative errno. */
int control_server_open(struct supervisor *s, struct err *err);

/* Closes connections and removes the socket; NULL allowed. */
void control_server_close(struct control_server *cs);

/* A reload is over: whoever waits for its answer gets it. NULL allowed. */
void control_server_reloaded(struct control_server *cs);

#endif

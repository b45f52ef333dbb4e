/* SPDX-License-Identifier: MIT */
/*
 * reload.h - all or nothing: read aside, check in a child, prove with one worker,
 * switch.
 */
#ifndef SUPERVISOR_RELOAD_H
#define SUPERVISOR_RELOAD_H

struct supervisor;
struct child;

/* SIGHUP or RELOAD. During a reload it is remembered: one more follows. */
void reload_ask(struct supervisor *s);

/* The same configuration for new processes, because the file at path was replaced; its
   text is not read again. */
void reload_renew(struct supervisor *s, const char *path);

/* Whether one is under way. */
int reload_is_busy(const struct supervisor *s);

/* The next generation's first worker is ready, or all of it: go on. */
void reload_tick(struct supervisor *s);

/* A child of the next generation failed before it was proved: the old one stays. */
void reload_child_failed(struct child *c);

/* Shutdown: the reload under way is given up. */
void reload_abandon(struct supervisor *s);

#endif

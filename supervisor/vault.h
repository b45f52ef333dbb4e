/* SPDX-License-Identifier: MIT */
/*
 * vault.h - where the supervisor keeps secrets.
 */
#ifndef SUPERVISOR_VAULT_H
#define SUPERVISOR_VAULT_H

#include <stddef.h>

/* A private mapping of len bytes that is locked (as far as limits allow), left out of
   dumps, and empty in forked children; NULL when memory is short. */
char *vault_map(size_t len);
void vault_unmap(char *p, size_t len); /* wiped; NULL is fine */

/* Moves the environment to such a place, where getenv() finds it, also in a forked child:
   keys that came by it would else stand in /proc/PID/environ. */
void vault_hide_environment(void);

#endif

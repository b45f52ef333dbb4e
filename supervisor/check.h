/* SPDX-License-Identifier: MIT */
/* check.h - what -t does. */
#ifndef SUPERVISOR_CHECK_H
#define SUPERVISOR_CHECK_H

#include <stdbool.h>

struct supervisor;

/* Before the configuration is read: each finding is printed whole, as FILE:LINE: what. */
void check_begin(void);
bool check_has_spoken(void);

/* Users and places, then a short-lived child that looks at the rest; prints what it
   finds. Returns the exit status. s->now is set, nothing else is started. */
int check_configuration(struct supervisor *s);

#endif

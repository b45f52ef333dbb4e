/* SPDX-License-Identifier: MIT */
/*
 * fault_handler.h - the last words of a process that faults: which job ran, which signal.
 *
 * The handler has a stack of its own, stores one word in the slot file, and lets the
 * signal do what it did before. What it needs to know stands in the slot file already:
 * the loop keeps running_row, the helper thread's queue helper_row.
 */
#ifndef COMMON_ROLE_FAULT_HANDLER_H
#define COMMON_ROLE_FAULT_HANDLER_H

#include "common/role/slot_file.h"

/* Is this one of the signals that a fault of the process itself raises? */
bool fault_is_signal(int sig);

/* For this process, and for the calling thread, which is the loop's. Before the sandbox.
   0 or negative errno. */
int fault_handler_install(struct slot_file *slots);

/* For one more thread: a stack of its own, and no fault signal blocked, since a blocked
   one kills without a word. A thread that runs no job's operations, and the helper, which
   shows in helper_row whose it is at. 0 or negative errno. */
int fault_handler_join(void);
int fault_handler_join_helper(void);

/* In a forked child that shows nothing: faults do what they did before install. */
void fault_handler_forget(void);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * pulse.h - a thread that runs no jobs and shows that this process is not stopped.
 *
 * The loop cannot show it while a job keeps the CPU busy; that is the job's deadline's
 * matter, and no reason to give its jobs to others.
 */
#ifndef WORKER_PULSE_H
#define WORKER_PULSE_H

#include "common/err.h"
#include "common/role/slot_file.h"

/* Beats in slots->pulse_ms every so often until the process ends. 0 or negative errno. */
int pulse_start(struct slot_file *slots, uint32_t every_ms, struct err *err);

#endif

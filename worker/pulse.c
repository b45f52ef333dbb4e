/* SPDX-License-Identifier: MIT */
/*
 * pulse.c - the thread behind pulse_ms.
 *
 * Owns:   the thread, for the life of the process.
 * Called: once, by the worker's start.
 * Fails:  when no thread can be had; the worker does not start then.
 */
#include "config.h"

#include "worker/pulse.h"

#include "common/clock.h"
#include "common/role/fault_handler.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

static struct slot_file *shown;
static struct timespec pace;

static void *
beat(void *arg)
{
	(void)arg;
	(void)fault_handler_join();
	for (;;) {
		atomic_store_explicit(&shown->pulse_ms, clock_mono_ms(),
		    memory_order_relaxed);
		(void)nanosleep(&pace, NULL);
	}
	return NULL;
}

int
pulse_start(struct slot_file *slots, uint32_t every_ms, struct err *err)
{
	sigset_t all, before;
	pthread_t thread;
	int r;

	shown = slots;
	pace.tv_sec = every_ms / 1000;
	pace.tv_nsec = (long)(every_ms % 1000) * 1000000;
	/* signals are the loop's business */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&thread, NULL, beat, NULL);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r == 0 ? 0
		      : err_set(err, -r, "no thread for the pulse: %s", strerror(r));
}

/* SPDX-License-Identifier: MIT */
/*
 * fault_handler.c - notes the running job in the slot file when the process faults.
 *
 * Owns:   the alternate stacks, which last as long as the process.
 * Called: by role_start, by the helper thread at its start, by forked children.
 * Fails:  install and join with negative errno; the handler cannot fail.
 *
 * In the handler only lock-free atomics, sigaction, getpid, gettid and tgkill; the one
 * variable of the thread stands in the program's own image and is not made on demand.
 */
#include "config.h"

#include "common/role/fault_handler.h"

#include "common/cleanup.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	GUARD_BYTES = 4096,
	STACK_BYTES = 64 * 1024 /* a frame of AVX-512 takes 3 KiB, a sanitizer's more */
};

static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS,
	SIGTRAP };

static struct slot_file *page;
/* Where this thread shows the job that it is at; NULL: it runs none. */
static _Thread_local const _Atomic uint32_t *shown;
static struct sigaction former[ARRAY_LEN(signals)];

bool
fault_is_signal(int sig)
{
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		if (signals[i] == sig)
			return true;
	return false;
}

/* Somebody else's kill(2) is not the doing of the job that happens to run. */
static bool
is_own_doing(const siginfo_t *info)
{
	return info->si_code > 0 || info->si_pid == getpid();
}

static int
running_row(void)
{
	return shown == NULL
	    ? -1
	    : (int)atomic_load_explicit(shown, memory_order_relaxed) - 1;
}

static void
on_fault(int sig, siginfo_t *info, void *context)
{
	const struct slot_fault fault = { .row =
					      is_own_doing(info) ? running_row() : -1,
		.signal = sig,
		.refused = sig == SIGSYS && info->si_code > 0 ? info->si_syscall : -1 };
	uint64_t none = 0;

	/* two threads may fault at once: the first word stands */
	(void)atomic_compare_exchange_strong(&page->fault, &none,
	    slot_fault_pack(&fault));
	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		if (signals[i] != sig)
			continue;
		(void)sigaction(sig, &former[i], NULL);
		if ((former[i].sa_flags & SA_SIGINFO) != 0)
			former[i].sa_sigaction(sig, info, context);
	}
	/* A faulting instruction would fault again; what abort(), a trap or the filter
	   sent would not. It is blocked here and arrives with the return. */
	(void)syscall(SYS_tgkill, getpid(), gettid(), sig);
}

/* A stack overflow leaves no room for a frame of its own. */
static int
own_stack(void)
{
	stack_t stack = { .ss_size = STACK_BYTES };
	char *map = mmap(NULL, GUARD_BYTES + STACK_BYTES, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED)
		return -errno;
	stack.ss_sp = map + GUARD_BYTES;
	if (mprotect(map, GUARD_BYTES, PROT_NONE) < 0 || sigaltstack(&stack, NULL) < 0)
		return -errno;
	return 0;
}

int
fault_handler_install(struct slot_file *slots)
{
	struct sigaction act = { .sa_sigaction = on_fault,
		.sa_flags = SA_SIGINFO | SA_ONSTACK };
	int r = own_stack();

	if (r < 0)
		return r;
	page = slots;
	shown = &slots->running_row;
	(void)sigfillset(&act.sa_mask);
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		if (sigaction(signals[i], &act, &former[i]) < 0)
			return -errno;
	return 0;
}

int
fault_handler_join(void)
{
	sigset_t set;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		(void)sigaddset(&set, signals[i]);
	if (sigprocmask(SIG_UNBLOCK, &set, NULL) < 0)
		return -errno;
	return own_stack();
}

int
fault_handler_join_helper(void)
{
	shown = &page->helper_row;
	return fault_handler_join();
}

void
fault_handler_forget(void)
{
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		(void)sigaction(signals[i], &former[i], NULL);
}

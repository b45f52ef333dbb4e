/* SPDX-License-Identifier: MIT */
/*
 * test_fault_handler.c - what a dying process leaves in its slot file. Each fault happens
 * in a forked child; the parent reads as the supervisor does.
 */
#include "config.h"

#include "common/role/fault_handler.h"
#include "common/role/sandbox.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum {
	LOOP_ROW = 7,
	HELPER_ROW = 900
};

static struct slot_file *own;
static const struct slot_file *seen;

static void
write_nowhere(void)
{
	volatile uintptr_t nowhere = 16;

	*(volatile int *)nowhere = 1;
}

static void
abort_itself(void)
{
	abort();
}

static __attribute__((noinline)) int
dig(volatile char *above)
{
	volatile char frame[512];

	frame[0] = above != NULL ? above[0] : 0;
	if (frame[0] == 0)
		frame[1] = (char)dig(frame);
	return frame[1];
}

static void
overflow(void)
{
	(void)dig(NULL);
}

static void
make_a_refused_call(void)
{
	struct err err = ERR_INIT;

	if (sandbox_harden(getppid(), &err) == 0 &&
	    sandbox_filter(SANDBOX_SCHEDULER, &err) == 0)
		(void)syscall(SYS_sched_getscheduler, 0);
	_exit(1);
}

static void
make_a_call_that_kills(void)
{
	struct err err = ERR_INIT;

	if (sandbox_harden(getppid(), &err) == 0 &&
	    sandbox_filter(SANDBOX_SCHEDULER, &err) == 0)
		(void)syscall(SYS_ptrace, -1, 0, NULL, NULL);
	_exit(1);
}

static void
be_killed_by_another(void)
{
	pid_t killer, self = getpid();

	killer = fork();
	if (killer == 0) {
		(void)kill(self, SIGSEGV);
		_exit(0);
	}
	(void)waitpid(killer, NULL, 0);
	_exit(1);
}

static void *
help(void *arg)
{
	if (fault_handler_join_helper() == 0)
		write_nowhere();
	return arg;
}

static void *
beat(void *arg)
{
	if (fault_handler_join() == 0)
		write_nowhere();
	return arg;
}

/* Born with all signals blocked, as the store's thread is. */
static void
fault_in_a_thread(void *(*run)(void *))
{
	pthread_t t;
	sigset_t all;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, NULL);
	(void)pthread_create(&t, NULL, run, NULL);
	(void)pthread_join(t, NULL);
	_exit(1);
}

static void
fault_in_the_helper(void)
{
	fault_in_a_thread(help);
}

static void
fault_in_another_thread(void)
{
	fault_in_a_thread(beat);
}

static void
fault_in_a_forked_child(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		fault_handler_forget();
		write_nowhere();
	}
	(void)waitpid(pid, NULL, 0);
	_exit(0);
}

/* clang-format off */
static const struct {
	const char *name;
	void (*die)(void);
	int signal;  /* that it dies of; 0: it ends */
	int noted;   /* signal; 0: no word is left */
	int row, refused;
} cases[] = {
	{ "a write to nowhere",     write_nowhere,           SIGSEGV, SIGSEGV, LOOP_ROW,   -1 },
	{ "abort",                  abort_itself,            SIGABRT, SIGABRT, LOOP_ROW,   -1 },
	{ "no stack left",          overflow,                SIGSEGV, SIGSEGV, LOOP_ROW,   -1 },
	{ "a refused call",         make_a_refused_call,     SIGSYS,  SIGSYS,  LOOP_ROW,   SYS_sched_getscheduler },
	{ "a call that kills",      make_a_call_that_kills,  SIGSYS,  0,       0,          0 },
	{ "somebody else's signal", be_killed_by_another,    SIGSEGV, SIGSEGV, -1,         -1 },
	{ "the helper thread",      fault_in_the_helper,     SIGSEGV, SIGSEGV, HELPER_ROW, -1 },
	{ "a thread without jobs",  fault_in_another_thread, SIGSEGV, SIGSEGV, -1,         -1 },
	{ "a forked child",         fault_in_a_forked_child, 0,       0,       0,          0 },
};
/* clang-format on */

static int
die(void (*how)(void), int slots_fd)
{
	const struct rlimit no_core = { 0, 0 };
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		(void)setrlimit(RLIMIT_CORE, &no_core);
		for (int sig = SIGHUP; sig <= SIGSYS; sig++)
			(void)signal(sig, SIG_DFL); /* the test framework's */
		if (slot_file_open(slots_fd, &own) < 0 ||
		    fault_handler_install(own) < 0)
			_exit(2);
		atomic_store(&own->running_row, LOOP_ROW + 1);
		atomic_store(&own->helper_row, HELPER_ROW + 1);
		how();
		_exit(3);
	}
	(void)waitpid(pid, &status, 0);
	return status;
}

Test(fault_handler, leaves_one_word_and_dies_as_before, .timeout = 60)
{
	if (!sandbox_is_strict())
		cr_skip_test("sanitizers have handlers of their own");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct slot_fault fault = { -7, -7, -7 };
		int fd = slot_file_make(&seen), status;

		cr_assert(fd >= 0);
		status = die(cases[i].die, fd);
		cr_expect(eq(int, WIFSIGNALED(status) ? WTERMSIG(status) : 0,
			      cases[i].signal),
		    "%s: status %#x", cases[i].name, (unsigned)status);
		cr_expect(eq(int, slot_file_fault(seen, &fault), cases[i].noted != 0),
		    "%s", cases[i].name);
		if (cases[i].noted != 0) {
			cr_expect(eq(int, fault.signal, cases[i].noted), "%s",
			    cases[i].name);
			cr_expect(eq(int, fault.row, cases[i].row), "%s",
			    cases[i].name);
			cr_expect(eq(int, fault.refused, cases[i].refused), "%s",
			    cases[i].name);
		}
		slot_file_unmap(seen);
		(void)close(fd);
	}
}

Test(fault_handler, a_word_that_makes_no_sense_is_none)
{
	struct slot_fault fault = { 1, 2, 3 };
	const struct slot_fault far = { 5000, SIGSEGV, -1 };
	int fd = slot_file_make(&seen);

	cr_assert(fd >= 0 && slot_file_open(fd, &own) == 0);
	atomic_store(&own->fault, 0xff0000u);
	cr_expect_not(slot_file_fault(seen, &fault));
	cr_expect(eq(int, fault.row, 1));
	atomic_store(&own->fault, slot_fault_pack(&far));
	cr_expect(slot_file_fault(seen, &fault));
	cr_expect(eq(int, fault.row, -1), "a row that does not exist");
	atomic_store(&own->fault, UINT64_MAX << 24 | SIGSYS << 16);
	cr_expect(slot_file_fault(seen, &fault));
	cr_expect(eq(int, fault.refused, -1), "no such system call");
	slot_file_unmap(seen);
	slot_file_unmap(own);
	(void)close(fd);
}

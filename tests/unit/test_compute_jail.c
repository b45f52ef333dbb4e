/* SPDX-License-Identifier: MIT */
/*
 * test_compute_jail.c - the jail from inside: each forbidden thing is tried in a forked
 * process that was locked in as a compute child is.
 */
#include "config.h"

#include "compute/child.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int pipe_fds[2];

static void
open_a_socket(void)
{
	(void)socket(AF_INET, SOCK_STREAM, 0);
}

static void
open_a_local_socket(void)
{
	(void)socket(AF_UNIX, SOCK_STREAM, 0);
}

static void
pass_a_message(void)
{
	struct msghdr m = { 0 };

	(void)sendmsg(pipe_fds[0], &m, 0);
}

static void
receive_a_message(void)
{
	struct msghdr m = { 0 };

	(void)recvmsg(pipe_fds[0], &m, 0);
}

static void
run_a_program(void)
{
	char path[] = "/bin/true", *argv[] = { path, NULL };

	(void)execve(path, argv, argv + 1);
}

static void
start_a_process(void)
{
	if (fork() == 0)
		_exit(0);
}

static void
kill_the_parent(void)
{
	(void)kill(getppid(), SIGTERM);
}

static void
signal_anyone(void)
{
	(void)kill(1, 0);
}

static void
abort_the_parent(void)
{
	(void)syscall(SYS_tgkill, getppid(), getppid(), SIGABRT);
}

static void
trace_the_parent(void)
{
	(void)ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
}

static void
make_code(void)
{
	(void)mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void
turn_data_into_code(void)
{
	static char page[8192];
	uintptr_t at = ((uintptr_t)page + 4095) & ~(uintptr_t)4095;

	(void)mprotect((void *)at, 4096, PROT_READ | PROT_EXEC);
}

static void
raise_a_limit(void)
{
	struct rlimit l = { 100, 100 };

	(void)setrlimit(RLIMIT_CPU, &l);
}

static void
make_a_memory_file(void)
{
	(void)syscall(SYS_memfd_create, "x", 0);
}

static void
remove_a_file(void)
{
	(void)unlink("/nonexistent/x");
}

static void
make_a_directory(void)
{
	(void)mkdir("/tmp/x", 0700);
}

static void
change_identity(void)
{
	(void)syscall(SYS_setuid, 0);
}

static void
read_another_process(void)
{
	(void)syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0);
}

static void
use_another_abi(void)
{
	(void)syscall(0x40000000 | SYS_getpid); /* x32 */
}

static void
wait_for_others(void)
{
	(void)syscall(SYS_pidfd_open, getppid(), 0);
}

/* ---- what stays possible ---- */

static void
find_no_file(void)
{
	if (open("/etc/passwd", O_RDONLY) >= 0 || errno != ENOENT)
		_exit(1);
	_exit(0);
}

static void
have_no_other_descriptor(void)
{
	for (int fd = 3; fd < 64; fd++)
		if (fd != pipe_fds[0] && fd != pipe_fds[1] &&
		    read(fd, &(char){ 0 }, 1) != -1)
			_exit(1);
	_exit(errno == EBADF ? 0 : 2);
}

static void
have_memory(void)
{
	char *p = malloc(1 << 20);

	if (p == NULL)
		_exit(1);
	p[0] = 1;
	p = realloc(p, 8 << 20);
	_exit(p == NULL);
}

static void
write_too_much(void)
{
	char block[4096] = { 0 };

	for (int i = 0; i < 1024; i++)
		if (write(pipe_fds[1], block, sizeof(block)) < 0)
			_exit(1);
	_exit(0);
}

/* In a forked process: the jail, then the deed. Returns the wait status. */
static int
status_of(void (*deed)(void))
{
	struct sandbox_program jail = { 0 };
	int status = 0, fds[2];
	pid_t pid, parent = getpid();

	cr_assert(sandbox_program_build(SANDBOX_JAIL, &jail, NULL) == 0);
	cr_assert(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds) == 0);
	pipe_fds[0] = fds[0];
	pipe_fds[1] = memfd_create("result", 0);
	pid = fork();
	cr_assert(pid >= 0);
	if (pid == 0) {
		const struct child_start s = { .parent_pid = parent,
			.fd = pipe_fds[0],
			.file_fd = pipe_fds[1],
			.null_fd = -1,
			.jail = &jail,
			.mapped_bytes = (uint64_t)1 << 30,
			.limits = { 5, 64 << 20, 1 << 20 } };

		if (child_lock_in(&s) < 0)
			_exit(77);
		deed();
		_exit(99);
	}
	cr_assert(waitpid(pid, &status, 0) == pid);
	sandbox_program_release(&jail);
	(void)close(fds[0]);
	(void)close(fds[1]);
	(void)close(pipe_fds[1]);
	return status;
}

#define DEED(f) \
 {              \
#  f, f         \
 }

static const struct {
	const char *name;
	void (*deed)(void);
} forbidden[] = { DEED(open_a_socket), DEED(open_a_local_socket), DEED(pass_a_message),
	DEED(receive_a_message), DEED(run_a_program), DEED(start_a_process),
	DEED(kill_the_parent), DEED(signal_anyone), DEED(abort_the_parent),
	DEED(trace_the_parent), DEED(make_code), DEED(turn_data_into_code),
	DEED(raise_a_limit), DEED(make_a_memory_file), DEED(remove_a_file),
	DEED(make_a_directory), DEED(change_identity), DEED(read_another_process),
	DEED(use_another_abi), DEED(wait_for_others) };

static const struct {
	const char *name;
	void (*deed)(void);
} possible[] = { DEED(find_no_file), DEED(have_no_other_descriptor),
	DEED(have_memory) };

Test(compute_jail, forbidden_things_kill)
{
	if (!sandbox_is_strict())
		cr_skip_test(
		    "the sanitizers need more calls than the jail's list holds");
	for (size_t i = 0; i < ARRAY_LEN(forbidden); i++) {
		int status = status_of(forbidden[i].deed);

		cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS,
		    "%s: status %x", forbidden[i].name, status);
	}
}

Test(compute_jail, the_rest_works)
{
	for (size_t i = 0; i < ARRAY_LEN(possible); i++) {
		int status = status_of(possible[i].deed);

		cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0,
		    "%s: status %x", possible[i].name, status);
	}
}

Test(compute_jail, limits_hold)
{
	int status = status_of(write_too_much);

	cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ, "status %x",
	    status);
}

/* SPDX-License-Identifier: MIT */
/*
 * test_sandbox.c - the walls from inside: each forbidden thing is tried in a forked
 * child.
 *
 * A child says what happened by its exit status (0 done, else the errno) or by the
 * signal that ended it. No assertion runs in a child.
 */
#include "config.h"

#include "common/role/sandbox.h"
#include "common/role/sandbox_lists.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

typedef int (*attempt_fn)(void); /* 0 or a positive errno */

static int
result_of(long r)
{
	return r < 0 ? errno : 0;
}

static int
try_exec(void)
{
	char *const argv[] = { (char[]){ "/bin/true" }, NULL };

	return result_of(execve(argv[0], argv, argv + 1));
}

static int
try_ptrace(void)
{
	return result_of(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int
try_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid < 0 ? errno : waitpid(pid, NULL, 0) == pid ? 0 : errno;
}

static void *
nothing(void *arg)
{
	return arg;
}

static int
try_thread(void)
{
	pthread_t t;
	int r = pthread_create(&t, NULL, nothing, NULL);

	return r != 0 ? r : pthread_join(t, NULL);
}

static int
try_socket_inet(void)
{
	return result_of(socket(AF_INET, SOCK_STREAM, 0));
}

static int
try_socket_unix(void)
{
	return result_of(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int
try_socket_netlink(void)
{
	return result_of(socket(AF_NETLINK, SOCK_RAW, 0));
}

static int
try_socket_raw(void)
{
	return result_of(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
}

static int
try_socket_packet(void)
{
	return result_of(socket(AF_PACKET, SOCK_RAW, 0));
}

static int
try_bind(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET };

	return result_of(syscall(SYS_bind, 0, &a, sizeof(a)));
}

static int
try_listen(void)
{
	return result_of(syscall(SYS_listen, 0, 1)) == ENOTSOCK ? 0 : errno;
}

static int
try_map_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		   0) == MAP_FAILED
	    ? errno
	    : 0;
}

static int
try_protect_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
	    -1, 0);

	return result_of(mprotect(p, 4096, PROT_READ | PROT_EXEC));
}

static int
try_kill_parent(void)
{
	return result_of(syscall(SYS_kill, getppid(), SIGTERM));
}

static int
try_tgkill_parent(void)
{
	return result_of(syscall(SYS_tgkill, getppid(), getppid(), SIGABRT));
}

static int
try_unshare(void)
{
	return result_of(unshare(CLONE_NEWUSER));
}

static int
try_setuid(void)
{
	return result_of(syscall(SYS_setuid, 0));
}

static int
try_io_uring(void)
{
	struct io_uring_params p = { 0 };

	return result_of(syscall(SYS_io_uring_setup, 4, &p));
}

static int
try_open(void)
{
	return result_of(open("/etc/hostname", O_RDONLY));
}

static int
try_stat(void)
{
	struct stat st;

	return result_of(stat("/etc/passwd", &st));
}

static int
try_mount(void)
{
	return result_of(syscall(SYS_mount, "none", "/mnt", "tmpfs", 0, NULL));
}

static int
try_bpf(void)
{
	return result_of(syscall(SYS_bpf, 0, NULL, 0));
}

static int
try_clone3(void)
{
	return result_of(syscall(SYS_clone3, NULL, 0));
}

static int
try_new_namespace(void)
{
	return result_of(
	    syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL));
}

static int
try_second_filter(void)
{
	return result_of(syscall(SYS_seccomp, 1, 0, NULL)) == EFAULT ? 0 : errno;
}

static int
try_raise_limit(void)
{
	struct rlimit lim = { 64, 64 };

	return result_of(setrlimit(RLIMIT_NOFILE, &lim));
}

static int
try_dumpable(void)
{
	return result_of(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
}

static int
try_memory(void)
{
	char *p = malloc(8 << 20);

	if (p == NULL)
		return ENOMEM;
	memset(p, 1, 8 << 20);
	free(p);
	return 0;
}

static int
try_memfd(void)
{
	return result_of(memfd_create("x", MFD_CLOEXEC));
}

static int
try_send(void)
{
	return result_of(send(0, "x", 1, 0)) == ENOTSOCK ? 0 : errno;
}

static int
try_fstat(void)
{
	struct stat st;

	return result_of(fstat(0, &st));
}

static int
try_socketpair(void)
{
	int fds[2];

	return result_of(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds));
}

static int
try_clock(void)
{
	struct timespec ts;

	return result_of(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &ts));
}

static int
try_own_abort(void)
{
	abort();
}

/* Runs the attempt in a child under the profile: 0, an errno, or -signal. */
static int
outcome(enum sandbox_profile profile, attempt_fn attempt)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (sandbox_harden(getppid(), NULL) < 0 ||
		    sandbox_filter(profile, NULL) < 0)
			_exit(254);
		_exit(attempt());
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 255;
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

enum {
	OK = 0,
	DIES = -SIGSYS
};

#define W SANDBOX_WORKER
#define G SANDBOX_GATEWAY
#define S SANDBOX_SCHEDULER
#define F SANDBOX_FETCH
#define C SANDBOX_COMPUTE
#define J SANDBOX_JAIL

/* clang-format off */
static const struct {
	const char *name;
	attempt_fn attempt;
	int want[SANDBOX_PROFILE_COUNT]; /* worker gateway scheduler fetch compute jail */
	bool is_never; /* holds with sanitizers too */
} attempts[] = {
	{ "exec",              try_exec,           { DIES, DIES, DIES, DIES, DIES, DIES }, true },
	{ "ptrace",            try_ptrace,         { DIES, DIES, DIES, DIES, DIES, DIES }, true },
	{ "unshare",           try_unshare,        { DIES, DIES, DIES, DIES, DIES, DIES }, true },
	{ "setuid",            try_setuid,         { DIES, DIES, DIES, DIES, DIES, DIES }, true },
	{ "io_uring",          try_io_uring,       { DIES, DIES, DIES, DIES, DIES, DIES }, true },
	{ "mount",             try_mount,          { DIES, DIES, DIES, DIES, DIES, DIES }, true },
	{ "bpf",               try_bpf,            { DIES, DIES, DIES, DIES, DIES, DIES }, true },
	{ "fork",              try_fork,           { DIES, DIES, DIES, DIES, OK,   DIES }, false },
	{ "new namespace",     try_new_namespace,  { DIES, DIES, DIES, DIES, DIES, DIES }, false },
	{ "thread",            try_thread,         { OK,   OK,   DIES, OK,   DIES, DIES }, false },
	{ "inet socket",       try_socket_inet,    { OK,   OK,   OK,   OK,   DIES, DIES }, false },
	{ "unix socket",       try_socket_unix,    { OK,   OK,   OK,   EAFNOSUPPORT, DIES, DIES }, false },
	{ "netlink socket",    try_socket_netlink, { EAFNOSUPPORT, EAFNOSUPPORT, EAFNOSUPPORT, EAFNOSUPPORT, DIES, DIES }, false },
	{ "raw socket",        try_socket_raw,     { DIES, DIES, DIES, DIES, DIES, DIES }, false },
	{ "packet socket",     try_socket_packet,  { DIES, DIES, DIES, DIES, DIES, DIES }, false },
	{ "bind",              try_bind,           { DIES, DIES, DIES, DIES, DIES, DIES }, false },
	{ "listen",            try_listen,         { DIES, OK,   DIES, DIES, DIES, DIES }, false },
	{ "map code",          try_map_code,       { EACCES, EACCES, EACCES, EACCES, DIES, DIES }, false },
	{ "protect as code",   try_protect_code,   { EACCES, EACCES, EACCES, EACCES, DIES, DIES }, false },
	{ "kill parent",       try_kill_parent,    { DIES, DIES, DIES, DIES, DIES, DIES }, false },
	{ "abort parent",      try_tgkill_parent,  { DIES, DIES, DIES, DIES, OK,   OK   }, false },
	{ "open a file",       try_open,           { OK,   OK,   OK,   OK,   ENOENT, ENOENT }, false },
	{ "stat a file",       try_stat,           { OK,   OK,   OK,   OK,   ENOENT, ENOENT }, false },
	{ "clone3",            try_clone3,         { ENOSYS, ENOSYS, ENOSYS, ENOSYS, ENOSYS, ENOSYS }, false },
	{ "another filter",    try_second_filter,  { DIES, DIES, DIES, DIES, OK,   DIES }, false },
	{ "set a limit",       try_raise_limit,    { DIES, DIES, DIES, DIES, OK,   DIES }, false },
	{ "become dumpable",   try_dumpable,       { DIES, DIES, DIES, DIES, DIES, DIES }, false },
	{ "memory",            try_memory,         { OK,   OK,   OK,   OK,   OK,   OK   }, false },
	{ "memory file",       try_memfd,          { OK,   OK,   OK,   OK,   OK,   DIES }, false },
	{ "send a message",    try_send,           { OK,   OK,   OK,   OK,   OK,   DIES }, false },
	{ "fstat",             try_fstat,          { OK,   OK,   OK,   OK,   OK,   OK   }, false },
	{ "socket pair",       try_socketpair,     { OK,   OK,   DIES, OK,   OK,   DIES }, false },
	{ "clock",             try_clock,          { OK,   OK,   OK,   OK,   OK,   OK   }, false },
	{ "abort",             try_own_abort,      { -SIGABRT, -SIGABRT, -SIGABRT, -SIGABRT, -SIGABRT, -SIGABRT }, false },
};
/* clang-format on */

Test(sandbox, each_profile_allows_and_forbids_what_the_table_says)
{
	for (size_t i = 0; i < ARRAY_LEN(attempts); i++) {
		for (int p = 0; p < SANDBOX_PROFILE_COUNT; p++) {
			if (!sandbox_is_strict() && !attempts[i].is_never)
				continue;
			if (attempts[i].attempt == try_tgkill_parent &&
			    attempts[i].want[p] == OK)
				continue; /* it would really abort this test */
			cr_expect_eq(outcome((enum sandbox_profile)p,
					 attempts[i].attempt),
			    attempts[i].want[p], "%s in %s", attempts[i].name,
			    sandbox_profile_name((enum sandbox_profile)p));
		}
	}
}

static bool
has_name(const char *const *set, const char *name)
{
	for (; *set != NULL; set++)
		if (strcmp(*set, name) == 0)
			return true;
	return false;
}

/* In order, each once, and known to libseccomp, so that a slip of the pen is no hole. */
static void
expect_order(const char *const *set)
{
	for (int i = 0; set[i] != NULL; i++) {
		cr_expect(i == 0 || strcmp(set[i - 1], set[i]) < 0, "%s after %s",
		    set[i], i > 0 ? set[i - 1] : "");
		cr_expect_neq(seccomp_syscall_resolve_name(set[i]), __NR_SCMP_ERROR,
		    "%s is no system call", set[i]);
	}
}

Test(sandbox, lists_are_ordered_and_hold_nothing_that_is_forbidden_or_judged)
{
	expect_order(sandbox_never);
	expect_order(sandbox_judged);
	for (int i = 0; sandbox_judged[i] != NULL; i++)
		cr_expect(!has_name(sandbox_never, sandbox_judged[i]), "%s",
		    sandbox_judged[i]);
	for (int p = 0; p < SANDBOX_PROFILE_COUNT; p++) {
		const struct sandbox_rules *r = sandbox_rules((enum sandbox_profile)p);

		cr_expect(r->name != NULL && r->sets[0] != NULL, "profile %d", p);
		for (int s = 0; r->sets[s] != NULL; s++) {
			const char *const *set = r->sets[s];

			expect_order(set);
			for (int i = 0; set[i] != NULL; i++) {
				cr_expect(!has_name(sandbox_never, set[i]), "%s",
				    set[i]);
				cr_expect(!has_name(sandbox_judged, set[i]), "%s",
				    set[i]);
				for (int k = 0; k < s; k++)
					cr_expect(!has_name(r->sets[k], set[i]),
					    "%s twice in %s", set[i], r->name);
			}
		}
	}
}

Test(sandbox, the_jail_holds_the_least)
{
	const struct sandbox_rules *jail = sandbox_rules(SANDBOX_JAIL);
	static const char *const out[] = { "sendmsg", "recvmsg", "fcntl", "ftruncate",
		"memfd_create", "rt_sigaction", "getppid", "clone", "poll", NULL };

	for (int s = 0; jail->sets[s] != NULL; s++)
		for (int i = 0; out[i] != NULL; i++)
			cr_expect(!has_name(jail->sets[s], out[i]), "%s", out[i]);
}

Test(sandbox, a_prepared_filter_is_as_strict_as_a_loaded_one)
{
	struct sandbox_program program = { NULL, 0 };
	int status;
	pid_t pid;

	cr_assert_eq(sandbox_program_build(SANDBOX_JAIL, &program, NULL), 0);
	cr_expect_gt(program.n, 10);
	pid = fork();
	if (pid == 0) {
		if (sandbox_harden(getppid(), NULL) < 0 ||
		    sandbox_program_load(&program) < 0)
			_exit(254);
		_exit(try_exec());
	}
	cr_assert(waitpid(pid, &status, 0) == pid);
	cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
	sandbox_program_release(&program);
}

/* Landlock */

static char folder[] = "/tmp/sandbox-test-XXXXXX";

static int
try_scope(void)
{
	struct sandbox_path paths[2] = { { folder, true }, { "/etc/hostname", false } };
	struct sandbox_scope scope = { .paths = paths, .n_paths = 2 };
	char path[128];

	if (sandbox_scope(&scope, NULL) != 0)
		return 77;
	(void)snprintf(path, sizeof(path), "%s/new", folder);
	if (open(path, O_RDWR | O_CREAT, 0600) < 0)
		return 1;
	if (open("/etc/hostname", O_RDONLY) < 0 && errno != ENOENT)
		return 2;
	if (open("/etc/hostname", O_WRONLY | O_APPEND) >= 0)
		return 3;
	if (open("/etc/passwd", O_RDONLY) >= 0 || errno != EACCES)
		return 4;
	if (open("/proc/self/environ", O_RDONLY) >= 0)
		return 5;
	if (mkdir("/tmp/sandbox-escape", 0700) == 0)
		return 6;
	return 0;
}

/* A loopback server, one port that may be reached and one that may not. */
static int
try_ports(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int server = socket(AF_INET, SOCK_STREAM, 0);
	struct sandbox_scope scope = { .rules_connect = true, .n_ports = 1 };
	uint16_t port;

	if (bind(server, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    listen(server, 4) < 0 ||
	    getsockname(server, (struct sockaddr *)&a, &len) < 0)
		return 1;
	port = ntohs(a.sin_port);
	scope.ports = &port;
	if (sandbox_scope(&scope, NULL) != 0)
		return 77;
	if (connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&a, len) < 0)
		return 2;
	a.sin_port = htons((uint16_t)(port ^ 1));
	if (connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&a, len) == 0)
		return 3;
	if (errno == ECONNREFUSED)
		return 77; /* a kernel without port rules let it through */
	a.sin_port = 0;
	if (bind(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&a, len) == 0)
		return 4;
	return 0;
}

static int
run(attempt_fn attempt)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(attempt());
	if (waitpid(pid, &status, 0) != pid)
		return 255;
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

Test(sandbox, files_out_of_scope_cannot_be_opened)
{
	char path[128];
	int r;

	cr_assert(mkdtemp(folder) != NULL);
	r = run(try_scope);
	(void)snprintf(path, sizeof(path), "%s/new", folder);
	(void)unlink(path);
	(void)rmdir(folder);
	if (r == 77)
		cr_skip_test("no Landlock here");
	cr_expect_eq(r, 0);
}

Test(sandbox, ports_out_of_scope_cannot_be_reached)
{
	int r = run(try_ports);

	if (r == 77)
		cr_skip_test("no Landlock with port rules here");
	cr_expect_eq(r, 0);
}

/* Identity */

static int
drop_to_nobody(void)
{
	if (sandbox_drop_identity(65534, 65534, NULL) < 0)
		return 1;
	if (getuid() != 65534 || geteuid() != 65534 || getgid() != 65534)
		return 2;
	if (getgroups(0, NULL) != 1)
		return 3;
	if (seteuid(0) == 0 || setuid(0) == 0)
		return 4;
	return 0;
}

Test(sandbox, dropped_identity_does_not_come_back)
{
	if (geteuid() != 0)
		cr_skip_test("only root can give up root");
	cr_expect_eq(run(drop_to_nobody), 0);
}

static int
drop_as_somebody(void)
{
	if (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0)
		return 1;
	return sandbox_drop_identity(12345, 12345, NULL) < 0 ? 0 : 2;
}

Test(sandbox, a_drop_that_is_not_possible_fails_closed)
{
	cr_expect_eq(run(drop_as_somebody), 0);
}

static int
harden(void)
{
	int sig = 0;
	struct rlimit core;

	if (sandbox_harden(getppid(), NULL) < 0)
		return 1;
	if (prctl(PR_GET_DUMPABLE) != 0 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return 2;
	if (prctl(PR_GET_PDEATHSIG, &sig) < 0 || sig != SIGKILL)
		return 3;
	if (getrlimit(RLIMIT_CORE, &core) < 0 || core.rlim_max != 0)
		return 4;
	return sandbox_harden(1 + getppid(), NULL) == -ESRCH ? 0 : 5;
}

Test(sandbox, hardening_leaves_no_core_and_no_orphan)
{
	cr_expect_eq(run(harden), 0);
}

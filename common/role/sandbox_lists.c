/* SPDX-License-Identifier: MIT */
/*
 * sandbox_lists.c - which system calls each role needs, and why.
 *
 * Owns:   constant tables only.
 * Called: by sandbox.c, and by the test that holds the tables in order.
 * Fails:  never. A name that the kernel's architecture lacks is skipped by sandbox.c.
 *
 * The sets were found by tracing every role through the end-to-end tests (strace -f, what
 * comes after the filter) and rounded up to other paths of the same libraries, so that a
 * library's rare branch, or its next version, does not end a process. Every set is in alphabetical order. What depends on arguments
 * (clone, socket, mmap, prctl, kill, ...) stands in sandbox.c.
 */
#include "config.h"

#include "common/role/sandbox_lists.h"

/* clang-format off */

/* Memory, time, signals to oneself, and the end: every program but the jail. */
static const char *const set_basic[] = {
	"brk", "clock_getres", "clock_gettime", "close", "exit", "exit_group", "futex",
	"getpid", "getrandom", "gettid", "gettimeofday", "lseek", "madvise", "mremap",
	"munmap", "read", "readv", "restart_syscall", "rt_sigprocmask", "rt_sigreturn",
	"sigaltstack", "sysinfo", "time", "write", "writev", NULL
};

/* The jail: its input is there, its answer is one writev or a file that is open. What a
   computation really does is brk, clock_gettime (of its CPU time), futex, getrandom
   (hash seeds), mmap, mremap, munmap, read and write; the rest is other paths of the C
   library: qsort of much (sysinfo), abort (rt_sigprocmask, gettid, tgkill), stdio. */
static const char *const set_jail[] = {
	"brk", "clock_gettime", "close", "exit", "exit_group", "futex", "getpid",
	"getrandom", "gettid", "gettimeofday", "lseek", "madvise", "mremap", "munmap",
	"read", "restart_syscall", "rt_sigprocmask", "rt_sigreturn", "sigaltstack",
	"sysinfo", "time", "write", "writev", NULL
};

/* Messages over sockets that are already there, and memory files for large ones. */
static const char *const set_messages[] = {
	"dup", "dup2", "dup3", "fstat", "ftruncate", "getsockopt", "memfd_create",
	"poll", "ppoll", "pread64", "pwrite64", "recvfrom", "recvmsg",
	"sendmsg", "sendto", "setsockopt", "shutdown", NULL
};

/* Event loops, timers, wake-ups between threads, pauses. */
static const char *const set_loop[] = {
	"clock_nanosleep", "epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_pwait2",
	"epoll_wait", "eventfd2", "nanosleep", "pipe2", "pselect6", "rt_sigaction",
	"rt_sigtimedwait", "select", "signalfd4", "timerfd_create", "timerfd_gettime",
	"timerfd_settime", NULL
};

/* A loop over poll() in one thread, which is all that the scheduler is. */
static const char *const set_pauses[] = {
	"clock_nanosleep", "nanosleep", "rt_sigaction", NULL
};

/* What the C library asks about the process and its threads. */
static const char *const set_process[] = {
	"getcpu", "getegid", "geteuid", "getgid", "getpgrp", "getppid", "getrusage",
	"getuid", "membarrier", "rseq", "sched_getaffinity", "sched_yield",
	"set_robust_list", "set_tid_address", "uname", NULL
};

/* Clients of Redis, databases and HTTP; name resolution included. */
static const char *const set_network_client[] = {
	"connect", "getpeername", "getsockname", "recvmmsg", "sendmmsg", NULL
};

/* The gateway's listening socket is bound by the supervisor. */
static const char *const set_network_server[] = {
	"accept", "accept4", "listen", "pause", "sendfile", NULL
};

/* Files to read: resolver and TLS configuration, time zones. Landlock says which. */
static const char *const set_files_read[] = {
	"access", "faccessat", "faccessat2", "fadvise64", "fstatfs", "getcwd",
	"getdents64", "lstat", "newfstatat", "open",
		"openat", "readlink", "readlinkat", "stat", "statfs", "statx", NULL
};

/* SQLite, the content-addressed store: below state_dir only, says Landlock. */
static const char *const set_files_write[] = {
	"fallocate", "fchmod", "fdatasync", "flock", "fsync", "mkdir", "mkdirat", "rename",
	"renameat", "renameat2", "umask", "unlink", "unlinkat", NULL
};

/* Parents of children: compute only. The second half is what a child of it does on its
   way into the jail, where only descriptors and limits are left to be set. */
static const char *const set_children[] = {
	"pidfd_open", "wait4", "waitid", NULL
};
static const char *const set_into_jail[] = {
	"close_range", "getppid", "rt_sigaction", "set_robust_list", NULL
};

const char *const sandbox_judged[] = {
	"clone", "clone3", "fcntl", "ioctl", "kill", "mmap", "mprotect", "pidfd_send_signal",
	"prctl", "prlimit64", "seccomp", "socket", "socketpair", "tgkill", NULL
};

/* Only an attack tries these: other programs and processes, identity, namespaces, the
   kernel and its clock, and ways around other walls. */
const char *const sandbox_never[] = {
	"acct", "add_key", "adjtimex", "bpf", "capset", "chroot", "clock_adjtime",
	"clock_settime", "delete_module", "execve", "execveat", "fanotify_init",
	"finit_module", "fsconfig", "fsmount", "fsopen", "fspick", "init_module",
	"io_uring_enter", "io_uring_register", "io_uring_setup", "ioperm", "iopl", "kcmp",
	"kexec_file_load", "kexec_load", "keyctl", "lookup_dcookie", "modify_ldt", "mount",
	"mount_setattr", "move_mount", "name_to_handle_at", "open_by_handle_at",
	"open_tree", "perf_event_open", "personality", "pidfd_getfd", "pivot_root",
	"pkey_mprotect", "process_madvise", "process_mrelease", "process_vm_readv",
	"process_vm_writev", "ptrace", "quotactl", "quotactl_fd", "reboot", "request_key",
	"setdomainname", "setfsgid", "setfsuid", "setgid", "setgroups", "sethostname",
	"setns", "setregid", "setresgid", "setresuid", "setreuid", "settimeofday",
	"setuid", "swapoff", "swapon", "syslog", "umount2", "unshare", "uselib",
	"userfaultfd", "vhangup", "vmsplice", NULL
};

static const struct sandbox_rules profiles[SANDBOX_PROFILE_COUNT] = {
	/* Redis, database, providers, its lanes; state_dir. */
	[SANDBOX_WORKER] = { "worker",
		{ set_basic, set_messages, set_loop, set_process, set_network_client,
		  set_files_read, set_files_write },
		GRANT_THREADS | GRANT_SOCKET_UNIX | GRANT_SOCKET_INET | GRANT_SOCKETPAIR |
		GRANT_EXEC_MAP_FAILS },
	/* HTTP in, Redis, the control socket. */
	[SANDBOX_GATEWAY] = { "gateway",
		{ set_basic, set_messages, set_loop, set_process, set_network_client,
		  set_network_server, set_files_read },
		GRANT_THREADS | GRANT_SOCKET_UNIX | GRANT_SOCKET_INET | GRANT_SOCKETPAIR |
		GRANT_EXEC_MAP_FAILS },
	/* Redis and the control socket. */
	[SANDBOX_SCHEDULER] = { "scheduler",
		{ set_basic, set_messages, set_pauses, set_process, set_network_client,
		  set_files_read },
		GRANT_SOCKET_UNIX | GRANT_SOCKET_INET | GRANT_EXEC_MAP_FAILS },
	/* Strangers' servers; no Unix sockets, so that no local service can be reached. */
	[SANDBOX_FETCH] = { "fetch",
		{ set_basic, set_messages, set_loop, set_process, set_network_client,
		  set_files_read },
		GRANT_THREADS | GRANT_SOCKET_INET | GRANT_SOCKETPAIR | GRANT_EXEC_MAP_FAILS },
	/* Lanes, and children under SANDBOX_JAIL. No sockets, no files. */
	[SANDBOX_COMPUTE] = { "compute",
		{ set_basic, set_messages, set_children, set_into_jail },
		GRANT_FORK | GRANT_SOCKETPAIR | GRANT_KILL | GRANT_STACK_FILTER |
		GRANT_OPEN_FAILS | GRANT_LIMITS },
	/* Runs what a model wrote over what strangers sent: reads and writes inherited
	   descriptors, and passes none on. */
	[SANDBOX_JAIL] = { "jail",
		{ set_jail },
		GRANT_OPEN_FAILS | GRANT_CONFINED },
};

/* clang-format on */

const struct sandbox_rules *
sandbox_rules(enum sandbox_profile profile)
{
	ASSERT((unsigned)profile < SANDBOX_PROFILE_COUNT);
	return &profiles[profile];
}

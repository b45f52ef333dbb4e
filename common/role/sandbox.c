/* SPDX-License-Identifier: MIT */
/*
 * sandbox.c - system-call filters from the lists, and their rules about arguments.
 *
 * Owns:   a filter while it is built.
 * Called: once by each role between its preparations and its first foreign byte; by
 *         compute for its children.
 * Fails:  with the name of the step; the caller must exit (nothing runs without a
 * filter).
 */
#include "config.h"

#include "common/role/sandbox_lists.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#ifdef WITH_SANITIZERS
enum {
	IS_STRICT = 0
};
# define DEFAULT_ACTION SCMP_ACT_LOG
#else
enum {
	IS_STRICT = 1
};
/* The fault handler notes the call's number and the job, then the process dies. */
# define DEFAULT_ACTION SCMP_ACT_TRAP
#endif

bool
sandbox_is_strict(void)
{
	return IS_STRICT != 0;
}

const char *
sandbox_profile_name(enum sandbox_profile profile)
{
	return sandbox_rules(profile)->name;
}

/* The handler runs in the dying process: only write(2). */
static void
tell_refused_call(int sig, siginfo_t *info, void *context)
{
	char text[] = "sandbox: system call ...... is not in this role's list\n";
	int n = info->si_syscall;

	(void)sig;
	(void)context;
	for (char *c = text + 26; c >= text + 21; c--, n /= 10)
		*c = (char)(n > 0 ? '0' + n % 10 : ' ');
	(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
	_exit(128 + SIGSYS);
}

void
sandbox_explain(bool on)
{
	struct sigaction act = { .sa_sigaction = tell_refused_call,
		.sa_flags = SA_SIGINFO | SA_RESETHAND };

	if (on)
		(void)sigaction(SIGSYS, &act, NULL);
}

/* One rule: allow (0) or an errno for the call under up to two conditions. */
struct rule {
	const char *call;
	unsigned n_args;
	struct scmp_arg_cmp args[2];
	unsigned grants;     /* needed, enum sandbox_grant; 0: every profile */
	unsigned not_grants; /* refused with any of these */
	int error;           /* 0: the call is allowed */
};

enum {
	NEW_NAMESPACES = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
	    CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET,
	THREAD_FLAGS = CLONE_THREAD | CLONE_VM,
	NEVER_WITH_CLONE =
	    NEW_NAMESPACES | CLONE_PTRACE | CLONE_UNTRACED | CLONE_PARENT,
	FORK_FLAGS = CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | CSIGNAL,
	SOCKET_TYPE_MASK = 0xf
};

/* Spelt out: libseccomp's own macros leave members out, which clang warns of. */
/* clang-format off */
#define EQ(place, value) \
 { .arg = (place), .op = SCMP_CMP_EQ, .datum_a = (value), .datum_b = 0 }
#define MASKED(place, mask, value) \
 { .arg = (place), .op = SCMP_CMP_MASKED_EQ, .datum_a = (mask), .datum_b = (value) }
#define FCNTL(command) \
 { "fcntl", 1, { MASKED(1, UINT32_MAX, (command)) }, 0, GRANT_CONFINED, 0 }
#define TYPE(type) MASKED(1, SOCKET_TYPE_MASK, (type))

static const struct rule rules[] = {
	/* No writable memory ever becomes code; plug-in loaders of libraries fail softly. */
	{ "mmap", 1, { MASKED(2, PROT_EXEC, 0) }, 0, 0, 0 },
	{ "mprotect", 1, { MASKED(2, PROT_EXEC, 0) }, 0, 0, 0 },
	{ "mmap", 1, { MASKED(2, PROT_EXEC, PROT_EXEC) }, GRANT_EXEC_MAP_FAILS, 0, EACCES },
	{ "mprotect", 1, { MASKED(2, PROT_EXEC, PROT_EXEC) }, GRANT_EXEC_MAP_FAILS, 0, EACCES },

	/* A filter cannot read clone3's flags: the C library falls back to clone. */
	{ "clone3", 0, { { 0 } }, 0, 0, ENOSYS },
	{ "clone", 1, { MASKED(0, THREAD_FLAGS | NEVER_WITH_CLONE, THREAD_FLAGS) }, GRANT_THREADS, 0, 0 },
	/* fork() and nothing else: shares nothing, is nobody else's child */
	{ "clone", 1, { MASKED(0, ~(uint64_t)FORK_FLAGS, 0) }, GRANT_FORK, 0, 0 },

	/* The resolver opens a netlink socket for names with both address families, and
	   asks nscd over a Unix socket; both take a refusal calmly. */
	{ "socket", 2, { EQ(0, AF_UNIX), TYPE(SOCK_STREAM) }, GRANT_SOCKET_UNIX, 0, 0 },
	{ "socket", 2, { EQ(0, AF_UNIX), TYPE(SOCK_DGRAM) }, GRANT_SOCKET_UNIX, 0, 0 },
	{ "socket", 2, { EQ(0, AF_UNIX), TYPE(SOCK_SEQPACKET) }, GRANT_SOCKET_UNIX, 0, 0 },
	{ "socket", 1, { EQ(0, AF_UNIX) }, GRANT_SOCKET_INET, GRANT_SOCKET_UNIX, EAFNOSUPPORT },
	{ "socket", 2, { EQ(0, AF_INET), TYPE(SOCK_STREAM) }, GRANT_SOCKET_INET, 0, 0 },
	{ "socket", 2, { EQ(0, AF_INET), TYPE(SOCK_DGRAM) }, GRANT_SOCKET_INET, 0, 0 },
	{ "socket", 2, { EQ(0, AF_INET6), TYPE(SOCK_STREAM) }, GRANT_SOCKET_INET, 0, 0 },
	{ "socket", 2, { EQ(0, AF_INET6), TYPE(SOCK_DGRAM) }, GRANT_SOCKET_INET, 0, 0 },
	{ "socket", 1, { EQ(0, AF_NETLINK) }, GRANT_SOCKET_INET, 0, EAFNOSUPPORT },
	{ "socketpair", 1, { EQ(0, AF_UNIX) }, GRANT_SOCKETPAIR, 0, 0 },

	/* Not F_SETOWN and F_SETSIG: a descriptor that becomes ready would send any signal
	   to any process of the same user, without kill(). */
	FCNTL(F_DUPFD), FCNTL(F_DUPFD_CLOEXEC), FCNTL(F_GETFD), FCNTL(F_SETFD),
	FCNTL(F_GETFL), FCNTL(F_SETFL), FCNTL(F_ADD_SEALS), FCNTL(F_GET_SEALS),
	FCNTL(F_GETLK), FCNTL(F_SETLK), FCNTL(F_SETLKW), /* SQLite */
	FCNTL(F_OFD_GETLK), FCNTL(F_OFD_SETLK), FCNTL(F_OFD_SETLKW),

	{ "ioctl", 1, { EQ(1, FIONREAD) }, GRANT_SOCKET_INET, 0, 0 },
	{ "ioctl", 1, { EQ(1, FIONBIO) }, GRANT_SOCKET_INET, 0, 0 },
	{ "ioctl", 1, { EQ(1, TCGETS) }, 0, 0, ENOTTY },

	/* Threads name themselves; a child on its way into the jail gives things up. */
	{ "prctl", 1, { EQ(0, PR_SET_NAME) }, GRANT_THREADS, 0, 0 },
	{ "prctl", 2, { EQ(0, PR_SET_PDEATHSIG), EQ(1, SIGKILL) }, GRANT_FORK, 0, 0 },
	{ "prctl", 2, { EQ(0, PR_SET_NO_NEW_PRIVS), EQ(1, 1) }, GRANT_FORK, 0, 0 },
	{ "prctl", 2, { EQ(0, PR_SET_DUMPABLE), EQ(1, 0) }, GRANT_FORK, 0, 0 },
	{ "seccomp", 1, { EQ(0, SECCOMP_SET_MODE_FILTER) }, GRANT_STACK_FILTER, 0, 0 },

	/* Reading limits is what the C library does; setting them is for compute alone. */
	{ "prlimit64", 2, { EQ(0, 0), EQ(2, 0) }, 0, GRANT_LIMITS | GRANT_CONFINED, 0 },
	{ "prlimit64", 1, { EQ(0, 0) }, GRANT_LIMITS, 0, 0 },

	{ "kill", 1, { EQ(1, SIGKILL) }, GRANT_KILL, 0, 0 },
	{ "kill", 1, { EQ(1, 0) }, GRANT_KILL, 0, 0 },
	{ "pidfd_send_signal", 1, { EQ(1, SIGKILL) }, GRANT_KILL, 0, 0 },

	/* libjq looks for ~/.jq and modules; the answer is that there are no files. */
	{ "open", 0, { { 0 } }, GRANT_OPEN_FAILS, 0, ENOENT },
	{ "openat", 0, { { 0 } }, GRANT_OPEN_FAILS, 0, ENOENT },
	{ "readlink", 0, { { 0 } }, GRANT_OPEN_FAILS, 0, ENOENT },
	{ "readlinkat", 0, { { 0 } }, GRANT_OPEN_FAILS, 0, ENOENT },
	{ "newfstatat", 1, { MASKED(3, AT_EMPTY_PATH, 0) }, GRANT_OPEN_FAILS, 0, ENOENT },
	{ "newfstatat", 1, { MASKED(3, AT_EMPTY_PATH, AT_EMPTY_PATH) }, GRANT_OPEN_FAILS, 0, 0 }, /* fstat() */
	{ "stat", 0, { { 0 } }, GRANT_OPEN_FAILS, 0, ENOENT },
	{ "lstat", 0, { { 0 } }, GRANT_OPEN_FAILS, 0, ENOENT },
	{ "access", 0, { { 0 } }, GRANT_OPEN_FAILS, 0, ENOENT },
	{ "getcwd", 0, { { 0 } }, GRANT_OPEN_FAILS, 0, ENOENT },
};
/* clang-format on */

static const int abort_signals[] = { SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGSYS,
	SIGTRAP,
#ifdef WITH_FAULT_POINTS
	SIGKILL, SIGSTOP
#endif
};

static int
add(scmp_filter_ctx ctx, uint32_t action, const char *name, unsigned n,
    const struct scmp_arg_cmp *args)
{
	int nr = seccomp_syscall_resolve_name(name);

	if (nr == __NR_SCMP_ERROR || nr < 0)
		return 0; /* this architecture has no such call */
	return seccomp_rule_add_array(ctx, action, nr, n, args);
}

static int
add_names(scmp_filter_ctx ctx, uint32_t action, const char *const *names)
{
	int r = 0;

	for (; r == 0 && *names != NULL; names++)
		r = add(ctx, action, *names, 0, NULL);
	return r;
}

static int
add_rules(scmp_filter_ctx ctx, unsigned grants)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(rules); i++) {
		const struct rule *rule = &rules[i];

		if ((rule->grants & grants) != rule->grants ||
		    (rule->not_grants & grants) != 0)
			continue;
		r = add(ctx,
		    rule->error == 0 ? SCMP_ACT_ALLOW
				     : SCMP_ACT_ERRNO((uint32_t)rule->error),
		    rule->call, rule->n_args, rule->args);
	}
	return r;
}

/* abort() and faults end this process; a process that never forks names itself. */
static int
add_own_end(scmp_filter_ctx ctx, unsigned grants)
{
	bool knows_pid = (grants & (GRANT_FORK | GRANT_OPEN_FAILS)) ==
	    0; /* compute and its jail fork */
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(abort_signals); i++) {
		struct scmp_arg_cmp args[2] = { EQ(2, (uint64_t)abort_signals[i]),
			EQ(0, (uint64_t)getpid()) };

		r = add(ctx, SCMP_ACT_ALLOW, "tgkill", knows_pid ? 2 : 1, args);
	}
	return r;
}

static void
filter_release(scmp_filter_ctx *ctx)
{
	if (*ctx != NULL)
		seccomp_release(*ctx);
}

static int
build(enum sandbox_profile profile, scmp_filter_ctx *out, struct err *err)
{
	const struct sandbox_rules *list = sandbox_rules(profile);
	CLEANUP(filter_release) scmp_filter_ctx ctx = seccomp_init(DEFAULT_ACTION);
	int r;

	if (ctx == NULL)
		return err_set(err, -ENOMEM, "sandbox: seccomp_init failed");
	r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0); /* sandbox_harden did it */
	for (size_t i = 0; r == 0 && list->sets[i] != NULL; i++)
		r = add_names(ctx, SCMP_ACT_ALLOW, list->sets[i]);
	if (r == 0)
		r = add_rules(ctx, list->grants);
	if (r == 0)
		r = add_own_end(ctx, list->grants);
	/* A process that tries these is lost: not one more instruction of it. */
	if (r == 0)
		r = add_names(ctx, SCMP_ACT_KILL_PROCESS, sandbox_never);
	if (r < 0)
		return err_set(err, r, "sandbox: rules of %s: %s", list->name,
		    strerror(-r));
	*out = TAKE_PTR(ctx);
	return 0;
}

int
sandbox_filter(enum sandbox_profile profile, struct err *err)
{
	CLEANUP(filter_release) scmp_filter_ctx ctx = NULL;
	int r = build(profile, &ctx, err);

	if (r < 0)
		return r;
	r = seccomp_load(ctx);
	if (r < 0)
		return err_set(err, r, "sandbox: loading the filter of %s: %s",
		    sandbox_profile_name(profile), strerror(-r));
	return 0;
}

/* libseccomp exports only to a descriptor. */
static int
read_program(int fd, struct sandbox_program *out)
{
	struct stat st;
	CLEANUP(freep) void *bpf = NULL;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size <= 0 || st.st_size % (off_t)sizeof(struct sock_filter) != 0)
		return -EPROTO;
	bpf = malloc((size_t)st.st_size);
	if (bpf == NULL)
		return -ENOMEM;
	if (pread(fd, bpf, (size_t)st.st_size, 0) != st.st_size)
		return -EIO;
	out->n = (size_t)st.st_size / sizeof(struct sock_filter);
	out->bpf = TAKE_PTR(bpf);
	return 0;
}

int
sandbox_program_build(enum sandbox_profile profile, struct sandbox_program *out,
    struct err *err)
{
	CLEANUP(filter_release) scmp_filter_ctx ctx = NULL;
	CLEANUP(closep) int fd = -1;
	int r = build(profile, &ctx, err);

	if (r < 0)
		return r;
	fd = memfd_create("bpf", MFD_CLOEXEC);
	if (fd < 0)
		return err_set(err, -errno, "sandbox: memfd: %s", strerror(errno));
	r = seccomp_export_bpf(ctx, fd);
	if (r == 0)
		r = read_program(fd, out);
	if (r < 0)
		return err_set(err, r, "sandbox: exporting the filter of %s: %s",
		    sandbox_profile_name(profile), strerror(-r));
	return 0;
}

int
sandbox_program_load(const struct sandbox_program *program)
{
	struct sock_fprog prog = { .len = (unsigned short)program->n,
		.filter = program->bpf };

	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) < 0)
		return -errno;
	return 0;
}

void
sandbox_program_release(struct sandbox_program *program)
{
	free(program->bpf);
	program->bpf = NULL;
	program->n = 0;
}

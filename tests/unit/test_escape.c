/* SPDX-License-Identifier: MIT */
/*
 * test_escape.c - the walls of every profile from inside: a corpus of calls that a
 * process tries once it was taken over (escapes.txt), every other call that there is,
 * and what needs more than one call.
 *
 * Each attempt runs in a forked child that was locked in as the role is: hardened, its
 * Landlock scope, its filter; the jail by the zygote's own child_lock_in. A child says by
 * its exit status or by the signal that ended it what came of it; no assertion runs there.
 */
#include "config.h"

#include "tests/unit/source_file.h"

#include "common/role/sandbox_lists.h"
#include "common/role/scope.h"
#include "compute/child.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum {
	NO_WALL = 120, /* exit status of a child that could not be locked in */
	ARGS = 6,
	CALLS_END = 512,
	IS_REFUSED = 1000, /* SIGSYS or EPERM */
	X32 = 0x40000000
};

TestSuite(escape, .timeout = 300);

static const enum role roles[SANDBOX_PROFILE_COUNT] = {
	[SANDBOX_WORKER] = ROLE_WORKER,
	[SANDBOX_GATEWAY] = ROLE_GATEWAY,
	[SANDBOX_SCHEDULER] = ROLE_SCHEDULER,
	[SANDBOX_FETCH] = ROLE_FETCH,
	[SANDBOX_COMPUTE] = ROLE_COMPUTE,
	[SANDBOX_JAIL] = ROLE_COMPUTE,
};

/* What attempts work with; made before the fork. */
static struct {
	struct role_scope scopes[SANDBOX_PROFILE_COUNT];
	struct sandbox_program jail;
	int socket, other_end, memfd;
	char *zero;
	pid_t parent, sibling;
	uint64_t mapped; /* bytes of address space that a child begins with */
} stage;

__attribute__((noreturn)) static void
sleep_until_killed(void)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		(void)pause();
}

static uint64_t
mapped_bytes(void)
{
	CLEANUP(fclosep) FILE *f = fopen("/proc/self/statm", "re");
	unsigned long pages = 0;

	cr_assert(f != NULL && fscanf(f, "%lu", &pages) == 1);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void
setup(void)
{
	static struct conf *conf;
	int fds[2];

	if (!sandbox_is_strict())
		cr_skip_test("the sanitizers need more calls than the lists hold");
	cr_assert_eq(conf_load(NULL, &conf, NULL), 0);
	for (int p = 0; p < SANDBOX_PROFILE_COUNT; p++)
		role_scope(roles[p], conf, &stage.scopes[p]);
	cr_assert_eq(sandbox_program_build(SANDBOX_JAIL, &stage.jail, NULL), 0);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds), 0);
	stage.socket = fds[0];
	stage.other_end = fds[1];
	stage.memfd = memfd_create("escape", 0);
	stage.zero = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cr_assert(stage.memfd >= 0 && stage.zero != MAP_FAILED);
	stage.mapped = mapped_bytes();
	stage.parent = getpid();
	stage.sibling = fork();
	cr_assert(stage.sibling >= 0);
	if (stage.sibling == 0)
		sleep_until_killed();
}

static void
teardown(void)
{
	int status = 0;

	if (stage.sibling == 0)
		return;
	cr_expect_eq(waitpid(stage.sibling, &status, WNOHANG), 0,
	    "the sibling was killed by an attempt: %x", status);
	(void)kill(stage.sibling, SIGKILL);
	(void)waitpid(stage.sibling, NULL, 0);
}

/* In the child. */
static int
lock_in(enum sandbox_profile profile)
{
	struct sandbox_scope scope = role_scope_rules(&stage.scopes[profile]);
	const struct child_start s = { .parent_pid = stage.parent,
		.fd = stage.socket,
		.file_fd = stage.memfd,
		.null_fd = -1,
		.jail = &stage.jail,
		.mapped_bytes = stage.mapped,
		.limits = { 1, 64 << 20, 1 << 20 } };

	if (sandbox_harden(stage.parent, NULL) < 0 || sandbox_scope(&scope, NULL) < 0)
		return -1;
	return profile == SANDBOX_JAIL ? child_lock_in(&s)
				       : sandbox_filter(profile, NULL);
}

typedef int (*deed_fn)(const void *arg); /* 0 or a positive errno */

/* 0, an errno, or -signal. */
static int
outcome(enum sandbox_profile profile, deed_fn deed, const void *arg)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		if (lock_in(profile) < 0)
			_exit(NO_WALL);
		_exit(deed(arg));
	}
	cr_assert(pid > 0 && waitpid(pid, &status, 0) == pid);
	cr_assert(!WIFEXITED(status) || WEXITSTATUS(status) != NO_WALL,
	    "%s could not be locked in", sandbox_profile_name(profile));
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

struct call {
	long number;
	unsigned long args[ARGS];
};

static int
make_call(const void *arg)
{
	const struct call *c = arg;
	long r = syscall(c->number, c->args[0], c->args[1], c->args[2], c->args[3],
	    c->args[4], c->args[5]);

	return r == -1 ? errno : 0;
}

/* ---- the corpus ---- */

static unsigned long
word(const char *name)
{
	const struct {
		const char *name;
		unsigned long value;
	} words[] = { { "zero", (unsigned long)stage.zero },
		{ "self", (unsigned long)getpid() },
		{ "parent", (unsigned long)stage.parent },
		{ "sibling", (unsigned long)stage.sibling },
		{ "memfd", (unsigned long)stage.memfd },
		{ "socket", (unsigned long)stage.socket } };

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strcmp(words[i].name, name) == 0)
			return words[i].value;
	cr_assert(false, "no such word: $%s", name);
	return 0;
}

/* One argument at *at, which moves behind it and its comma. Texts are cut out in
   place. */
static unsigned long
take_argument(char **at)
{
	char *p = *at + strspn(*at, " "), *end;
	unsigned long v;

	if (*p == '"') {
		end = strchr(p + 1, '"');
		cr_assert(end != NULL, "%s", p);
		*end++ = '\0';
		v = (unsigned long)(p + 1);
	} else if (*p == '$') {
		char name[16] = "";

		end = p + 1 + strspn(p + 1, "abcdefghijklmnopqrstuvwxyz");
		memcpy(name, p + 1, (size_t)(end - p - 1));
		v = word(name);
	} else {
		v = strtoul(p, &end, 0); /* -1 wraps as it should */
		cr_assert(end != p, "%s", p);
	}
	*at = end + strspn(end, " ");
	if (**at == ',')
		(*at)++;
	return v;
}

static const struct {
	const char *name;
	int value;
} outcomes[] = { { "K", -SIGSYS }, { "ok", 0 }, { "EACCES", EACCES },
	{ "EAFNOSUPPORT", EAFNOSUPPORT }, { "EAGAIN", EAGAIN }, { "EBADF", EBADF },
	{ "ECHILD", ECHILD }, { "EFAULT", EFAULT }, { "EINVAL", EINVAL },
	{ "ENOENT", ENOENT }, { "ENOSYS", ENOSYS }, { "EPERM", EPERM },
	{ "no", IS_REFUSED } };

struct attempt {
	char name[96];
	struct call call;
	int want[SANDBOX_PROFILE_COUNT];
	bool needs_landlock[SANDBOX_PROFILE_COUNT];
};

static void
take_outcomes(struct attempt *a, char *text)
{
	char *save = NULL, *word = strtok_r(text, " ", &save);
	int n = 0;

	for (; word != NULL; word = strtok_r(NULL, " ", &save), n++) {
		size_t len = strcspn(word, "*"), i = 0;

		cr_assert(n < SANDBOX_PROFILE_COUNT, "%s", a->name);
		while (i < ARRAY_LEN(outcomes) &&
		    (strlen(outcomes[i].name) != len ||
			memcmp(outcomes[i].name, word, len) != 0))
			i++;
		cr_assert(i < ARRAY_LEN(outcomes), "%s: outcome %s", a->name, word);
		a->want[n] = outcomes[i].value;
		a->needs_landlock[n] = word[len] == '*';
	}
	cr_assert(n == 1 || n == SANDBOX_PROFILE_COUNT, "%s: %d outcomes", a->name, n);
	for (; n < SANDBOX_PROFILE_COUNT; n++)
		a->want[n] = a->want[0];
}

/* CALL(ARGUMENTS) = OUTCOME...; texts in it stay in use. */
static void
read_attempt(struct attempt *a, char *line)
{
	char *open = strchr(line, '('), *at, *close = strrchr(line, ')');

	memset(a, 0, sizeof(*a));
	(void)snprintf(a->name, sizeof(a->name), "%.*s",
	    (int)(close != NULL ? close + 1 - line : 0), line);
	cr_assert(open != NULL && close != NULL && strncmp(close, ") = ", 4) == 0, "%s",
	    line);
	*open = '\0';
	a->call.number = seccomp_syscall_resolve_name(line);
	cr_assert_neq(a->call.number, __NR_SCMP_ERROR, "no such call: %s", line);
	*close = '\0';
	at = open + 1;
	for (int i = 0; i < ARGS && *at != '\0'; i++)
		a->call.args[i] = take_argument(&at);
	cr_assert(*at == '\0', "%s: too many arguments", a->name);
	take_outcomes(a, close + 4);
}

static void
try_everywhere(const struct attempt *a, bool has_landlock)
{
	for (int p = 0; p < SANDBOX_PROFILE_COUNT; p++) {
		int got;

		if (a->needs_landlock[p] && !has_landlock)
			continue;
		got = outcome((enum sandbox_profile)p, make_call, &a->call);
		if (a->want[p] == IS_REFUSED && (got == -SIGSYS || got == EPERM))
			continue;
		cr_expect_eq(got, a->want[p], "%s in %s: %d, want %d", a->name,
		    sandbox_profile_name((enum sandbox_profile)p), got, a->want[p]);
	}
}

static bool
has_landlock(void)
{
	long version = syscall(444, NULL, 0, 1);

	return version > 0 && sandbox_lacks((int)version) == NULL;
}

Test(escape, every_call_of_the_corpus_ends_as_it_must, .init = setup, .fini = teardown)
{
	CLEANUP(freep) char *text = read_source("tests/unit/escapes.txt");
	bool has_all = has_landlock();
	char *save = NULL;
	size_t n = 0;

	if (!has_all)
		cr_log_warn("this kernel lacks parts of Landlock: attempts with a star "
			    "are left out");
	for (char *line = strtok_r(text, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		struct attempt a;

		if (*line == '#')
			continue;
		read_attempt(&a, line);
		try_everywhere(&a, has_all);
		n++;
	}
	cr_expect_gt(n, 150);
}

/* ---- everything else ---- */

static bool
has_name(const char *const *names, const char *name)
{
	for (; *names != NULL; names++)
		if (strcmp(*names, name) == 0)
			return true;
	return false;
}

/* In a list of the profile, or judged by its arguments (the corpus tries those). */
static bool
may_pass(const struct sandbox_rules *r, const char *name)
{
	static const char *const answered[] = { "access", "getcwd", "lstat",
		"newfstatat", "open", "openat", "readlink", "readlinkat", "stat",
		NULL }; /* GRANT_OPEN_FAILS */

	for (int i = 0; r->sets[i] != NULL; i++)
		if (has_name(r->sets[i], name))
			return true;
	return has_name(sandbox_judged, name) ||
	    ((r->grants & GRANT_OPEN_FAILS) != 0 && has_name(answered, name));
}

Test(escape, every_call_that_is_in_no_list_kills, .init = setup, .fini = teardown)
{
	unsigned tried[SANDBOX_PROFILE_COUNT] = { 0 };

	for (int p = 0; p < SANDBOX_PROFILE_COUNT; p++) {
		enum sandbox_profile profile = (enum sandbox_profile)p;

		for (long nr = 0; nr < CALLS_END; nr++) {
			CLEANUP(freep)
			char *name =
			    seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, (int)nr);
			struct call c = { .number = nr,
				.args = { -1ul, -1ul, -1ul, -1ul, -1ul, -1ul } };
			int got;

			if (name != NULL && may_pass(sandbox_rules(profile), name))
				continue;
			got = outcome(profile, make_call, &c);
			/* The kernel lets uretprobe and uprobe pass every filter, and
			   refuses them where no probe is. */
			cr_expect(got == -SIGSYS ||
				((nr == 335 || nr == 336) && got != 0),
			    "call %ld (%s) in %s: %d", nr, name != NULL ? name : "?",
			    sandbox_profile_name(profile), got);
			tried[p]++;
		}
	}
	cr_expect_gt(tried[SANDBOX_JAIL], tried[SANDBOX_WORKER]);
	cr_expect_gt(tried[SANDBOX_WORKER], CALLS_END / 2);
}

#ifdef __x86_64__
/* The same numbers mean other calls in the two foreign manners of calling. */
static int
call_as_32_bit(const void *arg)
{
	long r = *(const long *)arg;

	__asm__ volatile("int $0x80" : "+a"(r) : "b"(0L), "c"(0L), "d"(0L) : "memory");
	return r < 0 ? (int)-r : 0;
}

Test(escape, other_manners_of_calling_kill, .init = setup, .fini = teardown)
{
	for (int p = 0; p < SANDBOX_PROFILE_COUNT; p++) {
		for (long nr = 0; nr < CALLS_END; nr += p == SANDBOX_JAIL ? 1 : 17) {
			struct call x32 = { .number = X32 | nr };

			cr_expect_eq(outcome((enum sandbox_profile)p, call_as_32_bit,
					 &nr),
			    -SIGSYS, "int 0x80, call %ld, profile %d", nr, p);
			cr_expect_eq(outcome((enum sandbox_profile)p, make_call, &x32),
			    -SIGSYS, "x32, call %ld, profile %d", nr, p);
		}
	}
}
#endif

/* ---- more than one call ---- */

static int
run_from_memory(const void *arg)
{
	char *argv[] = { (char[]){ "x" }, NULL };

	(void)arg;
	(void)fexecve(stage.memfd, argv, argv + 1);
	return errno;
}

static int
make_written_memory_code(const void *arg)
{
	char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
	    -1, 0);

	(void)arg;
	memset(p, 0xc3, 4096);
	return mprotect(p, 4096, PROT_READ | PROT_EXEC) < 0 ? errno : 0;
}

/* Who does not hear the signal is still ended by it. */
static int
execute_without_hearing(const void *arg)
{
	sigset_t all;
	char *argv[] = { (char[]){ "/bin/true" }, NULL };

	(void)arg;
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, NULL);
	(void)execve(argv[0], argv, argv + 1);
	return errno;
}

static const struct {
	const char *name;
	deed_fn deed;
	int of_worker, of_jail;
} deeds[] = {
	{ "run a program from memory", run_from_memory, -SIGSYS, -SIGSYS },
	{ "make written memory code", make_written_memory_code, EACCES, -SIGSYS },
	{ "execute with signals blocked", execute_without_hearing, -SIGSYS, -SIGSYS },
};

Test(escape, roundabout_ways_end_alike, .init = setup, .fini = teardown)
{
	for (size_t i = 0; i < ARRAY_LEN(deeds); i++) {
		cr_expect_eq(outcome(SANDBOX_WORKER, deeds[i].deed, NULL),
		    deeds[i].of_worker, "%s in a worker", deeds[i].name);
		cr_expect_eq(outcome(SANDBOX_FETCH, deeds[i].deed, NULL),
		    deeds[i].of_worker, "%s in fetch", deeds[i].name);
		cr_expect_eq(outcome(SANDBOX_JAIL, deeds[i].deed, NULL),
		    deeds[i].of_jail, "%s in the jail", deeds[i].name);
	}
}

/* Catches the signal of a refused call and goes on. */
static void
go_on(int sig)
{
	(void)sig;
}

static int
catch_and_go_on(const void *arg)
{
	(void)arg;
	(void)signal(SIGSYS, go_on);
	(void)syscall(SYS_symlink, "/etc", "/tmp/agent-runner-escape");
	return EXIT_SUCCESS;
}

/* A worker may set a handler, but the call is not made. */
Test(escape, a_refused_call_is_not_made_even_for_who_catches_the_signal, .init = setup,
    .fini = teardown)
{
	(void)unlink("/tmp/agent-runner-escape");
	(void)outcome(SANDBOX_WORKER, catch_and_go_on, NULL);
	cr_expect(access("/tmp/agent-runner-escape", F_OK) < 0);
}

/* ---- limits of the jail ---- */

static int
eat_memory(const void *arg)
{
	unsigned got = 0;

	(void)arg;
	for (; got < 4096; got++) {
		char *p = malloc(1 << 20);

		if (p == NULL)
			break;
		memset(p, 1, 1 << 20);
	}
	return got < 4096 ? ENOMEM : 0;
}

static int
fill_the_disk(const void *arg)
{
	static const char block[65536];

	(void)arg;
	for (int i = 0; i < 4096; i++)
		if (write(stage.memfd, block, sizeof(block)) < 0)
			return errno;
	return 0;
}

static int
burn_cpu(const void *arg)
{
	volatile unsigned long n = 0;

	for (;;)
		n++;
	return arg != NULL;
}

static int
multiply(const void *arg)
{
	(void)arg;
	return fork() < 0 ? errno : 0;
}

static int
take_descriptors(const void *arg)
{
	(void)arg;
	return dup(stage.memfd) < 0 ? errno : 0;
}

/* A memory file can be mapped at its full size, and no further. */
static int
write_beyond_the_file(const void *arg)
{
	char *p =
	    mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, stage.memfd, 1 << 30);

	(void)arg;
	if (p == MAP_FAILED)
		return errno;
	*(volatile char *)p = 1;
	return 0;
}

static const struct {
	const char *name;
	deed_fn deed;
	int want;
} bombs[] = {
	{ "memory", eat_memory, ENOMEM },
	{ "disk", fill_the_disk, -SIGXFSZ },
	{ "CPU", burn_cpu, -SIGXCPU },
	{ "processes", multiply, -SIGSYS },
	{ "descriptors", take_descriptors, -SIGSYS },
	{ "beyond a file", write_beyond_the_file, -SIGBUS },
};

Test(escape, bombs_end_in_the_jail, .init = setup, .fini = teardown)
{
	for (size_t i = 0; i < ARRAY_LEN(bombs); i++) {
		int got = outcome(SANDBOX_JAIL, bombs[i].deed, NULL);

		cr_expect_eq(got, bombs[i].want, "%s: %d, want %d", bombs[i].name, got,
		    bombs[i].want);
	}
}

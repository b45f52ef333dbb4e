/* SPDX-License-Identifier: MIT */
/*
 * postgres_server.c - initdb, start, wait, stop, remove: PostgreSQL for one test
 * program.
 *
 * Owns:   a directory of its own and the postmaster that works in it.
 * Called: by test programs, usually once, before their first test.
 * Fails:  with the end of the server's log in err.
 */
#include "config.h"

#include "tests/support/postgres_server.h"

#include "common/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	START_MS = 20000,
	STOP_MS = 20000,
	ARGS_MAX = 48
};

/* What initdb calls its superuser, whoever runs it. */
#define ROLE "agent"

struct postgres_server {
	char dir[64];
	char bin[PATH_MAX];
	pid_t pid; /* 0 while stopped */
};

static const char *const settings[] = { "listen_addresses=", "fsync=off",
	"synchronous_commit=off", "full_page_writes=off", "shared_buffers=16MB",
	"autovacuum=off", "wal_level=minimal", "max_wal_senders=0",
	"max_connections=60", "logging_collector=off" };

/* ---- where the programs are ---- */

static bool
has_programs(const char *bin)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%.4000s/initdb", bin);
	return access(path, X_OK) == 0;
}

static bool
ask_pg_config(char *bin, size_t size)
{
	FILE *f = popen("pg_config --bindir 2>/dev/null", "re");
	bool is_read;

	if (f == NULL)
		return false;
	is_read = fgets(bin, (int)size, f) != NULL;
	(void)pclose(f);
	if (is_read)
		bin[strcspn(bin, "\n")] = '\0';
	return is_read && has_programs(bin);
}

static bool
find_programs(char *bin, size_t size)
{
	glob_t found;
	bool is_found = false;

	if (ask_pg_config(bin, size))
		return true;
	if (glob("/usr/lib/postgresql/*/bin", 0, NULL, &found) != 0)
		return false;
	for (size_t i = found.gl_pathc; i > 0 && !is_found; i--) {
		(void)snprintf(bin, size, "%s", found.gl_pathv[i - 1]);
		is_found = has_programs(bin);
	}
	globfree(&found);
	return is_found;
}

bool
postgres_server_is_installed(void)
{
	char bin[PATH_MAX];

	return find_programs(bin, sizeof(bin));
}

/* ---- children ---- */

static const struct passwd *
unprivileged_user(void)
{
	const struct passwd *pw = getpwnam("postgres");

	return pw != NULL ? pw : getpwnam("nobody");
}

/* In the child: an ordinary user, death with the parent, output into the log. */
static void
become(const struct postgres_server *s, pid_t parent)
{
	const struct passwd *pw = geteuid() == 0 ? unprivileged_user() : NULL;
	char log[128];
	int fd;

	if (geteuid() == 0 &&
	    (pw == NULL || setgroups(0, NULL) < 0 ||
		setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) < 0 ||
		setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) < 0))
		_exit(126);
	(void)prctl(PR_SET_PDEATHSIG,
	    SIGQUIT); /* after the change of user, which clears it */
	if (getppid() != parent || chdir(s->dir) < 0)
		_exit(126);
	(void)snprintf(log, sizeof(log), "%s/log", s->dir);
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
		_exit(126);
	(void)close_range(3, ~0U, 0);
}

static pid_t
spawn(const struct postgres_server *s, const char *const argv[])
{
	pid_t parent = getpid(), pid = fork();
	char path[PATH_MAX + 32];
	char *args[ARGS_MAX];
	sigset_t none;
	size_t n = 0;

	if (pid != 0)
		return pid;
	become(s, parent);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)snprintf(path, sizeof(path), "%s/%s", s->bin, argv[0]);
	args[n++] = path; /* whole: initdb looks for postgres beside itself */
	while (argv[n] != NULL && n < ARGS_MAX - 1) {
		args[n] = (char *)(uintptr_t)argv[n];
		n++;
	}
	args[n] = NULL;
	(void)execve(path, args,
	    (char *[]){ (char[]){ "LC_ALL=C" }, (char[]){ "PATH=/usr/bin:/bin" },
		NULL });
	_exit(127);
}

static int
complain(const struct postgres_server *s, const char *what, struct err *err)
{
	char path[128], text[600] = "";
	CLEANUP(fclosep) FILE *f = NULL;
	size_t n = 0;

	(void)snprintf(path, sizeof(path), "%s/log", s->dir);
	f = fopen(path, "re");
	if (f != NULL) {
		(void)fseek(f, -(long)(sizeof(text) - 1), SEEK_END);
		n = fread(text, 1, sizeof(text) - 1, f);
	}
	text[n] = '\0';
	return err_set(err, -ECHILD, "%s: %s", what, text);
}

static int
run(const struct postgres_server *s, const char *const argv[], struct err *err)
{
	pid_t pid = spawn(s, argv);
	int status = -1;

	if (pid < 0)
		return err_set(err, -errno, "fork: %s", strerror(errno));
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status == 0 ? 0 : complain(s, argv[0], err);
}

/* ---- the server ---- */

/* The eighth line of postmaster.pid says "ready" when clients are welcome. */
static bool
is_ready(const struct postgres_server *s)
{
	char path[128], line[256] = "";
	CLEANUP(fclosep) FILE *f = NULL;

	(void)snprintf(path, sizeof(path), "%s/data/postmaster.pid", s->dir);
	f = fopen(path, "re");
	if (f == NULL)
		return false;
	if (fgets(line, sizeof(line), f) == NULL || atol(line) != (long)s->pid)
		return false;
	for (int i = 2; i <= 8; i++)
		if (fgets(line, sizeof(line), f) == NULL)
			return false;
	return strncmp(line, "ready", 5) == 0;
}

int
postgres_server_start(struct postgres_server *s, struct err *err)
{
	const char *argv[ARGS_MAX] = { "postgres", "-D", NULL, "-k", s->dir };
	uint64_t deadline = clock_mono_ms() + START_MS;
	char data[128];
	size_t n = 5;

	(void)snprintf(data, sizeof(data), "%s/data", s->dir);
	argv[2] = data;
	for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
		argv[n++] = "-c";
		argv[n++] = settings[i];
	}
	s->pid = spawn(s, argv);
	if (s->pid < 0)
		return err_set(err, -errno, "fork: %s", strerror(errno));
	while (!is_ready(s)) {
		if (waitpid(s->pid, NULL, WNOHANG) != 0) {
			s->pid = 0;
			return complain(s, "postgres ended at its start", err);
		}
		if (clock_mono_ms() > deadline)
			return complain(s, "postgres does not get ready", err);
		(void)usleep(5000);
	}
	return 0;
}

int
postgres_server_stop(struct postgres_server *s, int sig, struct err *err)
{
	uint64_t deadline = clock_mono_ms() + STOP_MS;

	if (s->pid <= 0)
		return 0;
	(void)kill(s->pid, sig);
	while (waitpid(s->pid, NULL, WNOHANG) == 0) {
		if (clock_mono_ms() > deadline)
			return complain(s, "postgres does not stop", err);
		(void)usleep(2000);
	}
	s->pid = 0;
	return 0;
}

static int
remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	(void)remove(path);
	return 0;
}

void
postgres_server_free(struct postgres_server *s)
{
	if (s == NULL)
		return;
	if (postgres_server_stop(s, SIGQUIT, NULL) < 0) {
		(void)kill(s->pid, SIGKILL);
		(void)waitpid(s->pid, NULL, 0);
	}
	if (s->dir[0] != '\0')
		(void)nftw(s->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	free(s);
}

static void
server_freep(struct postgres_server **s)
{
	postgres_server_free(*s);
}

static int
make_dir(struct postgres_server *s, const char *parent, struct err *err)
{
	const struct passwd *pw = geteuid() == 0 ? unprivileged_user() : NULL;
	char dir[sizeof(s->dir)];

	if ((size_t)snprintf(dir, sizeof(dir), "%s/agent-runner-pg-XXXXXX", parent) >=
	    sizeof(dir))
		return err_set(err, -ENAMETOOLONG, "%s is too long", parent);
	if (mkdtemp(dir) == NULL)
		return err_set(err, -errno, "mkdtemp: %s", strerror(errno));
	(void)strcpy(s->dir, dir);
	/* clients of any user may come in, as through /var/run/postgresql */
	if (chmod(dir, 0755) < 0 ||
	    (pw != NULL && chown(dir, pw->pw_uid, pw->pw_gid) < 0))
		return err_set(err, -errno, "%s: %s", dir, strerror(errno));
	return 0;
}

int
postgres_server_new_below(const char *parent, struct postgres_server **out,
    struct err *err)
{
	CLEANUP(server_freep) struct postgres_server *s = calloc(1, sizeof(*s));
	char data[128];
	const char *const initdb[] = { "initdb", "-D", data, "-U", ROLE, "-A", "trust",
		"--no-sync", "--locale=C", "-E", "UTF8", NULL };
	int r;

	if (s == NULL)
		return err_set(err, -ENOMEM, "no memory");
	if (!find_programs(s->bin, sizeof(s->bin)))
		return err_set(err, -ENOENT, "PostgreSQL is not installed");
	r = make_dir(s, parent, err);
	if (r < 0)
		return r;
	(void)snprintf(data, sizeof(data), "%s/data", s->dir);
	r = run(s, initdb, err);
	if (r == 0)
		r = postgres_server_start(s, err);
	if (r < 0)
		return r;
	*out = TAKE_PTR(s);
	return 0;
}

int
postgres_server_new(struct postgres_server **out, struct err *err)
{
	return postgres_server_new_below("/tmp", out, err);
}

const char *
postgres_server_dir(const struct postgres_server *s)
{
	return s->dir;
}

/* ---- databases ---- */

void
postgres_url(const char *dir, const char *database, char url[POSTGRES_URL_MAX])
{
	(void)snprintf(url, POSTGRES_URL_MAX, "postgresql://" ROLE "@/%s?host=%s",
	    database, dir);
}

int
postgres_database_new(const char *dir, char url[POSTGRES_URL_MAX], struct err *err)
{
	static atomic_uint counter;
	struct postgres_server s = { .pid = 0 };
	char name[64];
	const char *const createdb[] = { "createdb", "-h", dir, "-U", ROLE, "-T",
		"template0", name, NULL };
	int r;

	(void)snprintf(s.dir, sizeof(s.dir), "%s", dir);
	if (!find_programs(s.bin, sizeof(s.bin)))
		return err_set(err, -ENOENT, "PostgreSQL is not installed");
	(void)snprintf(name, sizeof(name), "t%ld_%u", (long)getpid(),
	    atomic_fetch_add(&counter, 1));
	r = run(&s, createdb, err);
	if (r == 0)
		postgres_url(dir, name, url);
	return r;
}

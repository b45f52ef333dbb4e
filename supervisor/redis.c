/* SPDX-License-Identifier: MIT */
/*
 * redis.c - starts the private Redis server: Unix socket only, every write synced.
 *
 * Owns:   nothing; the process is the child's.
 * Called: by child_spawn and child_tick for ROLE_REDIS.
 * Fails:  with a sentence that names the program or the directory.
 *
 * Not one byte of Redis' protocol is spoken here: that the socket takes a connection is
 * all the supervisor needs to know; LOADING is the clients' business.
 */
#include "config.h"

#include "supervisor/redis.h"

#include "common/fault_point.h"
#include "supervisor/places.h"
#include "supervisor/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

/* Our PATH is the caller's, and root should not run what a caller's PATH names. */
static const char *const program_folders[] = { "/usr/bin", "/usr/local/bin",
	"/usr/sbin", "/usr/local/sbin", "/bin" };

bool
redis_is_embedded(const struct conf *c)
{
	return strcmp(c->redis.url, "embedded") == 0;
}

static int
open_program(const char *name, struct err *err)
{
	char path[PATH_MAX];
	int fd = -1;

	if (strchr(name, '/') != NULL)
		fd = open(name, O_PATH | O_CLOEXEC);
	for (size_t i = 0;
	     fd < 0 && strchr(name, '/') == NULL && i < ARRAY_LEN(program_folders);
	     i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", program_folders[i], name);
		fd = open(path, O_PATH | O_CLOEXEC);
	}
	if (fd < 0)
		return err_set(err, -errno,
		    "redis.program %s: %s; install redis-server, or name an outside server "
		    "with redis.url",
		    name, strerror(errno));
	return fd;
}

int
redis_look(const struct conf *c, struct err *err)
{
	CLEANUP(closep) int fd = -1;

	if (!redis_is_embedded(c))
		return 0;
	fd = open_program(c->redis.program, err);
	return fd < 0 ? fd : 0;
}

struct arguments {
	char text[16][PATH_MAX + 32];
	char *argv[48];
	size_t n_text, n;
};

/* Redis has no sandbox, and its socket is open to workers: what would let one that was
   taken over run code in it, or reach other hosts through it, is not there. */
static const char *const commands_left_out[] = { "MODULE", "DEBUG", "REPLICAOF",
	"SLAVEOF", "MIGRATE" };

static void
add_word(struct arguments *a, const char *word)
{
	union {
		const char *in;
		char *out; /* execveat takes no const and does not write */
	} w = { word };

	ASSERT(a->n + 1 < ARRAY_LEN(a->argv));
	a->argv[a->n++] = w.out;
}

static void PRINTF_LIKE(3, 4)
    add(struct arguments *a, const char *option, const char *fmt, ...)
{
	va_list ap;

	ASSERT(a->n_text < ARRAY_LEN(a->text));
	va_start(ap, fmt);
	(void)vsnprintf(a->text[a->n_text], sizeof(a->text[0]), fmt, ap);
	va_end(ap);
	add_word(a, option);
	add_word(a, a->text[a->n_text++]);
}

static void
fill_arguments(struct arguments *a, const struct conf *c)
{
	add_word(a, "redis-server");
	add(a, "--port", "0");
	add(a, "--unixsocket", "%s/redis.sock", c->service.run_dir);
	add(a, "--unixsocketperm", "660");
	add(a, "--dir", "%s/redis", c->service.state_dir);
	add(a, "--appendonly", "yes");
	add(a, "--appendfsync", "always");
	add(a, "--maxmemory-policy", "noeviction");
	add(a, "--save", "%s", "");
	add(a, "--logfile", "%s/redis/redis.log", c->service.state_dir);
	add(a, "--daemonize", "no");
	for (size_t i = 0; i < ARRAY_LEN(commands_left_out); i++) {
		add_word(a, "--rename-command");
		add_word(a, commands_left_out[i]);
		add_word(a, "");
	}
	a->argv[a->n] = NULL;
}

int
redis_spawn(struct child *c, struct err *err)
{
	struct supervisor *s = c->supervisor;
	const struct conf *conf = c->generation->conf;
	CLEANUP(freep) struct arguments *args = calloc(1, sizeof(*args));
	CLEANUP(closep) int program_fd = -1;
	struct spawn_request req = { .uid = s->identity.uid,
		.gid = s->identity.gid,
		.control_fd = -1,
		.output_fd = -1,
		.nofile = 16384 };
	char folder[PATH_MAX];
	pid_t pid;
	int r;

	if (args == NULL)
		return err_set(err, -ENOMEM, "no memory");
	(void)snprintf(folder, sizeof(folder), "%s/redis", conf->service.state_dir);
	r = places_folder(folder, 0750, &s->identity, err);
	if (r < 0)
		return r;
	program_fd = open_program(conf->redis.program, err);
	if (program_fd < 0)
		return program_fd;
	fill_arguments(args, conf);
	req.program_fd = program_fd;
	req.argv = args->argv;
	FAULT_POINT(REDIS_START);
	pid = spawn_process(&req, &c->process.pidfd, err);
	if (pid < 0)
		return (int)pid;
	c->process.pid = pid;
	return 0;
}

bool
redis_answers(const struct child *c)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	CLEANUP(closep)
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int n = snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/redis.sock",
	    c->generation->conf->service.run_dir);

	return fd >= 0 && n > 0 && (size_t)n < sizeof(addr.sun_path) &&
	    connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0;
}

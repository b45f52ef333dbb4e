/* SPDX-License-Identifier: MIT */
/*
 * redis_proxy/main.c - stands between the daemon and Redis, cuts at the worst moment.
 *
 * It counts commands, over all connections or those of one role, and strikes at the
 * Nth: before it reaches Redis, or after Redis has carried it out and before its reply
 * comes back. It cuts that connection, kills the process behind it, or stops that
 * process and holds what is under way until "go". Orders come as lines on the control
 * socket, one answer line each:
 *
 *   arm after|before N [role=ROLE] [match=TEXT] [do=cut|tear|kill|stop]
 *                   strike at the Nth such command from now; tear: half of its reply
 *                   comes back before the cut
 *   disarm          forget it
 *   go              the stopped process goes on, what was held is passed on
 *   stats           commands=N cuts=N armed=0|1 links=N at=NAME (of the last strike)
 *   log             the commands counted, ROLE:NAME, scripts as EVALSHA/first digits
 *   reset           zero the counters, forget the log
 *   drop            cut every connection now
 *   refuse on|off   accept no connections (an outage)
 *   pause on|off    pass nothing on (a stall)
 *   slow MS         let so much time pass before anything is passed on; 0: none
 *   trickle on|off  one byte at a time
 *
 * Owns:   all links and the two listening sockets.
 * Called: by the harness, as the program redis-proxy.
 * Fails:  a bad command line or socket ends it with a message.
 */
#include "config.h"

#include "common/buf.h"
#include "common/err.h"
#include "common/exit_status.h"
#include "tests/support/redis_proxy/resp.h"
#include "tests/support/service.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

enum {
	LINKS_MAX = 256,
	NAME_MAX_BYTES = 24,
	LOG_MAX = 64 * 1024
};

struct link {
	int client, server; /* -1: free */
	char role[32];
	pid_t pid; /* of the process at the other end */
	bool is_held;
	struct buf from_client, to_server, from_server, to_client;
	uint64_t sent, answered; /* commands and replies of this link */
	uint64_t cut_reply;      /* the reply that must not come back; 0: none */
	bool is_raw;             /* subscribed: replies are no longer one for one */
};

enum strike {
	STRIKE_CUT,
	STRIKE_TEAR,
	STRIKE_KILL,
	STRIKE_STOP
};

static struct {
	struct link links[LINKS_MAX];
	const char *redis_path;
	int listen_fd, control_fd,
	    orders_fd; /* orders_fd: the one who gives orders, or -1 */
	bool is_armed, cuts_after, is_refusing, is_paused, is_trickling;
	unsigned slow_ms;
	enum strike strike;
	pid_t stopped; /* 0: none */
	uint64_t countdown;
	char struck[NAME_MAX_BYTES]; /* name of the command of the last strike */
	char role[32], match[128];
	uint64_t n_commands, n_cuts;
	struct buf log, orders;
} proxy = { .listen_fd = -1, .control_fd = -1, .orders_fd = -1 };

static volatile sig_atomic_t is_stopping;

static void
on_signal(int signal UNUSED)
{
	is_stopping = 1;
}

/* ---- sockets ---- */

static int
unix_socket(const char *path, bool is_server)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(a.sun_path))
		return -1;
	(void)memcpy(a.sun_path, path, strlen(path) + 1);
	if (is_server)
		(void)unlink(path);
	if (is_server ? bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 ||
		    chmod(path, 0777) != 0 || listen(fd, 128) != 0
		      : connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0) {
		(void)close(fd);
		return -1;
	}
	(void)fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

/* The process at the other end, and its role, from its command line. */
static void
peer_role(int fd, pid_t *pid, char *out, size_t max)
{
	char path[64], text[4096];
	struct ucred who;
	socklen_t len = sizeof(who);
	CLEANUP(closep) int file = -1;
	ssize_t n;

	out[0] = '\0';
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) != 0)
		return;
	*pid = who.pid;
	(void)snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)who.pid);
	file = open(path, O_RDONLY | O_CLOEXEC);
	n = file < 0 ? 0 : read(file, text, sizeof(text) - 1);
	if (n <= 0)
		return;
	text[n] = '\0';
	for (char *p = text; p < text + n; p += strlen(p) + 1)
		if (strcmp(p, "--role") == 0 && p + 7 < text + n)
			(void)snprintf(out, max, "%.31s", p + 7);
}

static void
link_close(struct link *l)
{
	if (l->client < 0)
		return;
	(void)close(l->client);
	(void)close(l->server);
	buf_release(&l->from_client);
	buf_release(&l->to_server);
	buf_release(&l->from_server);
	buf_release(&l->to_client);
	*l = (struct link){ .client = -1, .server = -1 };
}

static void
accept_link(void)
{
	int fd = accept4(proxy.listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct link *l = NULL;

	if (fd < 0)
		return;
	for (size_t i = 0; i < LINKS_MAX && l == NULL; i++)
		if (proxy.links[i].client < 0)
			l = &proxy.links[i];
	if (l == NULL || proxy.is_refusing ||
	    (l->server = unix_socket(proxy.redis_path, false)) < 0) {
		(void)close(fd);
		return;
	}
	l->client = fd;
	peer_role(fd, &l->pid, l->role, sizeof(l->role));
}

/* ---- bytes ---- */

static void
drop_front(struct buf *b, size_t n)
{
	if (n == 0)
		return;
	(void)memmove(b->data, b->data + n, b->len - n);
	b->len -= n;
}

/* False when the peer has closed. */
static bool
read_some(int fd, struct buf *b)
{
	ssize_t n;

	if (buf_reserve(b, 64 * 1024) != 0)
		return false;
	n = recv(fd, b->data + b->len, 64 * 1024, 0);
	if (n > 0)
		b->len += (size_t)n;
	return n > 0 || (n < 0 && errno == EAGAIN);
}

static bool
write_some(int fd, struct buf *b)
{
	size_t len = proxy.is_trickling && b->len > 0 ? 1 : b->len;
	ssize_t n = len == 0 ? 0 : send(fd, b->data, len, MSG_NOSIGNAL);

	if (n > 0)
		drop_front(b, (size_t)n);
	return n >= 0 || errno == EAGAIN;
}

/* ---- commands and replies ---- */

static bool
is_counted(const struct link *l, const char *command, size_t n)
{
	if (proxy.role[0] != '\0' && strcmp(proxy.role, l->role) != 0)
		return false;
	return proxy.match[0] == '\0' ||
	    memmem(command, n, proxy.match, strlen(proxy.match)) != NULL;
}

static void
note(const struct link *l, const char *name)
{
	proxy.n_commands++;
	if (proxy.log.len < LOG_MAX)
		buf_addf(&proxy.log, "%s%s:%s", proxy.log.len > 0 ? " " : "",
		    l->role[0] != '\0' ? l->role : "-", name);
}

/* A script goes by the first digits of its hash. */
static void
name_of(const char *command, size_t n, char *out, size_t max)
{
	const char *sha;

	resp_name(command, n, out, max);
	if (strcasecmp(out, "EVALSHA") != 0 ||
	    (sha = memmem(command, n, "\r\n$40\r\n", 7)) == NULL ||
	    (size_t)(command + n - sha) < 7 + 40)
		return;
	(void)snprintf(out, max, "EVALSHA/%.8s", sha + 7);
}

/* The process will do no more: what it sent before counts as sent. */
static void
strike_peer(struct link *l)
{
	switch (proxy.strike) {
	case STRIKE_CUT:
	case STRIKE_TEAR:
		break;
	case STRIKE_KILL:
		(void)kill(l->pid, SIGKILL);
		break;
	case STRIKE_STOP:
		(void)kill(l->pid, SIGSTOP);
		proxy.stopped = l->pid;
		l->is_held = true;
		break;
	}
}

/* Passes one command on. False when the link was struck before it. */
static bool
pass_command(struct link *l, const char *command, size_t n)
{
	char name[NAME_MAX_BYTES];

	name_of(command, n, name, sizeof(name));
	if (strcasecmp(name, "SUBSCRIBE") == 0 || strcasecmp(name, "PSUBSCRIBE") == 0)
		l->is_raw = true;
	if (!l->is_raw && is_counted(l, command, n)) {
		note(l, name);
		if (proxy.is_armed && --proxy.countdown == 0) {
			proxy.is_armed = false;
			proxy.n_cuts++;
			(void)memcpy(proxy.struck, name, sizeof(name));
			if (!proxy.cuts_after) {
				strike_peer(l);
				if (!l->is_held)
					link_close(l);
				return false;
			}
			l->cut_reply = l->sent + 1;
		}
	}
	l->sent++;
	buf_add(&l->to_server, command, n);
	return true;
}

static void
pass_commands(struct link *l)
{
	size_t at = 0;

	while (at < l->from_client.len) {
		ssize_t n =
		    resp_length(l->from_client.data + at, l->from_client.len - at);

		if (n < 0) {
			link_close(l);
			return;
		}
		if (n == 0)
			break;
		if (!pass_command(l, l->from_client.data + at, (size_t)n)) {
			drop_front(&l->from_client, l->is_held ? at : 0);
			return;
		}
		at += (size_t)n;
	}
	drop_front(&l->from_client, at);
}

static void
pass_replies(struct link *l)
{
	size_t at = 0;

	while (at < l->from_server.len) {
		ssize_t n = l->is_raw
		    ? (ssize_t)(l->from_server.len - at)
		    : resp_length(l->from_server.data + at, l->from_server.len - at);

		if (n == 0)
			break;
		if (n < 0 || ++l->answered == l->cut_reply) {
			if (n > 0 && proxy.strike == STRIKE_TEAR)
				buf_add(&l->to_client, l->from_server.data + at,
				    (size_t)n / 2);
			(void)write_some(l->client,
			    &l->to_client); /* earlier replies */
			if (n > 0)
				strike_peer(l);
			if (!l->is_held) {
				link_close(l); /* carried out, and nobody hears of it */
				return;
			}
			l->cut_reply = 0;
			l->answered--; /* it will be, at "go" */
			break;
		}
		buf_add(&l->to_client, l->from_server.data + at, (size_t)n);
		at += (size_t)n;
	}
	drop_front(&l->from_server, at);
}

static void
link_turn(struct link *l, short client_events, short server_events)
{
	if (client_events & (POLLIN | POLLHUP | POLLERR)) {
		if (!read_some(l->client, &l->from_client)) {
			link_close(l);
			return;
		}
		pass_commands(l);
	}
	if (l->client >= 0 && !l->is_held &&
	    (server_events & (POLLIN | POLLHUP | POLLERR))) {
		bool is_open = read_some(l->server, &l->from_server);

		pass_replies(l);
		if (l->client >= 0 && !is_open) {
			(void)write_some(l->client, &l->to_client);
			link_close(l);
		}
	}
	if (l->client >= 0 &&
	    (!write_some(l->client, &l->to_client) ||
		!write_some(l->server, &l->to_server)))
		link_close(l);
}

/* ---- orders ---- */

static void
order_arm(char *words)
{
	char *save = NULL, *when = strtok_r(words, " ", &save);
	char *count = strtok_r(NULL, " ", &save), *word;

	proxy.cuts_after = when != NULL && strcmp(when, "after") == 0;
	proxy.countdown = count != NULL ? strtoull(count, NULL, 10) : 0;
	proxy.is_armed = proxy.countdown > 0;
	proxy.role[0] = proxy.match[0] = '\0';
	proxy.strike = STRIKE_CUT;
	while ((word = strtok_r(NULL, " ", &save)) != NULL) {
		if (strncmp(word, "role=", 5) == 0)
			(void)snprintf(proxy.role, sizeof(proxy.role), "%.31s",
			    word + 5);
		if (strcmp(word, "do=tear") == 0)
			proxy.strike = STRIKE_TEAR;
		if (strcmp(word, "do=kill") == 0)
			proxy.strike = STRIKE_KILL;
		if (strcmp(word, "do=stop") == 0)
			proxy.strike = STRIKE_STOP;
		if (strncmp(word, "match=", 6) == 0)
			(void)snprintf(proxy.match, sizeof(proxy.match), "%.127s",
			    word + 6);
	}
}

static void
drop_all(void)
{
	for (size_t i = 0; i < LINKS_MAX; i++)
		link_close(&proxy.links[i]);
}

static void
let_go(void)
{
	for (size_t i = 0; i < LINKS_MAX; i++) {
		struct link *l = &proxy.links[i];

		if (!l->is_held)
			continue;
		l->is_held = false;
		pass_commands(l);
		if (l->client >= 0)
			pass_replies(l);
		if (l->client >= 0) /* a dead peer shows at the next turn */
			(void)write_some(l->server, &l->to_server);
	}
	if (proxy.stopped != 0)
		(void)kill(proxy.stopped, SIGCONT);
	proxy.stopped = 0;
}

static unsigned
count_links(void)
{
	unsigned n = 0;

	for (size_t i = 0; i < LINKS_MAX; i++)
		n += proxy.links[i].client >= 0;
	return n;
}

static void
carry_out(char *line, struct buf *answer)
{
	char *words = line + strcspn(line, " ");

	if (*words != '\0')
		*words++ = '\0';
	if (strcmp(line, "arm") == 0) {
		order_arm(words);
	} else if (strcmp(line, "disarm") == 0) {
		proxy.is_armed = false;
	} else if (strcmp(line, "reset") == 0) {
		proxy.n_commands = proxy.n_cuts = 0;
		proxy.struck[0] = '\0';
		buf_clear(&proxy.log);
	} else if (strcmp(line, "go") == 0) {
		let_go();
	} else if (strcmp(line, "drop") == 0) {
		drop_all();
	} else if (strcmp(line, "refuse") == 0) {
		proxy.is_refusing = strcmp(words, "on") == 0;
	} else if (strcmp(line, "pause") == 0) {
		proxy.is_paused = strcmp(words, "on") == 0;
	} else if (strcmp(line, "slow") == 0) {
		proxy.slow_ms = (unsigned)atoi(words);
	} else if (strcmp(line, "trickle") == 0) {
		proxy.is_trickling = strcmp(words, "on") == 0;
	} else if (strcmp(line, "stats") == 0) {
		buf_addf(answer, "commands=%llu cuts=%llu armed=%d links=%u at=%s\n",
		    (unsigned long long)proxy.n_commands,
		    (unsigned long long)proxy.n_cuts, proxy.is_armed, count_links(),
		    proxy.struck);
		return;
	} else if (strcmp(line, "log") == 0) {
		buf_addf(answer, "%s\n", buf_str(&proxy.log));
		return;
	} else {
		buf_adds(answer, "no such order\n");
		return;
	}
	buf_adds(answer, "ok\n");
}

static void
take_orders(void)
{
	CLEANUP_BUF struct buf answer = BUF_INIT;
	char *eol;

	if (!read_some(proxy.orders_fd, &proxy.orders)) {
		(void)close(proxy.orders_fd);
		proxy.orders_fd = -1;
		buf_clear(&proxy.orders);
		return;
	}
	while (proxy.orders.len > 0 &&
	    (eol = memchr(proxy.orders.data, '\n', proxy.orders.len)) != NULL) {
		*eol = '\0';
		carry_out(proxy.orders.data, &answer);
		drop_front(&proxy.orders, (size_t)(eol - proxy.orders.data) + 1);
	}
	while (answer.len > 0 && write_some(proxy.orders_fd, &answer))
		;
}

/* ---- the loop ---- */

static void
turn(void)
{
	struct pollfd fds[2 * LINKS_MAX + 3];
	nfds_t n = 0;

	fds[n++] = (struct pollfd){ .fd = proxy.listen_fd, .events = POLLIN };
	fds[n++] = (struct pollfd){ .fd = proxy.control_fd, .events = POLLIN };
	fds[n++] = (struct pollfd){ .fd = proxy.orders_fd, .events = POLLIN };
	for (size_t i = 0; i < LINKS_MAX; i++) {
		struct link *l = &proxy.links[i];
		bool is_still = proxy.is_paused || l->is_held;
		int client = is_still ? -1 : l->client;
		int server = is_still ? -1 : l->server;

		fds[n++] = (struct pollfd){ client,
			(short)(POLLIN | (l->to_client.len > 0 ? POLLOUT : 0)), 0 };
		fds[n++] = (struct pollfd){ server,
			(short)(POLLIN | (l->to_server.len > 0 ? POLLOUT : 0)), 0 };
	}
	if (poll(fds, n, -1) <= 0)
		return;
	if (proxy.slow_ms > 0)
		(void)nanosleep(&(struct timespec){ .tv_sec = proxy.slow_ms / 1000,
				    .tv_nsec = proxy.slow_ms % 1000 * 1000000L },
		    NULL);
	for (size_t i = 0; i < LINKS_MAX; i++)
		if (proxy.links[i].client >= 0 &&
		    (fds[3 + 2 * i].revents != 0 || fds[4 + 2 * i].revents != 0))
			link_turn(&proxy.links[i], fds[3 + 2 * i].revents,
			    fds[4 + 2 * i].revents);
	if (fds[2].revents != 0 && proxy.orders_fd >= 0)
		take_orders();
	if (fds[1].revents != 0) {
		closep(&proxy.orders_fd);
		proxy.orders_fd =
		    accept4(proxy.control_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	}
	if (fds[0].revents != 0)
		accept_link();
}

static void
usage(FILE *out)
{
	(void)fprintf(out,
	    "usage: redis-proxy --listen PATH --redis PATH --control PATH "
	    "[--die-with-parent]\n"
	    "Passes Redis' protocol on between Unix sockets and cuts it on order.\n");
}

static const struct option options[] = {
	{ "listen", required_argument, NULL, 'l' },
	{ "redis", required_argument, NULL, 'r' },
	{ "control", required_argument, NULL, 'c' },
	{ "die-with-parent", no_argument, NULL, 'd' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

int
main(int argc, char **argv)
{
	const char *listen_path = NULL, *control_path = NULL;
	struct sigaction stop = { .sa_handler = on_signal };
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1)
		switch (c) {
		case 'l':
			listen_path = optarg;
			break;
		case 'r':
			proxy.redis_path = optarg;
			break;
		case 'c':
			control_path = optarg;
			break;
		case 'd':
			service_die_with_parent();
			break;
		default:
			usage(c == 'h' ? stdout : stderr);
			return c == 'h' ? EXIT_STATUS_OK : EXIT_STATUS_USAGE;
		}
	if (listen_path == NULL || control_path == NULL || proxy.redis_path == NULL) {
		usage(stderr);
		return EXIT_STATUS_USAGE;
	}
	for (size_t i = 0; i < LINKS_MAX; i++)
		proxy.links[i].client = proxy.links[i].server = -1;
	proxy.listen_fd = unix_socket(listen_path, true);
	proxy.control_fd = unix_socket(control_path, true);
	if (proxy.listen_fd < 0 || proxy.control_fd < 0) {
		(void)fprintf(stderr, "redis-proxy: cannot listen: %s\n",
		    strerror(errno));
		return EXIT_STATUS_FAILURE;
	}
	(void)sigaction(SIGTERM, &stop, NULL);
	(void)sigaction(SIGINT, &stop, NULL);
	(void)printf("listening %s\n", listen_path);
	(void)fflush(stdout);
	while (!is_stopping)
		turn();
	drop_all();
	return EXIT_STATUS_OK;
}

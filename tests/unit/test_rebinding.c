/* SPDX-License-Identifier: MIT */
/*
 * test_rebinding.c - names that lead elsewhere than they did when they were judged.
 *
 * getaddrinfo() is this program's own, so that a name resolves to what the test says,
 * each time it is asked: what counts is the address that is connected to.
 */
#include "config.h"

#include "common/net/addr_guard.h"
#include "common/net/http_client.h"
#include "tests/support/http_probe.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

/* ---- the resolver ---- */

/* Answers for NAME, one text a question, the last one for ever: addresses parted by
   blanks; "" is no such name. */
struct answer {
	const char *name;
	const char *texts[3];
	unsigned asked;
};

static struct answer answers[4];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static const char *
answer_for(const char *name)
{
	const char *text = NULL;

	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < ARRAY_LEN(answers) && text == NULL; i++) {
		struct answer *a = &answers[i];

		if (a->name == NULL || strcmp(a->name, name) != 0)
			continue;
		text = a->texts[a->asked];
		if (a->asked + 1 < ARRAY_LEN(a->texts) &&
		    a->texts[a->asked + 1] != NULL)
			a->asked++;
	}
	pthread_mutex_unlock(&lock);
	return text;
}

static struct addrinfo *
one_address(const char *text, size_t n, const char *service)
{
	struct {
		struct addrinfo info;
		union {
			struct sockaddr any;
			struct sockaddr_in v4;
			struct sockaddr_in6 v6;
		} sa;
	} *a = calloc(1, sizeof(*a));
	uint16_t port = htons((uint16_t)(service != NULL ? atoi(service) : 0));
	char copy[64];

	if (a == NULL)
		return NULL;
	(void)snprintf(copy, sizeof(copy), "%.*s", (int)n, text);
	a->info.ai_socktype = SOCK_STREAM;
	a->info.ai_addr = &a->sa.any;
	if (inet_pton(AF_INET, copy, &a->sa.v4.sin_addr) == 1) {
		a->info.ai_family = a->sa.any.sa_family = AF_INET;
		a->info.ai_addrlen = sizeof(a->sa.v4);
		a->sa.v4.sin_port = port;
	} else {
		(void)inet_pton(AF_INET6, copy, &a->sa.v6.sin6_addr);
		a->info.ai_family = a->sa.any.sa_family = AF_INET6;
		a->info.ai_addrlen = sizeof(a->sa.v6);
		a->sa.v6.sin6_port = port;
	}
	return &a->info;
}

int
getaddrinfo(const char *name, const char *service, const struct addrinfo *hints UNUSED,
    struct addrinfo **out)
{
	const char *text = name != NULL ? answer_for(name) : NULL;
	struct addrinfo **tail = out;

	*out = NULL;
	if (text == NULL || *text == '\0')
		return EAI_NONAME;
	while (*text != '\0') {
		size_t n = strcspn(text, " ");

		*tail = one_address(text, n, service);
		if (*tail == NULL)
			return EAI_MEMORY;
		tail = &(*tail)->ai_next;
		text += n;
		text += strspn(text, " ");
	}
	return 0;
}

void
freeaddrinfo(struct addrinfo *list)
{
	while (list != NULL) {
		struct addrinfo *next = list->ai_next;

		free(list);
		list = next;
	}
}

/* ---- the client ---- */

static const struct http_probe_route routes[] = {
	{ "/plain", .body = "hello" },
	{ "/closing", .body = "hello", .headers = "Connection: close\r\n" },
	{ "/hop", .status = 302,
	    .headers = "Location: http://second.test:{port}/plain\r\n" },
};

static struct http_probe *probe;
static struct http_client *client;
static struct addr_guard *guard;

static void
make_client(const char *entry)
{
	static char star[] = "*";
	char text[100], *stars[] = { star }, *entries[] = { text };
	struct addr_guard_rules rules = { stars, 1, entries, 1, stars, 1 };
	struct http_client_options options = { 0 };

	http_client_free(client);
	addr_guard_free(guard);
	(void)snprintf(text, sizeof(text), "%s:%u", entry, http_probe_port(probe));
	cr_assert(addr_guard_new(&rules, &guard, NULL) == 0);
	options.guard = guard;
	cr_assert(http_client_new(&options, &client, NULL) == 0);
}

static void
setup(void)
{
	(void)signal(SIGPIPE, SIG_IGN);
	probe = http_probe_start(routes, ARRAY_LEN(routes));
	cr_assert(probe != NULL);
}

static void
teardown(void)
{
	http_client_free(client);
	addr_guard_free(guard);
	http_probe_stop(probe);
}

TestSuite(rebinding, .init = setup, .fini = teardown, .timeout = 60);

struct outcome {
	bool is_done;
	enum http_class class;
	char message[400];
};

static void
on_done(void *ctx, struct http_result *r)
{
	struct outcome *o = ctx;

	o->is_done = true;
	o->class = r->class;
	(void)snprintf(o->message, sizeof(o->message), "%s", r->message);
}

static struct outcome
get(const char *host, const char *path)
{
	struct outcome o = { 0 };
	char url[200];
	struct http_request request = { .url = url,
		.max_redirects = 5,
		.timeout_ms = 20000 };

	(void)snprintf(url, sizeof(url), "http://%s:%u%s", host, http_probe_port(probe),
	    path);
	cr_assert(http_client_start(client, &request, on_done, &o) != NULL);
	while (!o.is_done) {
		struct pollfd p = { .fd = http_client_fd(client), .events = POLLIN };

		if (poll(&p, 1, 20000) > 0)
			http_client_turn(client);
	}
	return o;
}

static void
expect(const char *host, const char *path, enum http_class class, const char *says)
{
	struct outcome o = get(host, path);

	cr_expect(eq(int, o.class, class), "%s%s: %s: %s", host, path,
	    http_class_name(o.class), o.message);
	cr_expect(strstr(o.message, says) != NULL, "%s%s: %s", host, path, o.message);
}

/* What every name of these tests is not allowed to mean. */
static const struct {
	const char *address, *says;
} places[] = {
	{ "127.0.0.1", "loopback" },
	{ "127.0.0.2", "loopback" },
	{ "::1", "loopback" },
	{ "::ffff:127.0.0.1", "loopback" },
	{ "::127.0.0.1", "loopback" },
	{ "0.0.0.0", "unspecified" },
	{ "::", "unspecified" },
	{ "10.1.2.3", "private" },
	{ "192.168.1.1", "private" },
	{ "100.64.0.1", "carrier" },
	{ "169.254.169.254", "metadata" },
	{ "64:ff9b::a9fe:a9fe", "metadata" },
	{ "2002:7f00:1::", "loopback" },
	{ "2001:db8::1", "documentation" },
	{ "2606:4700::5efe:10.0.0.1", "private" },
	{ "fd00::1", "unique local" },
	{ "fe80::1", "link-local" },
	{ "224.0.0.1", "multicast" },
	{ "255.255.255.255", "broadcast" },
};

Test(rebinding, a_name_opens_no_address_that_is_not_allowed)
{
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		answers[0] = (struct answer){ "first.test", { places[i].address }, 0 };
		make_client("203.0.113.99");
		expect("first.test", "/plain", HTTP_FORBIDDEN_ADDRESS, places[i].says);
	}
	cr_expect(eq(uint, http_probe_connections(probe), 0));
}

Test(rebinding, of_several_addresses_only_the_allowed_are_connected_to)
{
	answers[0] =
	    (struct answer){ "first.test", { "10.0.0.1 127.0.0.2 127.0.0.1" }, 0 };
	make_client("127.0.0.1");
	expect("first.test", "/plain", HTTP_OK, "");
	cr_expect(eq(uint, http_probe_connections(probe), 1));
}

/* The first answer is what a check before would have seen. */
Test(rebinding, an_answer_that_changes_is_judged_again)
{
	answers[0] = (struct answer){ "first.test", { "127.0.0.1", "127.0.0.2" }, 0 };
	make_client("127.0.0.1");
	expect("first.test", "/closing", HTTP_OK, "");
	make_client("127.0.0.1"); /* forgets what it has resolved */
	expect("first.test", "/closing", HTTP_FORBIDDEN_ADDRESS, "127.0.0.2");
	cr_expect(eq(uint, http_probe_connections(probe), 1));
}

Test(rebinding, each_hop_is_judged_by_its_own_address)
{
	answers[0] = (struct answer){ "first.test", { "127.0.0.1" }, 0 };
	answers[1] = (struct answer){ "second.test", { "169.254.169.254" }, 0 };
	make_client("127.0.0.1");
	expect("first.test", "/hop", HTTP_FORBIDDEN_ADDRESS, "metadata");
	answers[1] = (struct answer){ "second.test", { "127.0.0.1" }, 0 };
	make_client("127.0.0.1");
	expect("first.test", "/hop", HTTP_OK, "");
}

/* A connection that stands idle serves the name that it was opened for, no other. */
Test(rebinding, a_kept_connection_is_no_way_round_the_guard)
{
	answers[0] = (struct answer){ "first.test", { "127.0.0.1" }, 0 };
	answers[1] = (struct answer){ "second.test", { "127.0.0.1" }, 0 };
	make_client("first.test");
	expect("first.test", "/plain", HTTP_OK, "");
	expect("first.test", "/plain", HTTP_OK, "");
	cr_expect(eq(uint, http_probe_connections(probe), 1), "it is kept");
	expect("second.test", "/plain", HTTP_FORBIDDEN_ADDRESS, "loopback");
	expect("first.test", "/hop", HTTP_FORBIDDEN_ADDRESS, "loopback");
	cr_expect(eq(uint, http_probe_connections(probe), 1));
}

Test(rebinding, a_name_without_an_address_is_an_error_that_names_it)
{
	answers[0] = (struct answer){ "first.test", { "" }, 0 };
	make_client("127.0.0.1");
	expect("first.test", "/plain", HTTP_RESOLVE, "first.test");
	expect("unheard.test", "/plain", HTTP_RESOLVE, "unheard.test");
	cr_expect(http_class_is_transient(HTTP_RESOLVE));
}

Test(rebinding, a_proxy_in_the_environment_is_not_asked)
{
	static const char *const names[] = { "http_proxy", "HTTP_PROXY", "https_proxy",
		"HTTPS_PROXY", "all_proxy", "ALL_PROXY" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		(void)setenv(names[i], "http://127.0.0.1:1", 1);
	answers[0] = (struct answer){ "first.test", { "127.0.0.1" }, 0 };
	make_client("127.0.0.1");
	expect("first.test", "/plain", HTTP_OK, "");
}

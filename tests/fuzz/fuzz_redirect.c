/* SPDX-License-Identifier: MIT */
/*
 * fuzz_redirect.c - the head of a stranger's answer, line by line, and where it sends
 * the request: no credential may leave its origin, and the guard must have said yes.
 *
 * Owns:   a transfer a run, which curl never sees.
 * Called: by libFuzzer, and by driver.c on each file of the corpus.
 * Fails:  by abort, which is a finding.
 */
#include "config.h"

#include "common/net/http_private.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define KEY "S3cr3tKEY"

static const char *const origins[] = { "http://a.example/x?key=S3cr3tKEY",
	"https://a.example/y", "https://b.a.example:8443/", "http://127.0.0.1:9/" };

static bool
sends_credential(const struct http_transfer *t)
{
	for (size_t i = 0; i < t->n_lines; i++)
		if (t->lines[i].is_auth && t->lines[i].node.data != NULL)
			return true;
	return false;
}

/* Feeds the lines, as curl does: each with its end. */
static void
feed(struct http_transfer *t, const char *bytes, size_t size)
{
	char line[2048];

	while (size > 0) {
		const char *nl = memchr(bytes, '\n', size);
		size_t n = nl != NULL ? (size_t)(nl - bytes) + 1 : size;
		size_t len = n < sizeof(line) ? n : sizeof(line);

		memcpy(line, bytes, len);
		if (http_answer_header(line, 1, len, t) == 0)
			return;
		bytes += n;
		size -= n;
	}
}

static void
follow(struct http_transfer *t, const struct url *origin, bool knows_key)
{
	for (int hop = 0; hop < 4; hop++) {
		enum http_class class = HTTP_OK;
		struct url target;
		int r;

		t->status = 302 + hop;
		r = http_request_redirect(t, &class);
		if (r <= 0) {
			ASSERT(r == 0 || (class != HTTP_OK && t->message[0] != '\0'));
			return;
		}
		ASSERT(url_parse(t->url, strlen(t->url), &target, NULL) == 0);
		ASSERT(
		    addr_guard_check_url(t->client->options.guard, &target, NULL) == 0);
		if (url_keeps_trust(origin, &target))
			continue;
		ASSERT(!sends_credential(t));
		ASSERT(!knows_key || strstr(t->url, KEY) == NULL);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char star[] = "*", entry[] = "127.0.0.1";
	static char *stars[] = { star }, *entries[] = { entry };
	static const struct addr_guard_rules rules = { stars, 1, entries, 1, stars, 1 };
	static struct http_client client;
	static struct addr_guard *guard;
	static struct secrets *secrets;
	const struct http_header header = { "X-Key", KEY, true };
	struct http_request request = { .headers = &header,
		.n_headers = 1,
		.body = "b",
		.body_len = 1,
		.max_redirects = 9 };
	struct http_transfer t = { .client = &client };
	struct url origin;

	if (size < 1)
		return 0;
	if (guard == NULL) {
		ASSERT(addr_guard_new(&rules, &guard, NULL) == 0);
		secrets = secrets_new();
		ASSERT(secrets != NULL && secrets_add(secrets, KEY, strlen(KEY)) == 0);
		client.options.guard = guard;
	}
	request.url = origins[data[0] % ARRAY_LEN(origins)];
	request.secrets = secrets;
	ASSERT(
	    http_request_copy(&t, &request) == 0 && http_request_check(&t) == HTTP_OK);
	origin = t.target;
	feed(&t, (const char *)data + 1, size - 1);
	follow(&t, &origin, true);
	(void)http_answer_find(&t, "retry-after");
	http_request_release(&t);
	buf_release(&t.headers);
	buf_release(&t.answer);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * fuzz_url.c - URLs and allow_private entries as a model or a configuration may have
 * them.
 *
 * Beside crashes it looks for a URL that libcurl would take to another host or port
 * than the guard judged, and for an entry that opens what it does not name.
 */
#include "config.h"

#include "common/net/addr_guard.h"

#include <curl/curl.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* curl normalises odd IPv4 numbers and IPv6 texts: compare addresses as such. */
static bool
is_same_host(const struct url *ours, const char *theirs)
{
	size_t n = strlen(theirs);
	struct ip_addr a;

	if (n > 1 && theirs[0] == '[') {
		theirs++;
		n -= 2;
	}
	if (ours->is_address)
		return ip_addr_parse(theirs, n, &a) &&
		    memcmp(&a, &ours->address, sizeof(a)) == 0;
	if (n > 0 && theirs[n - 1] == '.')
		n--;
	return strlen(ours->host) == n && strncasecmp(ours->host, theirs, n) == 0;
}

static void
compare_with_curl(const char *text, const struct url *ours)
{
	CURLU *u = curl_url();
	char *host = NULL, *port = NULL;

	if (curl_url_set(u, CURLUPART_URL, text, 0) == CURLUE_OK) {
		ASSERT(curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK);
		ASSERT(curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) ==
		    CURLUE_OK);
		ASSERT(is_same_host(ours, host));
		ASSERT(atoi(port) == ours->port);
	}
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(u);
}

static void
try_entry(char *text, const struct url *url)
{
	static char star[] = "*";
	char *stars[] = { star };
	const struct addr_guard_rules rules = { stars, 1, &text, 1, stars, 1 };
	struct ip_addr loopback = { .is_v6 = false, .bytes = { 127, 0, 0, 1 } };
	struct addr_guard *g = NULL;
	struct err err = ERR_INIT;

	if (addr_guard_new(&rules, &g, &err) < 0) {
		ASSERT(err.text[0] != '\0');
		return;
	}
	(void)addr_guard_check_url(g, url, &err);
	(void)addr_guard_check_address(g, url, &loopback, url->port, &err);
	addr_guard_free(g);
}

/* The input is a URL, a line feed, and an entry. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	CLEANUP(freep) char *text = malloc(n + 1);
	struct url url = { .port = 80, .host = "example.com" };
	struct err err = ERR_INIT;
	char *entry;

	if (text == NULL)
		return 0;
	memcpy(text, data, n);
	text[n] = '\0';
	entry = strchr(text, '\n');
	if (entry != NULL)
		*entry++ = '\0';
	if (url_parse(text, strlen(text), &url, &err) == 0)
		compare_with_curl(text, &url);
	if (entry != NULL)
		try_entry(entry, &url);
	return 0;
}

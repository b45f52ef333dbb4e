/* SPDX-License-Identifier: MIT */
/*
 * fuzz_fetch.c - a worker's request to fetch, from its JSON to what is sent: up to the
 * first NUL the meta, after it the data.
 *
 * Owns:   a configuration for all runs, a request a run.
 * Called: by libFuzzer, and by driver.c on each file of the corpus.
 * Fails:  by abort, which is a finding.
 */
#include "config.h"

#include "common/net/url.h"
#include "fetch/fetch_request.h"

#include <errno.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define KEY "S3cr3tKEY"

static const char text[] =
    "auth_profiles: { h = { type = \"api_key\"; header = \"X-Key\"; value = \"" KEY
    "\"; hosts = ( \"a.example\", \"*.b.example\" ); }; q = { type = \"api_key\"; query "
    "= \"key\"; value = \"" KEY "\"; hosts = ( \"a.example\" ); }; b = { type = "
    "\"basic\"; username = \"u\"; password = \"" KEY
    "\"; hosts = ( \"a.example\" ); }; "
    "};";

static void
expect_headers(const struct fetch_request *r)
{
	for (size_t i = 0; i < r->http.n_headers; i++) {
		const struct http_header *h = &r->headers[i];

		ASSERT(h->name[0] != '\0' && strpbrk(h->name, "\r\n: ") == NULL);
		ASSERT(strpbrk(h->value, "\r\n") == NULL);
		ASSERT(strcasecmp(h->name, "host") != 0 &&
		    strcasecmp(h->name, "content-length") != 0 &&
		    strcasecmp(h->name, "transfer-encoding") != 0);
	}
}

/* A secret goes to its own hosts, and is not in the URL that is shown. */
static void
expect_bound(const struct fetch_request *r)
{
	struct url url;

	ASSERT(url_parse(r->http.url, strlen(r->http.url), &url, NULL) == 0);
	ASSERT(strstr(buf_str(&r->shown_url), KEY) == NULL);
	if (r->profile == NULL)
		return;
	ASSERT(strcmp(url.host, "a.example") == 0 ||
	    (strcmp(r->profile->name, "h") == 0 &&
		url_host_matches(url.host, "*.b.example")));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct conf *conf;
	const char *meta = (const char *)data;
	size_t n = strnlen(meta, size);
	struct fetch_error e = { 0 };
	struct fetch_request r;
	int status;

	if (conf == NULL)
		ASSERT(conf_read_role(text, strlen(text), &conf, NULL) == 0);
	if (memmem(data, size, KEY, strlen(KEY)) != NULL)
		return 0;
	status = fetch_request_read(&r, conf, meta, n, n < size ? meta + n + 1 : NULL,
	    n < size ? size - n - 1 : 0, &e);
	ASSERT(status == 0 || status == -EINVAL || status == -ENOMEM);
	if (status == 0) {
		expect_headers(&r);
		expect_bound(&r);
	} else if (status == -EINVAL) {
		ASSERT(e.type != NULL && e.message.len > 0);
		ASSERT(strstr(buf_str(&e.message), KEY) == NULL);
	}
	fetch_request_release(&r);
	fetch_error_release(&e);
	return 0;
}

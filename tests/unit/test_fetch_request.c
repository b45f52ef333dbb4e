/* SPDX-License-Identifier: MIT */
/* test_fetch_request.c - from what a model writes to what is sent, and what is
   refused. */
#include "config.h"

#include "fetch/fetch_request.h"

#include "common/error_types.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <string.h>

static struct conf *conf;

static const char conf_text[] =
    "network: { timeout_sec = 20; max_body_bytes = 5000; max_redirects = 3; };\n"
    "auth_profiles: {\n"
    "  head = { type = \"api_key\"; header = \"X-Key\"; value = \"s3cr3t-head\"; hosts = ( \"a.example\" ); };\n"
    "  query = { type = \"api_key\"; query = \"key\"; value = \"s3cr3t+query\"; hosts = ( \"a.example\", \"*.b.example\" ); };\n"
    "  bear = { type = \"bearer\"; token = \"s3cr3t-bear\"; hosts = ( \"a.example:8080\" ); };\n"
    "  basic = { type = \"basic\"; username = \"me\"; password = \"s3cr3t-pass\"; hosts = ( \"a.example\" ); };\n"
    "  plain = { type = \"bearer\"; token = \"s3cr3t-plain\"; hosts = ( \"plain.example:80\" ); };\n"
    "  near = { type = \"bearer\"; token = \"s3cr3t-near\"; hosts = ( \"10.1.2.3\", \"localhost\" ); };\n"
    "  unset = { type = \"bearer\"; token = \"\"; hosts = ( \"a.example\" ); };\n"
    "};\n";

static void
setup(void)
{
	struct err err = ERR_INIT;

	cr_assert(eq(int, conf_read_role(conf_text, strlen(conf_text), &conf, &err), 0),
	    "%s", err.text);
}

static void
teardown(void)
{
	conf_free(conf);
}

TestSuite(fetch_request, .init = setup, .fini = teardown);

static int
read_it(struct fetch_request *r, const char *meta, struct fetch_error *e)
{
	*e = (struct fetch_error){ 0 };
	return fetch_request_read(r, conf, meta, strlen(meta), NULL, 0, e);
}

/* clang-format off */
static const struct {
	const char *meta;
	const char *method, *url, *body; /* NULL: none */
} accepted[] = {
	{ "{\"url\":\"api.example/search\"}", "GET", "https://api.example/search", NULL },
	{ "{\"url\":\"  http://api.example \\n\"}", "GET", "http://api.example", NULL },
	{ "{\"url\":\"//api.example/x\"}", "GET", "https://api.example/x", NULL },
	{ "{\"url\":\"api.example:8080/x\"}", "GET", "https://api.example:8080/x", NULL },
	{ "{\"url\":\"api.example/x?u=http://y/\"}", "GET", "https://api.example/x?u=http://y/", NULL },
	{ "{\"url\":\"https://api.example/x#frag\"}", "GET", "https://api.example/x", NULL },
	{ "{\"url\":\"https://api.example/M\xc3\xbcnchen x?q={a}|b\"}", "GET", "https://api.example/M%C3%BCnchen%20x?q=%7Ba%7D%7Cb", NULL },
	{ "{\"url\":\"https://api.example/50%25\"}", "GET", "https://api.example/50%25", NULL },
	{ "{\"url\":\"a.example\",\"method\":\"get\"}", "GET", "https://a.example", NULL },
	{ "{\"url\":\"a.example\",\"method\":null,\"params\":null,\"headers\":null,\"auth_profile\":null}", "GET", "https://a.example", NULL },
	{ "{\"url\":\"a.example\",\"params\":{\"q\":\"a b&c=\xc3\xa9\",\"n\":1.50,\"t\":true,\"f\":false,\"z\":null}}",
	  "GET", "https://a.example?q=a%20b%26c%3D%C3%A9&n=1.50&t=true&f=false", NULL },
	{ "{\"url\":\"a.example/?x=1\",\"params\":{\"y\":[1,\"two\",true]}}", "GET", "https://a.example/?x=1&y=1&y=two&y=true", NULL },
	{ "{\"url\":\"a.example/?\",\"params\":{\"y\":2}}", "GET", "https://a.example/?y=2", NULL },
	{ "{\"url\":\"a.example\",\"params\":{}}", "GET", "https://a.example", NULL },
	{ "{\"url\":\"a.example\",\"params\":{\"e\":[]}}", "GET", "https://a.example", NULL },
	{ "{\"url\":\"a.example\",\"method\":\"POST\"}", "POST", "https://a.example", NULL },
	{ "{\"url\":\"a.example\",\"method\":\"POST\",\"params\":{\"b\":{\"c\":[1.0,null]},\"a\":\"\\u0000\"}}",
	  "POST", "https://a.example", "{\"b\":{\"c\":[1.0,null]},\"a\":\"\\u0000\"}" },
	{ "{\"url\":\"a.example\",\"method\":\"POST\",\"params\":[1,2]}", "POST", "https://a.example", "[1,2]" },
	{ "{\"url\":\"a.example\",\"method\":\"POST\",\"params\":{\"a\":\"x y\",\"b\":[1,2]},\"headers\":{\"content-type\":\"application/x-www-form-urlencoded\"}}",
	  "POST", "https://a.example", "a=x%20y&b=1&b=2" },
	{ "{\"url\":\"a.example\",\"method\":\"DELETE\",\"any_method\":true,\"params\":{\"a\":1}}", "DELETE", "https://a.example?a=1", NULL },
	{ "{\"url\":\"a.example\",\"auth_profile\":\"query\",\"params\":{\"a\":1}}", "GET", "https://a.example?a=1&key=s3cr3t%2Bquery", NULL },
	{ "{\"url\":\"x.b.example\",\"auth_profile\":\"query\"}", "GET", "https://x.b.example?key=s3cr3t%2Bquery", NULL },
};

static const struct {
	const char *meta;
	const char *says;
} refused[] = {
	{ "[]", "no JSON object" },
	{ "{", "no JSON object" },
	{ "{}", "url is missing" },
	{ "{\"url\":7}", "url is missing" },
	{ "{\"url\":\"\"}", "url is missing" },
	{ "{\"url\":\"https://u:p@a.example/\"}", "user name" },
	{ "{\"url\":\"ftp://a.example/\"}", "scheme" },
	{ "{\"url\":\"file:///etc/passwd\"}", "scheme" },
	{ "{\"url\":\"https://a.example/\\u0001\"}", "control character" },
	{ "{\"url\":\"https://a.example/\\u0000\"}", "control character" },
	{ "{\"url\":\"https://b\xc3\xbc" "cher.example/\"}", "xn--" },
	{ "{\"url\":\"a.example\",\"method\":\"PUT\"}", "method 'PUT'" },
	{ "{\"url\":\"a.example\",\"method\":\"TRACE\",\"any_method\":true}", "method 'TRACE'" },
	{ "{\"url\":\"a.example\",\"method\":5}", "method" },
	{ "{\"url\":\"a.example\",\"params\":[1]}", "not an object but array" },
	{ "{\"url\":\"a.example\",\"params\":{\"f\":{\"g\":1}}}", "params.f holds an object" },
	{ "{\"url\":\"a.example\",\"params\":{\"f\":[[1]]}}", "params.f holds an array" },
	{ "{\"url\":\"a.example\",\"headers\":[]}", "headers is not an object" },
	{ "{\"url\":\"a.example\",\"headers\":{\"Host\":\"b\"}}", "Host cannot be set" },
	{ "{\"url\":\"a.example\",\"headers\":{\"content-LENGTH\":\"1\"}}", "cannot be set" },
	{ "{\"url\":\"a.example\",\"headers\":{\"Transfer-Encoding\":\"chunked\"}}", "cannot be set" },
	{ "{\"url\":\"a.example\",\"headers\":{\"Connection\":\"close\"}}", "cannot be set" },
	{ "{\"url\":\"a.example\",\"headers\":{\"X\":\"a\\r\\nHost: b\"}}", "line breaks" },
	{ "{\"url\":\"a.example\",\"headers\":{\"X\":\"a\\u0000b\"}}", "line breaks" },
	{ "{\"url\":\"a.example\",\"headers\":{\"X\":{}}}", "not a text" },
	{ "{\"url\":\"a.example\",\"headers\":{\"X: y\":\"z\"}}", "no header name" },
	{ "{\"url\":\"a.example\",\"headers\":{\"X\\r\\nY\":\"z\"}}", "no header name" },
	{ "{\"url\":\"a.example\",\"headers\":{\"\":\"z\"}}", "no header name" },
	{ "{\"url\":\"a.example\",\"auth_profile\":\"nope\"}", "no auth profile 'nope'; for a.example: head, query, basic, unset" },
	{ "{\"url\":\"evil.example\",\"auth_profile\":\"head\"}", "'head' may not be used for evil.example; allowed there: none" },
	{ "{\"url\":\"b.example\",\"auth_profile\":\"query\"}", "may not be used" },
	{ "{\"url\":\"a.example\",\"auth_profile\":\"bear\"}", "may not be used" },
	{ "{\"url\":\"a.example.evil\",\"auth_profile\":\"head\"}", "may not be used" },
	{ "{\"url\":\"http://a.example\",\"auth_profile\":\"head\"}", "'head' is not sent to a.example without encryption: write https://" },
	{ "{\"url\":\"http://a.example:443\",\"auth_profile\":\"basic\"}", "without encryption" },
	{ "{\"url\":\"http://x.b.example/\",\"auth_profile\":\"query\"}", "without encryption" },
	{ "{\"url\":\"http://plain.example:443/\",\"auth_profile\":\"plain\"}", "may not be used" },
	{ "{\"url\":\"a.example\",\"auth_profile\":\"unset\"}", "has no token" },
	{ "{\"url\":\"a.example\",\"auth_profile\":5}", "not a name" },
};
/* clang-format on */

Test(fetch_request, what_a_model_means_is_what_is_sent)
{
	for (size_t i = 0; i < ARRAY_LEN(accepted); i++) {
		struct fetch_request r;
		struct fetch_error e;

		cr_expect(eq(int, read_it(&r, accepted[i].meta, &e), 0), "%s: %s",
		    accepted[i].meta, buf_str(&e.message));
		cr_expect_str_eq(r.http.method, accepted[i].method);
		cr_expect_str_eq(buf_str(&r.url), accepted[i].url);
		cr_expect(eq(int, r.http.body != NULL, accepted[i].body != NULL), "%s",
		    accepted[i].meta);
		if (accepted[i].body != NULL)
			cr_expect_str_eq(buf_str(&r.body), accepted[i].body);
		cr_expect(strstr(buf_str(&r.shown_url), "s3cr3t") == NULL);
		fetch_request_release(&r);
		fetch_error_release(&e);
	}
}

Test(fetch_request, what_cannot_be_meant_is_refused_with_a_reason)
{
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		struct fetch_request r;
		struct fetch_error e;

		cr_expect(eq(int, read_it(&r, refused[i].meta, &e), -EINVAL), "%s",
		    refused[i].meta);
		cr_assert(e.type != NULL);
		cr_expect_str_eq(e.type, "invalid_step");
		cr_expect(strstr(buf_str(&e.message), refused[i].says) != NULL,
		    "%s: %s", refused[i].meta, buf_str(&e.message));
		fetch_request_release(&r);
		fetch_error_release(&e);
	}
}

static const char *
header(const struct fetch_request *r, const char *name, bool *is_auth)
{
	const char *value = NULL;

	for (size_t i = 0; i < r->http.n_headers; i++) {
		if (strcasecmp(r->headers[i].name, name) == 0) {
			cr_expect(value == NULL, "%s twice", name);
			value = r->headers[i].value;
			*is_auth = r->headers[i].is_auth;
		}
	}
	return value;
}

static const struct {
	const char *meta, *name, *value;
	bool is_auth;
} headers[] = {
	{ "{\"url\":\"a.example\"}", "Accept",
	    "application/json, text/csv;q=0.9, */*;q=0.5", false },
	{ "{\"url\":\"a.example\",\"headers\":{\"accept\":\"text/csv\"}}", "Accept",
	    "text/csv", false },
	{ "{\"url\":\"a.example\",\"headers\":{\"X-N\":5}}", "X-N", "5", false },
	{ "{\"url\":\"a.example\",\"headers\":{\"X-Api-Key\":\"k\"}}", "X-Api-Key", "k",
	    true },
	{ "{\"url\":\"a.example\",\"headers\":{\"Cookie\":\"k\"}}", "Cookie", "k",
	    true },
	{ "{\"url\":\"a.example\",\"headers\":{\"X-Passwd\":\"k\"}}", "X-Passwd", "k",
	    true },
	{ "{\"url\":\"a.example\",\"headers\":{\"X-Credential\":\"k\"}}",
	    "X-Credential", "k", true },
	{ "{\"url\":\"a.example\",\"headers\":{\"Sig\":\"k\"}}", "Sig", "k", true },
	{ "{\"url\":\"http://a.example:8080\",\"auth_profile\":\"bear\"}",
	    "Authorization", "Bearer s3cr3t-bear", true },
	{ "{\"url\":\"http://plain.example/\",\"auth_profile\":\"plain\"}",
	    "Authorization", "Bearer s3cr3t-plain", true },
	{ "{\"url\":\"http://10.1.2.3/\",\"auth_profile\":\"near\"}", "Authorization",
	    "Bearer s3cr3t-near", true },
	{ "{\"url\":\"http://localhost/\",\"auth_profile\":\"near\"}", "Authorization",
	    "Bearer s3cr3t-near", true },
	{ "{\"url\":\"a.example\",\"method\":\"POST\",\"params\":{}}", "Content-Type",
	    "application/json", false },
	{ "{\"url\":\"a.example\",\"auth_profile\":\"head\",\"headers\":{\"x-key\":\"mine\"}}",
	    "X-Key", "s3cr3t-head", true },
	{ "{\"url\":\"a.example:8080\",\"auth_profile\":\"bear\"}", "Authorization",
	    "Bearer s3cr3t-bear", true },
	{ "{\"url\":\"a.example\",\"auth_profile\":\"basic\"}", "Authorization",
	    "Basic bWU6czNjcjN0LXBhc3M=", true },
};

Test(fetch_request, headers_and_profiles)
{
	for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
		struct fetch_request r;
		struct fetch_error e;
		const char *value;
		bool is_auth = false;

		cr_assert(eq(int, read_it(&r, headers[i].meta, &e), 0), "%s: %s",
		    headers[i].meta, buf_str(&e.message));
		value = header(&r, headers[i].name, &is_auth);
		cr_assert(value != NULL, "%s", headers[i].meta);
		cr_expect_str_eq(value, headers[i].value);
		cr_expect(eq(int, is_auth, headers[i].is_auth), "%s", headers[i].meta);
		fetch_request_release(&r);
		fetch_error_release(&e);
	}
}

static const struct {
	const char *meta;
	uint32_t timeout_ms;
	size_t max_bytes;
} bounds[] = {
	{ "{\"url\":\"a\"}", 20000, 5000 },
	{ "{\"url\":\"a\",\"timeout_ms\":100,\"max_bytes\":10}", 100, 10 },
	{ "{\"url\":\"a\",\"timeout_ms\":99999999,\"max_bytes\":99999999}", 20000,
	    5000 },
	{ "{\"url\":\"a\",\"timeout_ms\":-1,\"max_bytes\":0}", 20000, 5000 },
	{ "{\"url\":\"a\",\"timeout_ms\":\"x\",\"max_bytes\":1.5}", 20000, 5000 },
};

Test(fetch_request, a_worker_asks_for_less_but_never_for_more)
{
	for (size_t i = 0; i < ARRAY_LEN(bounds); i++) {
		struct fetch_request r;
		struct fetch_error e;

		cr_expect(eq(int, read_it(&r, bounds[i].meta, &e), 0));
		cr_expect(eq(u32, r.http.timeout_ms, bounds[i].timeout_ms));
		cr_expect(eq(sz, r.http.max_body_bytes, bounds[i].max_bytes));
		cr_expect(eq(uint, r.http.max_redirects, 3));
		fetch_request_release(&r);
		fetch_error_release(&e);
	}
}

Test(fetch_request, data_is_the_body_and_params_go_to_the_query)
{
	static const char meta[] =
	    "{\"url\":\"a.example\",\"method\":\"POST\",\"params\":{\"a\":1}}";
	struct fetch_error e = { 0 };
	struct fetch_request r;

	cr_expect(eq(int,
	    fetch_request_read(&r, conf, meta, strlen(meta), "<x/>", 4, &e), 0));
	cr_expect_str_eq(buf_str(&r.url), "https://a.example?a=1");
	cr_expect(eq(sz, r.http.body_len, 4));
	fetch_request_release(&r);
	fetch_error_release(&e);
}

static const char *const leaks[] = { "x s3cr3t-pass y",
	"bWU6czNjcjN0LXBhc3M=", "czNjcjN0LXBhc3M", "s3cr3t-passs3cr3t-pass" };

/* All profiles', whichever the request used: a server may hold several. */
Test(fetch_request, an_error_shows_no_secret_in_any_form)
{
	CLEANUP(secrets_freep) struct secrets *secrets = NULL;

	cr_assert(eq(int, conf_secrets(conf, &secrets), 0));
	for (size_t i = 0; i < ARRAY_LEN(leaks); i++) {
		struct http_result result = { .class = HTTP_OK,
			.message = "",
			.status = 403,
			.body = { 0 } };
		struct fetch_error e = { 0 };

		buf_adds(&result.body, leaks[i]);
		cr_expect(not(fetch_error_judge(&e, &result, "https://a/", secrets)));
		cr_expect(strstr(e.message.data, "s3cr3t") == NULL, "%s",
		    e.message.data);
		cr_expect(strstr(e.message.data, "czNjcj") == NULL, "%s",
		    e.message.data);
		cr_expect(strstr(e.message.data, SECRETS_MASK) != NULL, "%s",
		    e.message.data);
		buf_release(&result.body);
		fetch_error_release(&e);
	}
}

Test(fetch_request, every_way_to_fail_is_an_error_type)
{
	for (int c = HTTP_OK + 1; c < HTTP_CLASS_COUNT; c++) {
		struct http_result result = { .class = (enum http_class)c,
			.message = "m" };
		struct fetch_error e = { 0 };
		enum error_type type;

		cr_expect(not(fetch_error_judge(&e, &result, "https://a/", NULL)));
		type = error_type_from_name(e.type, strlen(e.type));
		cr_expect(ne(int, type, ERROR_TYPE_NONE), "%s", e.type);
		cr_expect(eq(int, e.is_retryable, error_type_is_retryable(type)));
		fetch_error_release(&e);
	}
	for (int status = 100; status < 600; status++) {
		struct http_result result = { .class = HTTP_OK,
			.message = "",
			.status = status };
		struct fetch_error e = { 0 };
		bool ok = fetch_error_judge(&e, &result, "https://a/", NULL);

		cr_expect(eq(int, ok, status >= 200 && status < 300));
		if (!ok)
			cr_expect(eq(int, e.is_retryable,
				      status < 300 || status == 408 || status == 425 ||
					  status == 429 || status >= 500),
			    "%d", status);
		fetch_error_release(&e);
	}
}

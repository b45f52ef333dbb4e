/* SPDX-License-Identifier: MIT */
/*
 * http_request.c - what is sent: the copied request, hop after hop.
 *
 * Owns:   url and lines of a transfer, and what its easy handle is set to.
 * Called: by http_client.c.
 * Fails:  with a class and a message for whoever asked.
 */
#include "config.h"

#include "common/clock.h"
#include "common/net/http_private.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

enum {
	DEFAULT_TIMEOUT_MS = 30000,
	DEFAULT_CONNECT_MS = 10000,
	DEFAULT_BODY_MAX = 16 * 1024 * 1024
};

/* Credentials by name, whoever set them. */
static const char *const auth_names[] = { "authorization", "cookie",
	"proxy-authorization" };

static bool
is_auth_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(auth_names); i++)
		if (strcasecmp(name, auth_names[i]) == 0)
			return true;
	return false;
}

static bool
has_line_break(const char *s)
{
	return strpbrk(s, "\r\n") != NULL;
}

/* "Expect:" keeps curl from waiting for 100 Continue; a body without a type gets
   none. */
static char line_no_expect[] = "Expect:";
static char line_no_type[] = "Content-Type:";

static int
copy_headers(struct http_transfer *t, const struct http_request *r)
{
	size_t bytes = (r->n_headers + 2) * sizeof(*t->lines);
	bool has_type = false;
	char *text;

	for (size_t i = 0; i < r->n_headers; i++) {
		if (r->headers[i].name[0] == '\0' || strchr(r->headers[i].name, ':') ||
		    has_line_break(r->headers[i].name) ||
		    has_line_break(r->headers[i].value))
			return -EINVAL;
		bytes += strlen(r->headers[i].name) + strlen(r->headers[i].value) + 3;
	}
	t->lines = calloc(1, bytes);
	if (t->lines == NULL)
		return -ENOMEM;
	text = (char *)(t->lines + r->n_headers + 2);
	for (size_t i = 0; i < r->n_headers; i++) {
		const struct http_header *h = &r->headers[i];
		struct http_header_line *line = &t->lines[t->n_lines++];
		bool is_empty = h->value[0] == '\0';

		line->node.data = text;
		line->is_auth = h->is_auth || is_auth_name(h->name);
		line->is_of_body = strncasecmp(h->name, "content-", 8) == 0;
		has_type = has_type || strcasecmp(h->name, "content-type") == 0;
		text +=
		    sprintf(text, is_empty ? "%s;" : "%s: %s", h->name, h->value) + 1;
	}
	t->lines[t->n_lines++].node.data = line_no_expect;
	if (!has_type)
		t->lines[t->n_lines++].node.data = line_no_type;
	return 0;
}

static int
copy_method(struct http_transfer *t, const struct http_request *r)
{
	const char *method = r->method;

	if (method == NULL)
		method = r->body != NULL ? "POST" : "GET";
	if (strlen(method) >= sizeof(t->method) || method[0] == '\0' ||
	    strspn(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != strlen(method))
		return -EINVAL;
	(void)snprintf(t->method, sizeof(t->method), "%s", method);
	return 0;
}

int
http_request_copy(struct http_transfer *t, const struct http_request *r)
{
	uint64_t timeout = r->timeout_ms != 0 ? r->timeout_ms : DEFAULT_TIMEOUT_MS;
	int status;

	t->body = r->body;
	t->body_len = r->body_len;
	t->max_body_bytes =
	    r->max_body_bytes != 0 ? r->max_body_bytes : DEFAULT_BODY_MAX;
	t->connect_timeout_ms =
	    r->connect_timeout_ms != 0 ? r->connect_timeout_ms : DEFAULT_CONNECT_MS;
	t->started_ms = clock_mono_ms();
	t->deadline_ms = t->started_ms + timeout;
	t->max_redirects = r->max_redirects;
	t->version = r->version;
	t->secrets = r->secrets;
	t->on_body = r->on_body;
	t->url = strdup(r->url);
	if (t->url == NULL)
		return -ENOMEM;
	status = copy_method(t, r);
	return status < 0 ? status : copy_headers(t, r);
}

void
http_request_release(struct http_transfer *t)
{
	free(TAKE_PTR(t->url));
	free(TAKE_PTR(t->lines));
	t->n_lines = 0;
	t->body = NULL;
	t->body_len = 0;
	t->redirects = 0;
}

CURL *
http_request_easy(struct http_transfer *t)
{
	const struct http_client_options *o = &t->client->options;
	CURL *e = curl_easy_init();

	if (e == NULL)
		return NULL;
	(void)curl_easy_setopt(e, CURLOPT_PRIVATE, t);
	(void)curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
	(void)curl_easy_setopt(e, CURLOPT_PROXY, "");
	(void)curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	(void)curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	(void)curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L);
	(void)curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2L);
	(void)curl_easy_setopt(e, CURLOPT_CA_CACHE_TIMEOUT, -1L);
	(void)curl_easy_setopt(e, CURLOPT_ACCEPT_ENCODING, "");
	(void)curl_easy_setopt(e, CURLOPT_BUFFERSIZE, (long)o->buffer_bytes);
	(void)curl_easy_setopt(e, CURLOPT_UPLOAD_BUFFERSIZE, 16384L);
	(void)curl_easy_setopt(e, CURLOPT_USERAGENT, o->user_agent);
	(void)curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->curl_text);
	(void)curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, http_answer_header);
	(void)curl_easy_setopt(e, CURLOPT_HEADERDATA, t);
	(void)curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, http_answer_body);
	(void)curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
	(void)curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, http_socket_open);
	(void)curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, t);
	(void)curl_easy_setopt(e, CURLOPT_CLOSESOCKETFUNCTION, http_socket_close);
	(void)curl_easy_setopt(e, CURLOPT_CLOSESOCKETDATA, t->client);
	if (o->ca_file != NULL) {
		(void)curl_easy_setopt(e, CURLOPT_CAINFO, o->ca_file);
		(void)curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
	}
	return e;
}

/* Links those lines that this hop sends; the last two are ours. */
static struct curl_slist *
link_headers(struct http_transfer *t)
{
	struct curl_slist *first = NULL, **tail = &first;

	for (size_t i = 0; i < t->n_lines; i++) {
		if (t->lines[i].node.data == NULL)
			continue;
		t->lines[i].node.next = NULL;
		*tail = &t->lines[i].node;
		tail = &t->lines[i].node.next;
	}
	return first;
}

static void
apply_method(struct http_transfer *t)
{
	CURL *e = t->easy;
	bool is_post = strcmp(t->method, "POST") == 0;
	bool is_get = strcmp(t->method, "GET") == 0;
	bool is_head = strcmp(t->method, "HEAD") == 0;
	bool has_body = t->body != NULL || is_post;

	/* POSTFIELDS makes it a POST, even when set to NULL: HTTPGET must come after
	 * it. */
	(void)curl_easy_setopt(e, CURLOPT_POSTFIELDS, NULL);
	(void)curl_easy_setopt(e, CURLOPT_NOBODY, 0L);
	(void)curl_easy_setopt(e, CURLOPT_HTTPGET, 1L);
	(void)curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, NULL);
	if (has_body && !is_head) {
		(void)curl_easy_setopt(e, CURLOPT_POST, 1L);
		(void)curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE,
		    (curl_off_t)t->body_len);
		(void)curl_easy_setopt(e, CURLOPT_POSTFIELDS,
		    t->body != NULL ? t->body : "");
		if (!is_post)
			(void)curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, t->method);
	} else if (is_head) {
		(void)curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
	} else if (!is_get) {
		(void)curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, t->method);
	}
}

void
http_request_apply(struct http_transfer *t)
{
	uint64_t now = clock_mono_ms();
	uint64_t left = t->deadline_ms > now ? t->deadline_ms - now : 1;
	CURL *e = t->easy;

	apply_method(t);
	(void)curl_easy_setopt(e, CURLOPT_URL, t->url);
	(void)curl_easy_setopt(e, CURLOPT_HTTPHEADER, link_headers(t));
	(void)curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)left);
	(void)curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS,
	    (long)t->connect_timeout_ms);
	(void)curl_easy_setopt(e, CURLOPT_MAXFILESIZE_LARGE,
	    (curl_off_t)t->max_body_bytes);
	(void)curl_easy_setopt(e, CURLOPT_PIPEWAIT,
	    t->version == HTTP_VERSION_SHARED && t->target.is_https ? 1L : 0L);
	(void)curl_easy_setopt(e, CURLOPT_HTTP_VERSION,
	    t->version == HTTP_VERSION_1_1 ? (long)CURL_HTTP_VERSION_1_1
					   : (long)CURL_HTTP_VERSION_2TLS);
}

enum http_class
http_request_check(struct http_transfer *t)
{
	const struct addr_guard *guard = t->client->options.guard;
	struct err err = ERR_INIT;

	if (url_parse(t->url, strlen(t->url), &t->target, &err) < 0) {
		(void)snprintf(t->message, sizeof(t->message), "%.300s",
		    err_text(&err));
		return HTTP_BAD_URL;
	}
	if (guard == NULL || addr_guard_check_url(guard, &t->target, &err) == 0)
		return HTTP_OK;
	(void)snprintf(t->message, sizeof(t->message), "%.300s", err_text(&err));
	return t->target.is_address ? HTTP_FORBIDDEN_ADDRESS : HTTP_FORBIDDEN_URL;
}

/* location against the URL of this hop, without fragment; NULL when it is no URL. */
static char *
resolve_location(const char *base, const char *location)
{
	CURLU *u = curl_url();
	char *text = NULL, *copy = NULL;

	if (u == NULL)
		return NULL;
	if (curl_url_set(u, CURLUPART_URL, base, 0) == CURLUE_OK &&
	    curl_url_set(u, CURLUPART_URL, location,
		CURLU_NON_SUPPORT_SCHEME | CURLU_URLENCODE) == CURLUE_OK &&
	    curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_URL, &text, 0) == CURLUE_OK)
		copy = strdup(text);
	curl_free(text);
	curl_url_cleanup(u);
	return copy;
}

static bool
is_redirect(int status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 ||
	    status == 308;
}

/* Browsers' custom: 307 and 308 repeat the request, the others ask with GET. */
static void
change_method(struct http_transfer *t)
{
	if (t->status >= 307 || strcmp(t->method, "GET") == 0 ||
	    strcmp(t->method, "HEAD") == 0)
		return;
	(void)snprintf(t->method, sizeof(t->method), "GET");
	t->body = NULL;
	t->body_len = 0;
	for (size_t i = 0; i < t->n_lines; i++)
		if (t->lines[i].is_of_body)
			t->lines[i].node.data = NULL;
}

/* The next hop leads away from the origin: what was meant for that stays there. */
static int
leave_origin(struct http_transfer *t, enum http_class *class)
{
	if (secrets_found(t->secrets, t->url, strlen(t->url))) {
		(void)snprintf(t->message, sizeof(t->message),
		    "the server redirects to another host, with a credential in the URL");
		*class = HTTP_FORBIDDEN_URL;
		return -EACCES;
	}
	for (size_t i = 0; i < t->n_lines; i++)
		if (t->lines[i].is_auth)
			t->lines[i].node.data = NULL;
	return 1;
}

int
http_request_redirect(struct http_transfer *t, enum http_class *class)
{
	const char *location = http_answer_find(t, "location");
	struct url from = t->target;
	char *next;

	if (t->max_redirects == 0 || !is_redirect(t->status) || location == NULL)
		return 0;
	if (t->redirects >= t->max_redirects) {
		(void)snprintf(t->message, sizeof(t->message), "more than %u redirects",
		    t->max_redirects);
		*class = HTTP_REDIRECTS;
		return -ELOOP;
	}
	next = resolve_location(t->url, location);
	if (next == NULL) {
		(void)snprintf(t->message, sizeof(t->message),
		    "the server redirects to something that is no URL");
		*class = HTTP_PROTOCOL;
		return -EINVAL;
	}
	free(t->url);
	t->url = next;
	t->redirects++;
	*class = http_request_check(t);
	if (*class != HTTP_OK) {
		char reason[sizeof(t->message)];

		memcpy(reason, t->message, sizeof(reason));
		(void)snprintf(t->message, sizeof(t->message),
		    "the server redirects to a refused URL: %.300s", reason);
		if (*class == HTTP_BAD_URL)
			*class = HTTP_FORBIDDEN_URL;
		return -EACCES;
	}
	change_method(t);
	return url_keeps_trust(&from, &t->target) ? 1 : leave_origin(t, class);
}

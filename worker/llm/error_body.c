/* SPDX-License-Identifier: MIT */
/*
 * error_body.c - from a refused exchange to one of our error types.
 *
 * Owns:   nothing.
 * Called: by the providers when no answer came.
 * Fails:  never: whatever cannot be read is classified by its HTTP status alone.
 */
#include "config.h"

#include "worker/llm/error_body.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

enum {
	EXCERPT_MAX = 320
};

/* What the body said; texts point into the arena and may be NULL. */
struct said {
	const struct json *message, *type, *code;
	int status; /* the HTTP status that the code names; 0: none */
};

/* ---- excerpts ---- */

static bool
is_blank(unsigned char c)
{
	return c <= 0x20 || c == 0x7F;
}

/* The end of a tag that begins at i, or i when the '<' begins none. */
static size_t
skip_tag(const char *s, size_t n, size_t i)
{
	static const char *const silent[] = { "style", "script" };
	char close[16];

	for (size_t k = 0; k < ARRAY_LEN(silent); k++) {
		size_t m = strlen(silent[k]);

		if (n - i > m + 1 && strncasecmp(s + i + 1, silent[k], m) == 0) {
			const char *end;

			(void)snprintf(close, sizeof(close), "</%s", silent[k]);
			end = memmem(s + i, n - i, close, strlen(close));
			i = end != NULL ? (size_t)(end - s) : n;
		}
	}
	if (i < n && memchr(s + i, '>', n - i) != NULL)
		return (size_t)((const char *)memchr(s + i, '>', n - i) - s) + 1;
	return n;
}

static bool
begins_tag(const char *s, size_t n, size_t i)
{
	return s[i] == '<' && i + 1 < n &&
	    (s[i + 1] == '/' || s[i + 1] == '!' || s[i + 1] == '?' ||
		(unsigned)((s[i + 1] | 0x20) - 'a') < 26);
}

static size_t
whole_characters(const char *s, size_t n)
{
	size_t lead = n, want;
	unsigned char c;

	while (lead > 0 && ((unsigned char)s[lead - 1] & 0xC0) == 0x80)
		lead--;
	if (lead == 0)
		return 0;
	c = (unsigned char)s[--lead];
	want = c < 0x80 ? 1 : c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
	return n - lead < want ? lead : n;
}

void
llm_excerpt(const char *text, size_t n, char *out, size_t cap)
{
	size_t at = 0;
	bool gap = false;

	for (size_t i = 0; i < n && at + 2 < cap;) {
		if (begins_tag(text, n, i)) {
			i = skip_tag(text, n, i);
			gap = true;
			continue;
		}
		if (is_blank((unsigned char)text[i])) {
			gap = true;
			i++;
			continue;
		}
		if (gap && at > 0)
			out[at++] = ' ';
		gap = false;
		out[at++] = text[i++];
	}
	at = whole_characters(out, at);
	out[at] = '\0';
}

/* ---- reading ---- */

static const struct json *
string_in(const struct json *v, const char *name)
{
	return json_get_typed(v, name, JSON_STRING);
}

/* A gateway that had to begin its answer before it knew how it ends says 200, and the
   status of what stood behind it as the error's code. */
static int
status_in(const struct json *e)
{
	int64_t code = 0;

	if (json_int64(json_get(e, "code"), &code) < 0 &&
	    json_int64(json_get(e, "status"), &code) < 0)
		return 0;
	return code >= 400 && code <= 599 ? (int)code : 0;
}

/* {"error":{message,type,code}}, {"error":"text"}, {message,type,code}, {"detail":...},
   [ {error} ]: OpenAI, Ollama, vLLM, FastAPI, Gemini. */
static struct said
said_of(const struct json *doc)
{
	struct said said = { NULL, NULL, NULL, 0 };
	const struct json *e;

	if (json_is(doc, JSON_ARRAY) && doc->len > 0)
		doc = &doc->items[0];
	e = json_get(doc, "error");
	if (json_is(e, JSON_STRING)) {
		said.message = e;
		said.type = string_in(doc, "type");
		said.code = string_in(doc, "code");
		return said;
	}
	if (!json_is(e, JSON_OBJECT))
		e = doc;
	said.status = status_in(e);
	said.message = string_in(e, "message");
	if (said.message == NULL)
		said.message = string_in(e, "detail");
	said.type = string_in(e, "type");
	said.code = string_in(e, "code");
	if (said.code == NULL)
		said.code = string_in(e, "status");
	return said;
}

static bool
mentions(const struct json *text, const char *words)
{
	size_t n = strlen(words);

	for (size_t i = 0; text != NULL && i + n <= text->len; i++)
		if (strncasecmp(text->text + i, words, n) == 0)
			return true;
	return false;
}

enum where {
	IN_NAME,
	IN_MESSAGE
};

/*
 * Words that decide, in order; a name is the code or the type. A rate limit that speaks
 * of "quota" in its message stays a rate limit when its name says so: names come first.
 */
static const struct {
	int status; /* 0: any */
	enum where where;
	const char *words;
	enum error_type type;
} words[] = {
	{ 0, IN_NAME, "insufficient_quota", ERROR_TYPE_LLM_QUOTA_EXHAUSTED },
	{ 0, IN_NAME, "billing", ERROR_TYPE_LLM_QUOTA_EXHAUSTED },
	{ 0, IN_NAME, "credit", ERROR_TYPE_LLM_QUOTA_EXHAUSTED },
	{ 0, IN_NAME, "rate_limit", ERROR_TYPE_LLM_RATE_LIMITED },
	{ 429, IN_NAME, "resource_exhausted", ERROR_TYPE_LLM_RATE_LIMITED },
	{ 0, IN_NAME, "context_length", ERROR_TYPE_LLM_LENGTH },
	{ 0, IN_NAME, "string_above_max_length", ERROR_TYPE_LLM_LENGTH },
	{ 0, IN_NAME, "content_filter", ERROR_TYPE_LLM_REFUSED },
	{ 0, IN_NAME, "content_policy", ERROR_TYPE_LLM_REFUSED },
	{ 0, IN_NAME, "invalid_api_key", ERROR_TYPE_LLM_AUTH },
	{ 0, IN_NAME, "authentication", ERROR_TYPE_LLM_AUTH },
	{ 0, IN_NAME, "permission", ERROR_TYPE_LLM_AUTH },
	{ 0, IN_NAME, "model_not_found", ERROR_TYPE_LLM_AUTH },
	{ 0, IN_NAME, "overloaded", ERROR_TYPE_LLM_UNAVAILABLE },
	{ 0, IN_NAME, "server_error", ERROR_TYPE_LLM_UNAVAILABLE },
	{ 429, IN_MESSAGE, "rate limit reached", ERROR_TYPE_LLM_RATE_LIMITED },
	{ 429, IN_MESSAGE, "exceeded your current quota",
	    ERROR_TYPE_LLM_QUOTA_EXHAUSTED },
	{ 429, IN_MESSAGE, "insufficient balance", ERROR_TYPE_LLM_QUOTA_EXHAUSTED },
	{ 429, IN_MESSAGE, "billing", ERROR_TYPE_LLM_QUOTA_EXHAUSTED },
	{ 400, IN_MESSAGE, "context length", ERROR_TYPE_LLM_LENGTH },
	{ 400, IN_MESSAGE, "context window", ERROR_TYPE_LLM_LENGTH },
	{ 400, IN_MESSAGE, "too many tokens", ERROR_TYPE_LLM_LENGTH },
	{ 400, IN_MESSAGE, "prompt is too long", ERROR_TYPE_LLM_LENGTH },
	{ 400, IN_MESSAGE, "credit balance", ERROR_TYPE_LLM_QUOTA_EXHAUSTED },
	{ 400, IN_MESSAGE, "api key", ERROR_TYPE_LLM_AUTH },
	{ 500, IN_MESSAGE, "context size", ERROR_TYPE_LLM_LENGTH },
};

/* When no word decides. The last row is for every other status. */
static const struct {
	int from, to;
	enum error_type type;
	const char *what;
} statuses[] = {
	{ 200, 299, ERROR_TYPE_LLM_BAD_RESPONSE, "answered with an error" },
	{ 300, 399, ERROR_TYPE_LLM_UNAVAILABLE, "redirects; its base_url is wrong" },
	{ 401, 401, ERROR_TYPE_LLM_AUTH, "does not accept the API key" },
	{ 402, 402, ERROR_TYPE_LLM_QUOTA_EXHAUSTED, "wants payment" },
	{ 403, 403, ERROR_TYPE_LLM_AUTH, "forbids the request" },
	{ 404, 404, ERROR_TYPE_LLM_AUTH, "does not know this model or this address" },
	{ 408, 409, ERROR_TYPE_LLM_UNAVAILABLE, "did not serve the request" },
	{ 413, 413, ERROR_TYPE_LLM_LENGTH, "finds the request too large" },
	{ 425, 425, ERROR_TYPE_LLM_UNAVAILABLE, "did not serve the request" },
	{ 429, 429, ERROR_TYPE_LLM_RATE_LIMITED, "limits the rate" },
	{ 400, 499, ERROR_TYPE_LLM_REFUSED, "refused the request" },
	{ 500, 599, ERROR_TYPE_LLM_UNAVAILABLE, "is unavailable" },
	{ 0, 999, ERROR_TYPE_LLM_BAD_RESPONSE, "answered with a strange status" },
};

static bool
decides(size_t i, int status, const struct said *said)
{
	/* 422 is 400 in other words */
	int alike = status == 422 ? 400 : status;

	if (words[i].status != 0 && words[i].status != alike)
		return false;
	if (words[i].where == IN_NAME)
		return mentions(said->code, words[i].words) ||
		    mentions(said->type, words[i].words);
	return mentions(said->message, words[i].words);
}

static enum error_type
classify(int status, const struct said *said, const char **what)
{
	size_t row = 0;

	while (status < statuses[row].from || status > statuses[row].to)
		if (++row == ARRAY_LEN(statuses) - 1)
			break;
	*what = statuses[row].what;
	/* the wrong key and the missing payment are plain, whatever the body says */
	if (status == 401 || status == 402)
		return statuses[row].type;
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (decides(i, status, said))
			return words[i].type;
	return statuses[row].type;
}

int
llm_error_from_json(int status, const struct json *doc, const char *body, size_t n,
    struct llm_error *e)
{
	struct said said = said_of(doc);
	char text[EXCERPT_MAX];
	const char *what;
	enum error_type type =
	    classify(status < 300 && said.status != 0 ? said.status : status, &said,
		&what);

	if (said.message != NULL)
		llm_excerpt(said.message->text, said.message->len, text, sizeof(text));
	else
		llm_excerpt(body, n, text, sizeof(text));
	(void)llm_error_set(e, type, status, "the provider %s (HTTP %d)%s%s", what,
	    status, text[0] != '\0' ? ": " : ", without a word", text);
	/* another provider may take what this one refuses as malformed, but not what
	   any content filter refused */
	if (type == ERROR_TYPE_LLM_REFUSED && !mentions(said.code, "content") &&
	    !mentions(said.type, "content"))
		e->tries_next = true;
	if (status >= 300 && status < 400)
		e->may_repeat = false;
	return -EIO;
}

int
llm_error_from_body(struct arena *a, int status, const char *body, size_t n,
    struct llm_error *e)
{
	const struct json *doc = NULL;

	if (n == 0 || json_read(a, body, n, 0, &doc, NULL) < 0)
		doc = NULL;
	return llm_error_from_json(status, doc, body, n, e);
}

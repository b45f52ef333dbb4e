/* SPDX-License-Identifier: MIT */
/*
 * secrets.c - finds a handful of secrets in any text, however it writes them.
 *
 * Owns:   the patterns, wiped when they are freed.
 * Called: by fetch on every body and answer, by workers on what providers and servers
 *         say, by every role on its log lines.
 * Fails:  while patterns are added, for want of memory; masking itself cannot fail but
 *         as its buffer does.
 *
 * Two bytes decide at almost every position whether anything can begin there (a bit of
 * 65,536); then the first byte, decoded, chooses the few patterns that are compared
 * byte by byte. A body costs about a nanosecond a byte.
 */
#include "config.h"

#include "common/secrets.h"

#include "common/printable.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

enum {
	ENCODED_MAX = 8, /* bytes that one may be written as: "&#x0041;" */
	PAIRS = 256 * 256,
	BASE64_LEAST = 6, /* shorter middles are chance */
	DEPTH_MAX = 2,    /* texts in texts: "%252F", "\\\\\/" */
	ENDS_MAX = 16
};

struct pattern {
	struct pattern *next; /* of the same first byte */
	size_t len;
	bool spills; /* base64 whose next digit holds some of the last byte's bits */
	unsigned char bytes[];
};

struct secrets {
	struct pattern *by_first[256]; /* owned */
	size_t n, longest;
	size_t least;                   /* shorter secrets are not added */
	unsigned char pairs[PAIRS / 8]; /* may a find begin with these two bytes? */
};

/* Parts of names; a name is compared without its case, '-' and '_'. */
static const char *const secret_names[] = { "authorization", "apikey", "accesskey",
	"secret", "password", "passwd", "passphrase", "pwd", "token", "credential",
	"cookie", "privatekey", "signature", "sessionkey", "authkey",
	"subscriptionkey" };

/* "session_id" and "max_tokens" are none. */
static const char *const harmless_names[] = { "maxtokens", "tokens", "pagetoken",
	"nextpagetoken", "tokencount" };

/* Whole names. */
static const char *const short_names[] = { "key", "auth", "sig", "pass", "xauth" };

bool
secrets_is_name(const char *name, size_t n)
{
	char flat[64];
	size_t m = 0;

	for (size_t i = 0; i < n && m + 1 < sizeof(flat); i++)
		if (name[i] != '-' && name[i] != '_' && name[i] != '.')
			flat[m++] =
			    (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] | 0x20
								    : name[i]);
	flat[m] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(harmless_names); i++)
		if (strcmp(flat, harmless_names[i]) == 0)
			return false;
	for (size_t i = 0; i < ARRAY_LEN(secret_names); i++)
		if (strstr(flat, secret_names[i]) != NULL)
			return true;
	for (size_t i = 0; i < ARRAY_LEN(short_names); i++)
		if (strcmp(flat, short_names[i]) == 0)
			return true;
	return false;
}

struct secrets *
secrets_new(void)
{
	struct secrets *s = calloc(1, sizeof(*s));

	if (s != NULL)
		s->least = SECRETS_LEAST;
	return s;
}

void
secrets_ignore_below(struct secrets *s, size_t least)
{
	s->least = least > SECRETS_LEAST ? least : SECRETS_LEAST;
}

void
secrets_free(struct secrets *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < ARRAY_LEN(s->by_first); i++) {
		struct pattern *p;

		while ((p = s->by_first[i]) != NULL) {
			s->by_first[i] = p->next;
			explicit_bzero(p->bytes, p->len);
			free(p);
		}
	}
	free(s);
}

void
secrets_freep(struct secrets **s)
{
	secrets_free(*s);
}

size_t
secrets_count(const struct secrets *s)
{
	return s != NULL ? s->n : 0;
}

/* ---- one byte, however it is written ---- */

static int
hex_value(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Up to max digits that say a byte; *used counts them. -1 when they do not. */
static int
number_of(const unsigned char *t, size_t n, int base, size_t max, size_t *used)
{
	int value = 0;
	size_t i = 0;

	while (i < n && i < max) {
		int digit = hex_value(t[i]);

		if (digit < 0 || digit >= base)
			break;
		value = value * base + digit;
		if (value > 0xff)
			return -1;
		i++;
	}
	*used = i;
	return i > 0 ? value : -1;
}

/* "%2F"; at a depth of 1 "%252F". */
static size_t
percent_byte(const unsigned char *t, size_t n, unsigned depth, unsigned char *out)
{
	size_t at = 1 + 2 * (size_t)depth, used;
	int value = n >= at + 2 ? number_of(t + at, 2, 16, 2, &used) : -1;

	if (value < 0 || used != 2 || memcmp(t + 1, "2525", at - 1) != 0)
		return 0;
	*out = (unsigned char)value;
	return at + 2;
}

static size_t
backslash_byte(const unsigned char *t, size_t n, unsigned char *out)
{
	static const char from[] = "nrtbf", to[] = "\n\r\t\b\f";
	const char *at;
	size_t used;
	int value;

	if (n >= 2 && strchr("\"\\/'", t[1]) != NULL && t[1] != '\0') {
		*out = t[1];
		return 2;
	}
	if (n >= 2 && t[1] != '\0' && (at = strchr(from, t[1])) != NULL) {
		*out = (unsigned char)to[at - from];
		return 2;
	}
	if (n < 4 || (t[1] != 'u' && t[1] != 'x'))
		return 0;
	value = number_of(t + 2, n - 2, 16, t[1] == 'u' ? 4 : 2, &used);
	if (value < 0 || used != (t[1] == 'u' ? 4U : 2U))
		return 0;
	*out = (unsigned char)value;
	return 2 + used;
}

static size_t
entity_byte(const unsigned char *t, size_t n, unsigned char *out)
{
	static const struct {
		const char *name;
		char byte;
	} names[] = { { "&amp;", '&' }, { "&lt;", '<' }, { "&gt;", '>' },
		{ "&quot;", '"' }, { "&apos;", '\'' } };
	bool is_hex = n > 2 && (t[2] | 0x20) == 'x';
	size_t head = is_hex ? 3 : 2, used;
	int value;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		size_t len = strlen(names[i].name);

		if (n >= len && memcmp(t, names[i].name, len) == 0) {
			*out = (unsigned char)names[i].byte;
			return len;
		}
	}
	if (n < 4 || t[1] != '#')
		return 0;
	value = number_of(t + head, n - head, is_hex ? 16 : 10, 4, &used);
	if (value < 0 || head + used >= n || t[head + used] != ';')
		return 0;
	*out = (unsigned char)value;
	return head + used + 1;
}

/* A text within a text is escaped again, and its backslashes are: "\\/", "\\\"". */
static size_t
nested_backslash_byte(const unsigned char *t, size_t n, unsigned depth,
    unsigned char *out)
{
	size_t len;

	if (n <= depth || memcmp(t, "\\\\\\", depth + 1) != 0)
		return 0;
	len = backslash_byte(t + depth, n - depth, out);
	return len > 0 ? len + depth : 0;
}

/* The byte that an escape at t stands for and its length; 0 when t begins none. Each
   depth may give another answer. */
static size_t
escaped_byte(const unsigned char *t, size_t n, unsigned depth, unsigned char *out)
{
	switch (t[0]) {
	case '%':
		return percent_byte(t, n, depth, out);
	case '\\':
		return nested_backslash_byte(t, n, depth, out);
	case '&':
		return depth == 0 ? entity_byte(t, n, out) : 0;
	case '+':
		*out = ' ';
		return depth == 0 ? 1 : 0;
	default:
		return 0;
	}
}

/* ---- patterns ---- */

static void
allow_pair(struct secrets *s, unsigned a, unsigned b)
{
	unsigned at = a << 8 | b;

	s->pairs[at >> 3] |= (unsigned char)(1U << (at & 7));
}

static bool
is_pair_allowed(const struct secrets *s, const unsigned char *t)
{
	unsigned at = (unsigned)t[0] << 8 | t[1];

	return (s->pairs[at >> 3] >> (at & 7) & 1) != 0;
}

/* Every way in which the first two bytes of a text may begin this pattern. */
static void
allow_beginning(struct secrets *s, unsigned char first, unsigned char second)
{
	static const char escapes[] = "%\\&";
	static const char hex[] = "0123456789abcdef";
	static const char letters[] = "nrtbf", controls[] = "\n\r\t\b\f";
	const char *at = first != '\0' ? strchr(controls, first) : NULL;
	unsigned high = (unsigned char)hex[first >> 4];

	allow_pair(s, first, second);
	for (size_t i = 0; i < sizeof(escapes) - 1; i++)
		allow_pair(s, first, (unsigned char)escapes[i]);
	if (second == ' ')
		allow_pair(s, first, '+');
	if (first == ' ') {
		allow_pair(s, '+', second);
		for (size_t i = 0; i < sizeof(escapes); i++)
			allow_pair(s, '+', (unsigned char)"%\\&+"[i]);
	}
	allow_pair(s, '%', '2'); /* "%25.." */
	allow_pair(s, '\\', '\\');
	allow_pair(s, '%', high);
	allow_pair(s, '%', high >= 'a' ? high - 'a' + 'A' : high);
	allow_pair(s, '\\', first);
	allow_pair(s, '\\', 'u');
	allow_pair(s, '\\', 'x');
	if (at != NULL)
		allow_pair(s, '\\', (unsigned char)letters[at - controls]);
	allow_pair(s, '&', '#');
	if (strchr("&<>\"'", first) != NULL && first != '\0')
		for (const char *c = "algq"; *c != '\0'; c++)
			allow_pair(s, '&', (unsigned char)*c);
}

static bool
is_known(const struct secrets *s, const unsigned char *bytes, size_t n)
{
	for (const struct pattern *p = s->by_first[bytes[0]]; p != NULL; p = p->next)
		if (p->len == n && memcmp(p->bytes, bytes, n) == 0)
			return true;
	return false;
}

static int
add_pattern(struct secrets *s, const void *bytes, size_t n, bool spills)
{
	struct pattern *p;

	if (n < SECRETS_LEAST || is_known(s, bytes, n))
		return 0;
	p = malloc(sizeof(*p) + n);
	if (p == NULL)
		return -ENOMEM;
	p->len = n;
	p->spills = spills;
	memcpy(p->bytes, bytes, n);
	p->next = s->by_first[p->bytes[0]];
	s->by_first[p->bytes[0]] = p;
	s->n++;
	if (n > s->longest)
		s->longest = n;
	allow_beginning(s, p->bytes[0], p->bytes[1]);
	return 0;
}

/* Those digits of base64 that the secret alone decides when `before` bytes of something
   else stand in the group of three in which it begins. */
static int
add_base64(struct secrets *s, const unsigned char *secret, size_t n, size_t before,
    const char digits[65])
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	size_t bits = (before * 8 + 5) / 6 * 6; /* of the first whole digit */
	int r = 0;

	for (; bits + 6 <= (before + n) * 8; bits += 6) {
		size_t at = bits / 8 - before, shift = bits % 8;
		unsigned two = (unsigned)secret[at] << 8;

		if (at + 1 < n)
			two |= secret[at + 1];
		buf_addc(&out, digits[two >> (10 - shift) & 63]);
	}
	if (buf_status(&out) != 0)
		r = -ENOMEM;
	else if (out.len >= BASE64_LEAST)
		r = add_pattern(s, out.data, out.len, bits < (before + n) * 8);
	if (out.data != NULL)
		explicit_bzero(out.data, out.len);
	return r;
}

static int
add_hex(struct secrets *s, const unsigned char *secret, size_t n, const char digits[17])
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	int r;

	for (size_t i = 0; i < n; i++) {
		buf_addc(&out, digits[secret[i] >> 4]);
		buf_addc(&out, digits[secret[i] & 15]);
	}
	r = buf_status(&out) != 0 ? -ENOMEM : add_pattern(s, out.data, out.len, false);
	if (out.data != NULL)
		explicit_bzero(out.data, out.len);
	return r;
}

static void
put_unit(struct buf *out, uint32_t unit, const char digits[17])
{
	buf_adds(out, "\\u");
	for (int shift = 12; shift >= 0; shift -= 4)
		buf_addc(out, digits[unit >> shift & 15]);
}

/* As JSON of ASCII only writes it, when there is anything else in it: "caf\u00e9". */
static int
add_ascii_json(struct secrets *s, const char *secret, size_t n, const char digits[17])
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	bool is_other = false;
	int r;

	for (size_t i = 0, len; i < n; i += len) {
		uint32_t cp = 0;

		len = utf8_next(secret + i, n - i, &cp);
		if (len == 0) { /* bytes that no JSON holds */
			is_other = false;
			break;
		}
		is_other |= cp >= 0x80;
		if (cp > 0xffff)
			put_unit(&out, 0xd800 + ((cp - 0x10000) >> 10), digits);
		if (cp >= 0x80)
			put_unit(&out, cp > 0xffff ? 0xdc00 + (cp & 0x3ff) : cp,
			    digits);
		else
			buf_addc(&out, secret[i]);
	}
	r = buf_status(&out);
	if (r == 0 && is_other)
		r = add_pattern(s, out.data, out.len, false);
	if (out.data != NULL)
		explicit_bzero(out.data, out.len);
	return r;
}

static int
add_forms(struct secrets *s, const char *secret, size_t n)
{
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	static const char *const alphabets[] = { LETTERS "+/", LETTERS "-_" };
#undef LETTERS
	static const char *const digits[] = { "0123456789abcdef", "0123456789ABCDEF" };
	const unsigned char *bytes = (const unsigned char *)secret;
	int r = add_pattern(s, secret, n, false);

	for (size_t i = 0; i < ARRAY_LEN(alphabets); i++)
		for (size_t before = 0; before < 3 && r == 0; before++)
			r = add_base64(s, bytes, n, before, alphabets[i]);
	for (size_t i = 0; i < ARRAY_LEN(digits) && r == 0; i++)
		r = add_hex(s, bytes, n, digits[i]);
	for (size_t i = 0; i < ARRAY_LEN(digits) && r == 0; i++)
		r = add_ascii_json(s, secret, n, digits[i]);
	return r;
}

/* A long one is looked for in pieces of one size, none so short that it is chance. */
int
secrets_add(struct secrets *s, const char *secret, size_t n)
{
	size_t n_pieces = n / SECRETS_LENGTH_MAX + 1, piece = n / n_pieces + 1;
	int r = 0;

	if (n < s->least)
		return 0;
	for (size_t at = 0; at < n && r == 0; at += piece)
		r = add_forms(s, secret + at, n - at < piece ? n - at : piece);
	return r;
}

/* ---- finding ---- */

/* Where texts that write the pattern so far may end: "%2" of "%25" is two bytes, the
   whole is one, and only the rest tells which was meant. */
struct ends {
	size_t v[ENDS_MAX];
	size_t n;
};

static void
ends_add(struct ends *e, size_t at)
{
	for (size_t i = 0; i < e->n; i++)
		if (e->v[i] == at)
			return;
	if (e->n < ARRAY_LEN(e->v))
		e->v[e->n++] = at;
}

static bool
is_base64_digit(unsigned char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
	    c == '+' || c == '/' || c == '-' || c == '_';
}

static bool
begins_escape(unsigned char c)
{
	return c == '%' || c == '\\' || c == '&' || c == '+';
}

/* Wherever a text that begins at t[at] and writes this byte may end. */
static void
add_ends(struct ends *e, unsigned char wanted, const unsigned char *t, size_t at,
    size_t n)
{
	for (unsigned depth = 0; begins_escape(t[at]) && depth <= DEPTH_MAX; depth++) {
		unsigned char byte = 0;
		size_t used = escaped_byte(t + at, n - at, depth, &byte);

		if (used > 0 && byte == wanted)
			ends_add(e, at + used);
	}
	if (t[at] == wanted)
		ends_add(e, at + 1);
}

/* The end of the longest text at t that writes the pattern, whose first `from` bytes
   stand there as they are; 0 when none does. */
static size_t
escaped_end(const struct pattern *p, const unsigned char *t, size_t n, size_t from)
{
	struct ends now = { { from }, 1 };
	/* As it stands it is found whatever room the ends of escapes find. */
	size_t best = n >= p->len && memcmp(t, p->bytes, p->len) == 0 ? p->len : 0;

	for (size_t i = from; i < p->len && now.n > 0; i++) {
		struct ends next = { { 0 }, 0 };

		for (size_t k = 0; k < now.n; k++)
			if (now.v[k] < n)
				add_ends(&next, p->bytes[i], t, now.v[k], n);
		now = next;
	}
	for (size_t k = 0; k < now.n; k++)
		if (now.v[k] > best)
			best = now.v[k];
	return best;
}

/* The length of the longest text at t that writes the pattern, 0 when none does. */
static size_t
match_length(const struct pattern *p, const unsigned char *t, size_t n)
{
	size_t best, i = 0;

	for (; i < p->len && i < n && !begins_escape(t[i]); i++)
		if (t[i] != p->bytes[i])
			return 0; /* almost always */
	if (i < p->len && i == n)
		return 0;
	best = i == p->len ? i : escaped_end(p, t, n, i);
	if (best > 0 && p->spills && best < n && is_base64_digit(t[best]))
		best++;
	return best;
}

static size_t
longest_of(const struct secrets *s, unsigned char first, const unsigned char *t,
    size_t n)
{
	size_t best = 0;

	for (const struct pattern *p = s->by_first[first]; p != NULL; p = p->next) {
		size_t len = match_length(p, t, n);

		if (len > best)
			best = len;
	}
	return best;
}

/* The length of the find that begins at t, 0 when none does. */
static size_t
find_length(const struct secrets *s, const unsigned char *t, size_t n)
{
	size_t best = longest_of(s, t[0], t, n), len;

	for (unsigned depth = 0; begins_escape(t[0]) && depth <= DEPTH_MAX; depth++) {
		unsigned char byte;

		if (escaped_byte(t, n, depth, &byte) == 0)
			continue;
		len = longest_of(s, byte, t, n);
		if (len > best)
			best = len;
	}
	return best;
}

/* The first find that begins before limit: its place, with its length; n when none. */
static size_t
next_find(const struct secrets *s, const char *text, size_t from, size_t limit,
    size_t n, size_t *len)
{
	const unsigned char *t = (const unsigned char *)text;

	for (size_t i = from; i < limit && i + 1 < n; i++) {
		if (!is_pair_allowed(s, t + i))
			continue;
		*len = find_length(s, t + i, n - i);
		if (*len > 0)
			return i;
	}
	return n;
}

bool
secrets_found(const struct secrets *s, const char *text, size_t n)
{
	size_t len;

	return secrets_count(s) > 0 && next_find(s, text, 0, n, n, &len) < n;
}

void
secrets_mask(const struct secrets *s, struct buf *out, const char *text, size_t n)
{
	size_t from = 0, at, len = 0;

	if (secrets_count(s) == 0) {
		buf_add(out, text, n);
		return;
	}
	while ((at = next_find(s, text, from, n, n, &len)) < n) {
		buf_add(out, text + from, at - from);
		buf_adds(out, SECRETS_MASK);
		from = at + len;
	}
	buf_add(out, text + from, n - from);
}

void
secrets_mask_text(const struct secrets *s, char *text, size_t cap)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	size_t n = strlen(text);

	if (!secrets_found(s, text, n))
		return;
	secrets_mask(s, &out, text, n);
	if (buf_status(&out) != 0) { /* better nothing than the secret */
		(void)snprintf(text, cap, "%s", SECRETS_MASK);
		return;
	}
	(void)snprintf(text, cap, "%s", buf_str(&out));
}

/* ---- pieces ---- */

/* Passes what begins before limit; returns where the rest begins. */
static int
pass_until(struct secrets_stream *st, size_t limit, size_t *rest)
{
	const struct buf *b = &st->held;
	size_t from = 0, at, len = 0;
	int r = 0;

	while (r == 0 &&
	    (at = next_find(st->secrets, b->data, from, limit, b->len, &len)) <
		b->len) {
		if (at > from)
			r = st->pass(st->ctx, b->data + from, at - from);
		if (r == 0)
			r = st->pass(st->ctx, SECRETS_MASK, strlen(SECRETS_MASK));
		from = at + len;
	}
	if (r == 0 && from < limit) {
		r = st->pass(st->ctx, b->data + from, limit - from);
		from = limit;
	}
	*rest = from;
	return r;
}

int
secrets_stream_add(struct secrets_stream *st, const char *bytes, size_t n)
{
	size_t tail, rest = 0;
	int r;

	if (secrets_count(st->secrets) == 0)
		return st->pass(st->ctx, bytes, n);
	buf_add(&st->held, bytes, n);
	r = buf_status(&st->held);
	tail = st->secrets->longest * ENCODED_MAX + 1;
	if (r != 0 || st->held.len <= tail)
		return r;
	r = pass_until(st, st->held.len - tail, &rest);
	memmove(st->held.data, st->held.data + rest, st->held.len - rest);
	st->held.len -= rest;
	return r;
}

int
secrets_stream_end(struct secrets_stream *st)
{
	size_t rest;
	int r = 0;

	if (st->held.len > 0)
		r = pass_until(st, st->held.len, &rest);
	buf_clear(&st->held);
	return r;
}

void
secrets_stream_release(struct secrets_stream *st)
{
	buf_release(&st->held);
}

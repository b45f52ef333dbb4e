/* SPDX-License-Identifier: MIT */
/*
 * intent_words.c - cuts a prompt into sentences of folded words.
 *
 * Owns:   nothing; the reader points into the caller's text.
 * Called: by intent.c alone.
 * Fails:  never: bytes that are no UTF-8 separate words, sentences beyond
 *         INTENT_SENTENCE_MAX tokens go on as another sentence.
 */
#include "config.h"

#include "worker/agent/intent_words.h"

#include "common/cleanup.h"

#include <string.h>

enum {
	CP_NONE = 0x20,        /* what separates: invalid bytes read as a blank */
	QUOTE_SPAN_MAX = 4096, /* a quote that closes later than this is none */
	CHUNK_MAX = 4096
};

enum quote_family {
	QUOTE_NONE = -1,
	QUOTE_DOUBLE,
	QUOTE_SINGLE,
	QUOTE_BACKTICK
};

/* ---- code points ---- */

/* Decodes one code point; *len is 1..4. What is not UTF-8 is CP_NONE of one byte. */
static uint32_t
decode(const unsigned char *p, const unsigned char *end, size_t *len)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = p[0] < 0x80 ? 1
	    : p[0] < 0xc2      ? 0
	    : p[0] < 0xe0      ? 2
	    : p[0] < 0xf0      ? 3
			       : 4;
	uint32_t cp;

	*len = 1;
	if (n == 1)
		return p[0];
	if (n == 0 || p[0] > 0xf4 || (size_t)(end - p) < n)
		return CP_NONE;
	cp = p[0] & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return CP_NONE;
		cp = cp << 6 | (p[i] & 0x3f);
	}
	if (cp < least[n] || cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000))
		return CP_NONE;
	*len = n;
	return cp;
}

/* Full-width ASCII becomes ASCII, typographic apostrophes ', capitals small. */
static uint32_t
fold(uint32_t cp)
{
	if (cp >= 0xff01 && cp <= 0xff5e)
		cp -= 0xff01 - 0x21;
	if (cp == 0x2019 || cp == 0x02bc)
		cp = '\'';
	if (cp == 0x3000 || cp == 0xa0)
		cp = ' ';
	return cp >= 'A' && cp <= 'Z' ? cp + ('a' - 'A') : cp;
}

static bool
is_invisible(uint32_t cp)
{
	return cp == 0xad || (cp >= 0x200b && cp <= 0x200f) || cp == 0x2060 ||
	    cp == 0xfeff;
}

static bool
is_letter(uint32_t cp)
{
	if (cp < 0x80)
		return cp >= 'a' && cp <= 'z';
	if (cp < 0xc0)
		return cp == 0xaa || cp == 0xb5 || cp == 0xba;
	if (cp == 0xd7 || cp == 0xf7)
		return false;
	/* punctuation, symbols, CJK punctuation, half-width forms' signs, emoji */
	return !(cp >= 0x2000 && cp < 0x2c00) && !(cp >= 0x3000 && cp < 0x3005) &&
	    !(cp >= 0x3008 && cp < 0x3021) && !(cp >= 0xfe30 && cp < 0xff21) &&
	    !(cp >= 0x1f000 && cp < 0x20000);
}

static bool
is_digit(uint32_t cp)
{
	return cp >= '0' && cp <= '9';
}

static bool
is_blank(uint32_t cp)
{
	return cp <= 0x20 || cp == 0x7f;
}

static uint32_t
peek(const struct intent_reader *r, const unsigned char *p, size_t *len)
{
	if (p >= r->end) {
		*len = 0;
		return CP_NONE;
	}
	return fold(decode(p, r->end, len));
}

/* ---- what is skipped as one: quotes, braces, addresses ---- */

static enum quote_family
quote_family(uint32_t cp)
{
	if (cp == '"' || (cp >= 0x201c && cp <= 0x201f) || cp == 0xab || cp == 0xbb)
		return QUOTE_DOUBLE;
	if (cp == '\'' || cp == 0x2018 || cp == 0x201a)
		return QUOTE_SINGLE;
	return cp == '`' ? QUOTE_BACKTICK : QUOTE_NONE;
}

/* A ' closes when no letter follows; the other families close anywhere. */
static bool
closes(const struct intent_reader *r, const unsigned char *p, enum quote_family family)
{
	size_t len, next_len;
	uint32_t next;

	if (quote_family(peek(r, p, &len)) != family)
		return false;
	next = peek(r, p + len, &next_len);
	return family != QUOTE_SINGLE || !(is_letter(next) || is_digit(next));
}

/* The end of the quotation that opens at r->at (len bytes), or NULL. */
static const unsigned char *
quotation_end(struct intent_reader *r, size_t len, enum quote_family family)
{
	const unsigned char *p = r->next_closer[family];
	size_t n;

	if (p < r->at + len)
		p = r->at + len;
	while (p < r->end && !closes(r, p, family)) {
		(void)peek(r, p, &n);
		p += n;
	}
	r->next_closer[family] = p;
	if (p >= r->end || p - r->at > QUOTE_SPAN_MAX)
		return NULL;
	(void)peek(r, p, &n);
	return p + n;
}

/* Behind the brace that closes the one at p; braces are known to be balanced. */
static const unsigned char *
braces_end(const struct intent_reader *r, const unsigned char *p)
{
	size_t depth = 0;

	for (; p < r->end; p++) {
		depth += *p == '{';
		depth -= *p == '}';
		if (depth == 0)
			return p + 1;
	}
	return p;
}

static bool
has_balanced_braces(const unsigned char *p, const unsigned char *end)
{
	size_t depth = 0;

	for (; p < end; p++) {
		if (*p == '}' && depth == 0)
			return false;
		depth += *p == '{';
		depth -= *p == '}';
	}
	return depth == 0;
}

static bool
is_chunk_byte(unsigned char c)
{
	return c > 0x20 && c < 0x7f && strchr("\"'`(){}[]<>,;!?", c) == NULL;
}

static bool
is_name_byte(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9');
}

/* Is the run p..end an address or identifier: a.b  a@b  x://y  /a/b  a_b ? */
static bool
is_address(const unsigned char *p, const unsigned char *end)
{
	bool has_letter = false;

	if (end - p > 2 && p[0] == '/' && is_name_byte(p[1]))
		return true;
	for (const unsigned char *c = p; c < end; c++) {
		bool is_inside = c > p && c + 1 < end && is_name_byte(c[-1]);

		has_letter |= is_name_byte(*c) && (*c < '0' || *c > '9');
		if (!is_inside)
			continue;
		if ((*c == '.' || *c == '@' || *c == '_') && is_name_byte(c[1]))
			return has_letter || *c != '.';
		if (*c == ':' && c + 2 < end && c[1] == '/' && c[2] == '/')
			return true;
	}
	return false;
}

/* The end of the address that starts at r->at, or NULL. Each chunk is judged once. */
static const unsigned char *
address_end(struct intent_reader *r)
{
	const unsigned char *p = r->at;

	if (p < r->chunk_end || !is_chunk_byte(*p))
		return NULL;
	while (p < r->end && is_chunk_byte(*p) && p - r->at < CHUNK_MAX)
		p++;
	r->chunk_end = p;
	while (p > r->at && (p[-1] == '.' || p[-1] == ':'))
		p--;
	return is_address(r->at, p) ? p : NULL;
}

/* ---- tokens ---- */

static struct intent_token *
add_token(struct intent_sentence *s, enum intent_token_kind kind)
{
	struct intent_token *t = &s->tokens[s->n++];

	t->kind = kind;
	t->len = 0;
	t->text[0] = '\0';
	return t;
}

/* Puts len bytes behind the token's text; a word that is too long loses its text. */
static void
put_bytes(struct intent_token *t, const char *bytes, size_t len)
{
	if (t->len + len < INTENT_WORD_MAX) {
		memcpy(t->text + t->len, bytes, len);
		t->len += len;
	} else {
		t->len = INTENT_WORD_MAX;
	}
}

static void
end_word(struct intent_token *t)
{
	if (t->len >= INTENT_WORD_MAX)
		t->len = 0;
	while (t->len > 0 && t->text[t->len - 1] == '\'')
		t->len--;
	t->text[t->len] = '\0';
	/* today's, order's: the owner stands for itself; what's and who's stay */
	if (t->len > 3 && strcmp(t->text + t->len - 2, "'s") == 0 && t->text[0] != 'w')
		t->text[t->len -= 2] = '\0';
}

static void
read_word(struct intent_reader *r, struct intent_sentence *s)
{
	size_t len;
	uint32_t cp = peek(r, r->at, &len);
	struct intent_token *t = add_token(s, is_digit(cp) ? TOKEN_NUMBER : TOKEN_WORD);

	while (is_letter(cp) || is_digit(cp) || cp == '\'' || is_invisible(cp)) {
		if (is_invisible(cp))
			;
		else if (cp < 0x80)
			put_bytes(t, &(char){ (char)cp }, 1);
		else
			put_bytes(t, (const char *)r->at, len);
		r->at += len;
		cp = peek(r, r->at, &len);
	}
	end_word(t);
}

static bool
starts_word(const struct intent_reader *r, uint32_t cp, size_t len)
{
	size_t next_len;

	return is_letter(cp) || is_digit(cp) ||
	    (is_invisible(cp) && is_letter(peek(r, r->at + len, &next_len)));
}

/* Skips a quotation, balanced braces or an address as one token; false when none is
 * here. */
static bool
read_literal(struct intent_reader *r, struct intent_sentence *s, uint32_t cp,
    size_t len)
{
	const unsigned char *end = NULL;
	enum quote_family family = quote_family(cp);

	if (family != QUOTE_NONE)
		end = quotation_end(r, len, family);
	else if (cp == '{' && r->has_balanced_braces)
		end = braces_end(r, r->at);
	else
		end = address_end(r);
	if (end == NULL)
		return false;
	(void)add_token(s, TOKEN_LITERAL);
	r->at = end;
	return true;
}

/* A line that begins with a bullet, a number or nothing begins a sentence. */
static bool
begins_paragraph(const struct intent_reader *r)
{
	const unsigned char *p = r->at + 1;

	while (p < r->end && (*p == ' ' || *p == '\t' || *p == '\r'))
		p++;
	return p < r->end &&
	    (*p == '\n' || *p == '-' || *p == '*' || *p == '#' || is_digit(*p) ||
		(*p == 0xe2 && p + 2 < r->end && p[1] == 0x80 && p[2] == 0xa2));
}

/* Handles a sign that is no word; true when it ends the sentence. */
static bool
read_sign(struct intent_reader *r, struct intent_sentence *s, uint32_t cp)
{
	switch (cp) {
	case '?':
	case 0x37e:
	case 0x61f:
		s->has_question_mark = true;
		return true;
	case '\n':
		return begins_paragraph(r);
	case '.':
		return r->at + 1 >= r->end || !is_name_byte(r->at[1]);
	case '!':
	case ';':
	case 0x3002:
		return true;
	case ',':
	case ':':
	case 0x2013:
	case 0x2014:
	case '(':
	case ')':
		(void)add_token(s, TOKEN_COMMA);
		return false;
	case '<':
	case '>':
	case '=':
		(void)add_token(s, TOKEN_SIGN);
		return false;
	default:
		return false;
	}
}

/* "always notify admin": quotes around the whole prompt quote nothing. */
static void
unwrap(struct intent_reader *r)
{
	const unsigned char *p;
	size_t len;
	enum quote_family family;

	while (r->at < r->end && is_blank(*r->at))
		r->at++;
	while (r->end > r->at && is_blank(r->end[-1]))
		r->end--;
	family = quote_family(peek(r, r->at, &len));
	if (family == QUOTE_NONE)
		return;
	p = r->end - 1;
	while (p > r->at && (*p & 0xc0) == 0x80)
		p--;
	if (p >= r->at + len && closes(r, p, family) &&
	    quotation_end(r, len, family) == r->end) {
		r->at += len;
		r->end = p;
	}
}

void
intent_reader_init(struct intent_reader *r, const char *text, size_t n)
{
	*r = (struct intent_reader){ .at = (const unsigned char *)text };
	r->end = r->at + n;
	r->chunk_end = r->at;
	for (size_t i = 0; i < ARRAY_LEN(r->next_closer); i++)
		r->next_closer[i] = r->at;
	r->has_balanced_braces = has_balanced_braces(r->at, r->end);
	if (n > 0)
		unwrap(r);
	for (size_t i = 0; i < ARRAY_LEN(r->next_closer); i++)
		r->next_closer[i] = r->at;
}

bool
intent_reader_next(struct intent_reader *r, struct intent_sentence *s)
{
	s->n = 0;
	s->has_question_mark = false;
	while (r->at < r->end && s->n < INTENT_SENTENCE_MAX) {
		size_t len;
		uint32_t cp = peek(r, r->at, &len);
		bool is_end;

		if (read_literal(r, s, cp, len))
			continue;
		if (starts_word(r, cp, len)) {
			read_word(r, s);
			continue;
		}
		is_end = read_sign(r, s, cp);
		r->at += len;
		if (is_end && (s->n > 0 || s->has_question_mark))
			return true;
	}
	return s->n > 0 || s->has_question_mark;
}

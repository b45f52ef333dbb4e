/* SPDX-License-Identifier: MIT */
/*
 * args_view.c - masks what looks like a secret in a tool call's arguments.
 *
 * Owns:   nothing.
 * Called: once per tool call, for the result's metadata.
 * Fails:  towards masking: a harmless value may be hidden, never the reverse.
 */
#include "config.h"

#include "worker/agent/args_view.h"

#include "common/secrets.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define MASK "***"

enum {
	VIEW_DEPTH_MAX = 32,
	NAME_BYTES_MAX = 64
};

/* ---- texts ---- */

static size_t
value_end(const char *s, size_t n, size_t i)
{
	while (i < n && s[i] != '&' && s[i] != '#' && s[i] != ' ' && s[i] != '"' &&
	    s[i] != '\n')
		i++;
	return i;
}

/* Where the name before the '=' at i begins; further back than any name is long enough
   to know, and each '=' of a long text of them looks back. */
static size_t
name_begin(const char *s, size_t i)
{
	size_t least = i > NAME_BYTES_MAX ? i - NAME_BYTES_MAX - 1 : 0;

	while (i > least && s[i - 1] != '?' && s[i - 1] != '&' && s[i - 1] != ';' &&
	    s[i - 1] != ' ' && s[i - 1] != '/')
		i--;
	return i;
}

/* Copies what stands before i from *from on, then the mask instead of i..end. */
static void
mask_range(struct buf *out, const char *s, size_t *from, size_t i, size_t end)
{
	buf_add(out, s + *from, i - *from);
	buf_adds(out, MASK);
	*from = end;
}

/* Where the user part of an address ends, if s[i..] begins one: "://user:pass@". */
static size_t
userinfo_end(const char *s, size_t n, size_t i)
{
	if (n - i < 4 || memcmp(s + i, "://", 3) != 0)
		return 0;
	for (size_t k = i + 3; k < n; k++) {
		if (s[k] == '@')
			return k;
		if (s[k] == '/' || s[k] == '?' || s[k] == '#' || s[k] == ' ')
			break;
	}
	return 0;
}

static bool
begins_word(const char *s, size_t i)
{
	return i == 0 || (unsigned char)s[i - 1] >= 0x80 ||
	    isalnum((unsigned char)s[i - 1]) == 0;
}

/* Is it this word that begins at i, in any case? Mostly the first letter says no. */
static bool
is_word(const char *s, size_t n, size_t i, const char *word)
{
	size_t m;

	if (((s[i] ^ word[0]) & ~0x20) != 0)
		return false;
	m = strlen(word);
	return n - i > m && strncasecmp(s + i, word, m) == 0;
}

/* Letters and digits of base64 and of names, and dots: what keys are made of. */
static size_t
key_length(const char *s, size_t n)
{
	size_t i = 0;

	while (i < n &&
	    (isalnum((unsigned char)s[i]) || strchr("_-./+=~", s[i]) != NULL) &&
	    s[i] != '\0')
		i++;
	return i;
}

/* Words before "Basic" in a sentence are followed by a word, not by base64. */
static bool
looks_encoded(const char *s, size_t n)
{
	bool has_upper = false, has_other = false;

	for (size_t i = 0; i < n; i++) {
		has_upper = has_upper || isupper((unsigned char)s[i]);
		has_other = has_other || isdigit((unsigned char)s[i]) || s[i] == '=';
	}
	return n % 4 == 0 && has_upper && has_other;
}

/* Keys that tell themselves by how they begin. */
static const struct {
	const char *begin;
	size_t least;    /* bytes of the key, with its beginning if that is a part */
	bool is_apart;   /* the beginning is no part of the secret */
	bool is_encoded; /* must look like base64 */
} kinds[] = {
	{ "bearer ", 16, true, false }, { "basic ", 8, true, true },
	{ "sk-", 16, false, false }, { "sk_live_", 16, false, false },
	{ "rk_live_", 16, false, false }, { "ghp_", 20, false, false },
	{ "gho_", 20, false, false }, { "ghu_", 20, false, false },
	{ "ghs_", 20, false, false }, { "ghr_", 20, false, false },
	{ "github_pat_", 20, false, false }, { "glpat-", 20, false, false },
	{ "xoxb-", 16, false, false }, { "xoxp-", 16, false, false },
	{ "xoxa-", 16, false, false }, { "AKIA", 20, false, false },
	{ "ASIA", 20, false, false }, { "AIza", 35, false, false },
	{ "ya29.", 20, false, false },
	{ "eyJ", 36, false, false }, /* the head of a JSON web token */
};

/* Where a key ends that begins at i by its own look; its first secret byte is *begin. 0
   when none begins here. */
static size_t
token_end(const char *s, size_t n, size_t i, size_t *begin)
{
	if (!begins_word(s, i))
		return 0;
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		size_t at = i, len;

		if (!is_word(s, n, i, kinds[k].begin))
			continue;
		if (kinds[k].is_apart)
			at += strlen(kinds[k].begin);
		len = key_length(s + at, n - at);
		if (len < kinds[k].least ||
		    (kinds[k].is_encoded && !looks_encoded(s + at, len)))
			continue;
		*begin = at;
		return at + len;
	}
	return 0;
}

static void
mask_text(struct buf *out, const char *s, size_t n)
{
	size_t from = 0;

	for (size_t i = 0; i < n; i++) {
		size_t begin = i + 3, end = userinfo_end(s, n, i);

		if (end == 0)
			end = token_end(s, n, i, &begin);
		if (end == 0 && s[i] == '=') {
			size_t name = name_begin(s, i);

			begin = i + 1;
			if (i - name <= NAME_BYTES_MAX &&
			    secrets_is_name(s + name, i - name))
				end = value_end(s, n, begin);
		}
		if (end > begin) {
			mask_range(out, s, &from, begin, end);
			i = end - 1;
		}
	}
	buf_add(out, s + from, n - from);
}

/* ---- values ---- */

static void
write_masked_text(struct json_writer *w, const char *s, size_t n)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	mask_text(&text, s, n);
	jw_string(w, buf_str(&text), text.len);
}

/* The message around them must stay within what readers accept. */
static void
write_masked(struct json_writer *w, const struct json *v, unsigned depth)
{
	if (depth >= VIEW_DEPTH_MAX) {
		jw_cstr(w, "\xE2\x80\xA6");
	} else if (v->type == JSON_STRING) {
		write_masked_text(w, v->text, v->len);
	} else if (v->type == JSON_ARRAY) {
		jw_array_begin(w);
		for (uint32_t i = 0; i < v->len; i++)
			write_masked(w, &v->items[i], depth + 1);
		jw_array_end(w);
	} else if (v->type == JSON_OBJECT) {
		jw_object_begin(w);
		for (uint32_t i = 0; i < v->len; i++) {
			const struct json_member *m = &v->members[i];

			jw_key_n(w, m->name, m->name_len);
			if (secrets_is_name(m->name, m->name_len) &&
			    (m->value.type == JSON_STRING ||
				m->value.type == JSON_NUMBER))
				jw_cstr(w, MASK);
			else
				write_masked(w, &m->value, depth + 1);
		}
		jw_object_end(w);
	} else {
		jw_value(w, v);
	}
}

/* {"cut":"..."} that fits max bytes, whatever must be escaped. */
static void
write_cut(struct buf *out, const char *s, size_t n, size_t max)
{
	size_t begin = out->len;

	if (n > max)
		n = max;
	for (;;) {
		while (n > 0 && ((unsigned char)s[n - 1] & 0xC0) == 0x80)
			n--;
		if (n > 0 && (unsigned char)s[n - 1] >= 0xC0)
			n--;
		buf_adds(out, "{\"cut\":");
		json_write_string(out, s, n);
		buf_addc(out, '}');
		if (out->len - begin <= max || n == 0 || buf_status(out) != 0)
			return;
		out->len = begin;
		out->data[begin] = '\0';
		n = n * 3 / 4;
	}
}

void
args_view(struct buf *out, const struct json *args, struct llm_text raw, size_t max)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	struct json_writer w;

	if (args == NULL) {
		mask_text(&text, raw.s != NULL ? raw.s : "", raw.len);
		write_cut(out, buf_str(&text), text.len, max);
		return;
	}
	jw_init(&w, &text);
	write_masked(&w, args, 0);
	if (text.len <= max)
		buf_add(out, buf_str(&text), text.len);
	else
		write_cut(out, buf_str(&text), text.len, max);
	if (buf_status(&text) != 0)
		out->status = buf_status(&text);
}

/* SPDX-License-Identifier: MIT */
/* test_secrets.c - a secret is found however it is written and wherever it is cut. */
#include "config.h"

#include "common/secrets.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <string.h>

static struct secrets *secrets;

/* The second one has something of everything that forms treat apart. */
#define PLAIN "sesame-1234"
#define ODD "a/b+c d&\"e\\f<%25>=\xc3\xa9"

static void
setup(void)
{
	secrets = secrets_new();
	cr_assert(secrets != NULL);
	cr_assert(eq(int, secrets_add(secrets, PLAIN, strlen(PLAIN)), 0));
	cr_assert(eq(int, secrets_add(secrets, ODD, strlen(ODD)), 0));
}

static void
teardown(void)
{
	secrets_free(secrets);
}

TestSuite(secrets, .init = setup, .fini = teardown, .timeout = 60);

/* clang-format off */
static const struct {
	const char *text, *want;
} cases[] = {
	{ "", "" },
	{ "nothing here", "nothing here" },
	{ "sesame-123", "sesame-123" },
	{ "sesame-1234", "[masked]" },
	{ "x sesame-1234 y", "x [masked] y" },
	{ "sesame-sesame-1234", "sesame-[masked]" },
	{ "sesame-1234sesame-1234", "[masked][masked]" },
	{ "?key=sesame%2d1234&x=1", "?key=[masked]&x=1" },
	{ "?key=sesame%2D1234&x=1", "?key=[masked]&x=1" },
	{ "%73%65%73%61%6d%65%2D%31%32%33%34", "[masked]" },
	{ "\"sesame\\u002d1234\"", "\"[masked]\"" },
	{ "\"\\u0073esame-1234\"", "\"[masked]\"" },
	{ "sesame&#45;1234 &#x73;esame-1234", "[masked] [masked]" },
	{ "sesame%2", "sesame%2" },
	{ "sesame\\u00", "sesame\\u00" },
	{ "sesame&#45", "sesame&#45" },
	/* base64 of it, of "x:" "sesame-1234", "xy" "sesame-1234" */
	{ "Basic c2VzYW1lLTEyMzQ=", "Basic [masked]=" },
	{ "Basic dTpzZXNhbWUtMTIzNA==", "Basic dTp[masked]==" },
	{ "dTp4OnNlc2FtZS0xMjM0", "dTp4On[masked]" },
	/* hexadecimal */
	{ "736573616d652d31323334", "[masked]" },
	{ "736573616D652D31323334", "[masked]" },
	/* the odd one */
	{ ODD, "[masked]" },
	{ "a%2Fb%2Bc%20d%26%22e%5Cf%3C%2525%3E%3D%C3%A9", "[masked]" },
	{ "a%2fb%2bc+d%26%22e%5cf%3c%2525%3e%3d%c3%a9", "[masked]" },
	{ "a/b+c d&\\\"e\\\\f<%25>=\xc3\xa9", "[masked]" },
	{ "a\\/b+c d&\\\"e\\\\f\\u003c%25>=\xc3\xa9", "[masked]" },
	/* within another text */
	{ "next=https%3A%2F%2Fx%3Fkey%3Dsesame%252d1234", "next=https%3A%2F%2Fx%3Fkey%3D[masked]" },
	{ "sesame%25252D1234 %2573esame-1234", "[masked] [masked]" },
	{ "a%252Fb%252Bc%2520d%2526%2522e%255Cf%253C%252525%253E%253D%25C3%25A9", "[masked]" },
	{ "{\"t\":\"{\\\"u\\\":\\\"sesame\\\\u002d1234\\\"}\"}", "{\"t\":\"{\\\"u\\\":\\\"[masked]\\\"}\"}" },
	{ "a\\\\/b+c d&\\\\\\\"e\\\\\\\\f<%25>=\xc3\xa9", "[masked]" },
	{ "a\\\\\\/b+c d&\\\\\\\"e\\\\\\\\f<%25>=\xc3\xa9", "[masked]" },
	/* JSON of ASCII only */
	{ "a/b+c d&\\\"e\\\\f<%25>=\\u00e9", "[masked]" },
	{ "a\\/b+c d&\\\"e\\\\f\\u003C%25>=\\u00E9", "[masked]" },
	{ "a/b+c d&amp;&quot;e\\f&lt;%25&gt;=\xc3\xa9", "[masked]" },
};
/* clang-format on */

Test(secrets, every_form_is_masked)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP_BUF struct buf out = BUF_INIT;
		size_t n = strlen(cases[i].text);

		secrets_mask(secrets, &out, cases[i].text, n);
		cr_expect_str_eq(buf_str(&out), cases[i].want, "'%s'", cases[i].text);
		cr_expect(eq(int, secrets_found(secrets, cases[i].text, n),
		    strstr(cases[i].want, SECRETS_MASK) != NULL));
	}
}

static int
collect(void *ctx, const char *bytes, size_t n)
{
	buf_add(ctx, bytes, n);
	return 0;
}

/* Cut into pieces of one size, with much or little around it. */
static void
stream_in_pieces(const char *text, size_t n, size_t piece, const char *want)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct secrets_stream st = { .secrets = secrets, .pass = collect, .ctx = &out };

	for (size_t at = 0; at < n; at += piece)
		cr_assert(eq(int,
		    secrets_stream_add(&st, text + at, n - at < piece ? n - at : piece),
		    0));
	cr_assert(eq(int, secrets_stream_end(&st), 0));
	cr_expect_str_eq(buf_str(&out), want, "pieces of %zu", piece);
	secrets_stream_release(&st);
}

Test(secrets, pieces_of_any_size_hide_nothing)
{
	CLEANUP_BUF struct buf text = BUF_INIT, want = BUF_INIT;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		for (size_t k = 0; k < i * 37; k++) {
			buf_addc(&text, 'x');
			buf_addc(&want, 'x');
		}
		buf_adds(&text, cases[i].text);
		buf_adds(&want, cases[i].want);
		buf_adds(&text, ";");
		buf_adds(&want, ";");
	}
	for (size_t piece = 1; piece < 300; piece++)
		stream_in_pieces(text.data, text.len, piece, want.data);
	stream_in_pieces(text.data, text.len, text.len, want.data);
}

static int
refuse(void *ctx, const char *bytes, size_t n)
{
	(void)ctx;
	(void)bytes;
	(void)n;
	return -ENOSPC;
}

Test(secrets, a_stream_tells_when_its_sink_fails)
{
	struct secrets_stream st = { .secrets = secrets, .pass = refuse };
	char text[4096];

	memset(text, 'x', sizeof(text));
	cr_expect(eq(int, secrets_stream_add(&st, text, sizeof(text)), -ENOSPC));
	cr_expect(eq(int, secrets_stream_end(&st), -ENOSPC));
	secrets_stream_release(&st);
}

Test(secrets, short_and_missing_ones_mask_nothing)
{
	CLEANUP(secrets_freep) struct secrets *none = secrets_new();
	CLEANUP_BUF struct buf out = BUF_INIT;

	cr_expect(eq(int, secrets_add(none, "abc", 3), 0));
	cr_expect(eq(int, secrets_add(none, "", 0), 0));
	cr_expect(eq(sz, secrets_count(none), 0));
	secrets_mask(none, &out, "abc", 3);
	secrets_mask(NULL, &out, "abc", 3);
	cr_expect_str_eq(buf_str(&out), "abcabc");
	cr_expect(not(secrets_found(NULL, "abc", 3)));
}

Test(secrets, of_a_long_one_nothing_stays)
{
	static const size_t sizes[] = { SECRETS_LENGTH_MAX - 1, SECRETS_LENGTH_MAX,
		SECRETS_LENGTH_MAX + 1, SECRETS_LENGTH_MAX + 40, 65536 };

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		CLEANUP(secrets_freep) struct secrets *s = secrets_new();
		CLEANUP_BUF struct buf text = BUF_INIT, out = BUF_INIT;
		uint32_t x = 1;

		for (size_t k = 0; k < sizes[i]; k++)
			buf_addc(&text,
			    (char)('a' + ((x = x * 1103515245 + 12345) >> 16) % 26));
		cr_assert(s != NULL);
		cr_assert(eq(int, secrets_add(s, text.data, text.len), 0));
		secrets_mask(s, &out, text.data, text.len);
		for (const char *p = buf_str(&out); *p != '\0';
		     p += strlen(SECRETS_MASK))
			cr_assert(strncmp(p, SECRETS_MASK, strlen(SECRETS_MASK)) == 0,
			    "%zu bytes: '%.20s' stays", sizes[i], p);
	}
}

Test(secrets, one_that_is_known_already_costs_nothing)
{
	size_t n = secrets_count(secrets);

	cr_expect(eq(int, secrets_add(secrets, PLAIN, strlen(PLAIN)), 0));
	cr_expect(eq(sz, secrets_count(secrets), n));
}

Test(secrets, a_text_in_place_is_cut_where_it_ends)
{
	char text[32] = "key " PLAIN " refused";
	char small[14] = "ab" PLAIN;

	secrets_mask_text(secrets, text, sizeof(text));
	cr_expect_str_eq(text, "key [masked] refused");
	secrets_mask_text(secrets, small, sizeof(small));
	cr_expect_str_eq(small, "ab[masked]");
}

static const struct {
	const char *name;
	bool want;
} names[] = {
	{ "Authorization", true },
	{ "X-API-Key", true },
	{ "api_key", true },
	{ "apikey", true },
	{ "key", true },
	{ "Cookie", true },
	{ "Set-Cookie", true },
	{ "access_token", true },
	{ "sslpassword", true },
	{ "sig", true },
	{ "client.secret", true },
	{ "keyword", false },
	{ "monkey", false },
	{ "author", false },
	{ "design", false },
	{ "max_tokens", false },
	{ "nextPageToken", false },
	{ "session_id", false },
	{ "", false },
};

Test(secrets, names_say_what_is_one)
{
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		cr_expect(eq(int, secrets_is_name(names[i].name, strlen(names[i].name)),
			      names[i].want),
		    "%s", names[i].name);
}

/* SPDX-License-Identifier: MIT */
/* test_common.c - the small things that everybody leans on: err, buf, clock. */
#include "config.h"

#include "common/buf.h"
#include "common/clock.h"
#include "common/err.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <string.h>

/* ---- err ---- */

Test(err, a_failure_returns_its_code_and_keeps_its_sentence)
{
	struct err e = ERR_INIT;

	cr_expect(eq(int, err_set(&e, -EPROTO, "%s %d", "line", 7), -EPROTO));
	cr_expect(eq(int, e.code, -EPROTO));
	cr_expect(strcmp(err_text(&e), "line 7") == 0);
	cr_expect(eq(int, err_prefix(&e, -EIO, "file %s", "x"), -EIO));
	cr_expect(strcmp(err_text(&e), "file x: line 7") == 0);
}

Test(err, nobody_need_listen)
{
	cr_expect(eq(int, err_set(NULL, -EIO, "unheard"), -EIO));
	cr_expect(eq(int, err_prefix(NULL, -EIO, "unheard"), -EIO));
	cr_expect(err_text(NULL)[0] != '\0');
}

Test(err, without_a_sentence_the_code_speaks)
{
	struct err e = { .code = -ENOENT };

	cr_expect(strcmp(err_text(&e), strerror(ENOENT)) == 0);
	(void)err_prefix(&e, -ENOENT, "here");
	cr_expect(strstr(e.text, strerror(ENOENT)) != NULL);
}

Test(err, too_long_a_sentence_is_cut_and_ends)
{
	static char text[2 * ERR_TEXT_MAX];
	struct err e = ERR_INIT;

	memset(text, 'x', sizeof(text) - 1);
	(void)err_set(&e, -EIO, "%s", text);
	cr_expect(eq(sz, strlen(e.text), ERR_TEXT_MAX - 1));
	(void)err_prefix(&e, -EIO, "before");
	cr_expect(eq(sz, strlen(e.text), ERR_TEXT_MAX - 1));
	cr_expect(strncmp(e.text, "before: xxx", 11) == 0);
	(void)err_prefix(&e, -EIO, "%s", text);
	cr_expect(lt(sz, strlen(e.text), ERR_TEXT_MAX));
}

/* ---- buf ---- */

Test(buf, nothing_is_an_empty_text)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	CLEANUP(freep) char *taken = NULL;
	size_t n = 9;

	cr_expect(strcmp(buf_str(&b), "") == 0);
	taken = buf_take(&b, &n);
	cr_assert(taken != NULL);
	cr_expect(eq(sz, n, 0));
	cr_expect(strcmp(taken, "") == 0);
}

Test(buf, it_grows_and_is_always_ended)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	for (int i = 0; i < 10000; i++) {
		buf_addc(&b, 'a');
		cr_assert(b.data[b.len] == '\0');
	}
	buf_addf(&b, "%05d|%s", 42, "tail");
	buf_add(&b, "\0x", 2);
	cr_expect(eq(sz, b.len, 10012));
	cr_expect(memcmp(b.data + 10000, "00042|tail\0x", 13) == 0);
	cr_expect(eq(int, buf_status(&b), 0));
}

Test(buf, a_bound_is_sticky_until_cleared)
{
	CLEANUP_BUF struct buf b = { .max_len = 4 };

	buf_adds(&b, "1234");
	cr_expect(eq(int, buf_status(&b), 0));
	buf_addc(&b, '5');
	cr_expect(eq(int, buf_status(&b), -EFBIG));
	buf_add(&b, "", 0);
	cr_expect(eq(int, buf_status(&b), -EFBIG));
	cr_expect(strcmp(buf_str(&b), "1234") == 0);
	cr_expect(buf_take(&b, NULL) == NULL);
	buf_clear(&b);
	buf_adds(&b, "12");
	cr_expect(eq(int, buf_status(&b), 0));
	cr_expect(strcmp(buf_str(&b), "12") == 0);
	buf_addf(&b, "%s", "345");
	cr_expect(eq(int, buf_status(&b), -EFBIG));
	buf_release(&b);
	buf_adds(&b, "12345");
	cr_expect(eq(int, buf_status(&b), -EFBIG), "the bound survives a release");
}

Test(buf, a_length_beyond_all_memory_is_refused)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	buf_adds(&b, "x");
	cr_expect(eq(int, buf_reserve(&b, SIZE_MAX), -EFBIG));
	cr_expect(strcmp(buf_str(&b), "x") == 0);
}

Test(buf, what_is_taken_is_gone_from_it)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	CLEANUP(freep) char *taken = NULL;
	size_t n = 0;

	buf_adds(&b, "first");
	taken = buf_take(&b, &n);
	cr_expect(eq(sz, n, 5));
	buf_adds(&b, "second");
	cr_expect(strcmp(taken, "first") == 0);
	cr_expect(strcmp(buf_str(&b), "second") == 0);
}

/* ---- clock ---- */

static const struct {
	int64_t ms;
	const char *text;
} stamps[] = {
	{ 0, "1970-01-01T00:00:00.000Z" },
	{ 1, "1970-01-01T00:00:00.001Z" },
	{ -1, "1969-12-31T23:59:59.999Z" },
	{ 951782400000, "2000-02-29T00:00:00.000Z" },
	{ 1769860800123, "2026-01-31T12:00:00.123Z" },
	{ 253402300799999, "9999-12-31T23:59:59.999Z" },
};

Test(clock, stamps_are_written_and_read_back)
{
	for (size_t i = 0; i < ARRAY_LEN(stamps); i++) {
		char out[CLOCK_ISO_MAX];
		int64_t ms = 77;

		cr_expect(strcmp(clock_iso(stamps[i].ms, out), stamps[i].text) == 0);
		cr_expect(eq(int,
		    clock_parse_iso(stamps[i].text, strlen(stamps[i].text), &ms), 0));
		cr_expect(eq(i64, ms, stamps[i].ms));
	}
}

Test(clock, a_year_beyond_all_calendars_still_fits)
{
	char out[CLOCK_ISO_MAX];

	cr_expect(lt(sz, strlen(clock_iso(INT64_MAX, out)), CLOCK_ISO_MAX));
	cr_expect(lt(sz, strlen(clock_iso(INT64_MIN, out)), CLOCK_ISO_MAX));
}

static const struct {
	const char *text;
	int want;
	int64_t ms;
} texts[] = {
	{ "1970-01-01T00:00:00Z", 0, 0 },
	{ "1970-01-01 00:00:00z", 0, 0 },
	{ "1970-01-01t01:00:00+01:00", 0, 0 },
	{ "1969-12-31T19:30:00-0430", 0, 0 },
	{ "1970-01-01T00:00:00.5Z", 0, 500 },
	{ "1970-01-01T00:00:00,123456789Z", 0, 123 },
	{ "2016-12-31T23:59:60Z", 0, 1483228800000 },
	{ "2024-02-29T00:00:00Z", 0, 1709164800000 },
	{ "2023-02-29T00:00:00Z", -EINVAL, 0 },
	{ "1900-02-29T00:00:00Z", -EINVAL, 0 },
	{ "1970-13-01T00:00:00Z", -EINVAL, 0 },
	{ "1970-00-01T00:00:00Z", -EINVAL, 0 },
	{ "1970-01-32T00:00:00Z", -EINVAL, 0 },
	{ "1970-01-01T24:00:00Z", -EINVAL, 0 },
	{ "1970-01-01T00:60:00Z", -EINVAL, 0 },
	{ "1970-01-01T00:00:61Z", -EINVAL, 0 },
	{ "1970-01-01T00:00:00", -EINVAL, 0 },
	{ "1970-01-01T00:00:00.Z", -EINVAL, 0 },
	{ "1970-01-01T00:00:00Zx", -EINVAL, 0 },
	{ "1970-01-01T00:00:00+1:00", -EINVAL, 0 },
	{ "1970-01-01T00:00:00+24:00", -EINVAL, 0 },
	{ "1970-1-1T00:00:00Z", -EINVAL, 0 },
	{ "70-01-01T00:00:00Z", -EINVAL, 0 },
	{ "1970-01-01", -EINVAL, 0 },
	{ "", -EINVAL, 0 },
};

Test(clock, what_is_and_is_not_a_date_time)
{
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		int64_t ms = 77;

		cr_expect(
		    eq(int, clock_parse_iso(texts[i].text, strlen(texts[i].text), &ms),
			texts[i].want),
		    "'%s'", texts[i].text);
		cr_expect(eq(i64, ms, texts[i].want == 0 ? texts[i].ms : 77), "'%s'",
		    texts[i].text);
	}
}

Test(clock, every_cut_of_a_date_time_is_refused)
{
	static const char whole[] = "2026-01-31T12:00:00.123+05:30";

	for (size_t n = 0; n < sizeof(whole) - 1; n++) {
		int64_t ms = 77;

		cr_expect(eq(int, clock_parse_iso(whole, n, &ms), -EINVAL), "%zu", n);
		cr_expect(eq(i64, ms, 77));
	}
}

Test(clock, monotonic_time_does_not_go_back)
{
	uint64_t last = clock_mono_us();

	for (int i = 0; i < 1000; i++) {
		uint64_t now = clock_mono_us();

		cr_assert(ge(u64, now, last));
		last = now;
	}
}

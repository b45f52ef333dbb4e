/* SPDX-License-Identifier: MIT */
/*
 * json_number.c - number text as integers, doubles, and exact decimals to compare.
 *
 * Owns:   nothing.
 * Called: by every reader of numbers; by sort, filter and join for each row.
 * Fails:  -EINVAL for what is no number (or not whole), -ERANGE for what does not fit.
 */
#include "config.h"

#include "common/json/json_text.h"

#include <errno.h>
#include <math.h>

enum {
	FAST_DIGITS = 15,
	FAST_EXPONENT = 22,
	DIGITS_MAX = 800
};

/* Beyond this every exponent is the same: larger (or smaller) than any that can
   matter. */
static const int64_t exponent_cap = (int64_t)1 << 40;

/*
 * A number as 0.d1d2d3... times ten to the magnitude, d1 and the last digit not zero.
 * The digits stand in two pieces of the text, before and after the point.
 */
struct decimal {
	bool is_negative;
	const char *whole, *part;
	size_t n_whole, n; /* digits of the first piece, digits of both */
	int64_t magnitude;
};

static inline char
digit_at(const struct decimal *d, size_t i)
{
	return i < d->n_whole ? d->whole[i] : d->part[i - d->n_whole];
}

/* The exponent that is written at p; saturates. */
static int64_t
exponent_of(const char *p, const char *end)
{
	bool is_negative = p < end && *p == '-';
	int64_t e = 0;

	if (p < end && (*p == '-' || *p == '+'))
		p++;
	for (; p < end && e < exponent_cap; p++)
		e = e * 10 + (*p - '0');
	if (e > exponent_cap)
		e = exponent_cap;
	return is_negative ? -e : e;
}

static struct decimal
decimal_of(const struct json *v)
{
	const char *p = v->text, *end = p + v->len;
	struct decimal d = { .is_negative = *p == '-' };
	size_t n_part = 0;

	if (d.is_negative)
		p++;
	for (d.whole = p; p < end && *p >= '0' && *p <= '9'; p++)
		d.n_whole++;
	d.part = p;
	if (p < end && *p == '.')
		for (d.part = ++p; p < end && *p >= '0' && *p <= '9'; p++)
			n_part++;
	d.magnitude = (int64_t)d.n_whole;
	if (p < end)
		d.magnitude += exponent_of(p + 1, end);
	d.n = d.n_whole + n_part;
	while (d.n > 0 && digit_at(&d, d.n - 1) == '0')
		d.n--;
	while (d.n_whole > 0 && d.n > 0 && *d.whole == '0') {
		d.whole++, d.n_whole--, d.n--;
		d.magnitude--;
	}
	while (d.n_whole == 0 && d.n > 0 && *d.part == '0') {
		d.part++, d.n--;
		d.magnitude--;
	}
	if (d.n_whole > d.n)
		d.n_whole = d.n;
	if (d.n == 0)
		d.magnitude = 0, d.is_negative = false;
	return d;
}

bool
json_is_integer(const struct json *v)
{
	return json_is(v, JSON_NUMBER) && (v->flags & JSON_FLAG_INTEGER) != 0;
}

/* An integer of at most 18 digits: no overflow is possible. */
static bool
small_integer(const struct json *v, int64_t *out)
{
	const char *p = v->text, *end = p + v->len;
	bool is_negative = *p == '-';
	int64_t i = 0;

	if ((v->flags & JSON_FLAG_INTEGER) == 0 || v->len > 18)
		return false;
	for (p += is_negative; p < end; p++)
		i = i * 10 + (*p - '0');
	*out = is_negative ? -i : i;
	return true;
}

int
json_int64(const struct json *v, int64_t *out)
{
	struct decimal d;
	int64_t i = 0;

	if (!json_is(v, JSON_NUMBER))
		return -EINVAL;
	if (small_integer(v, out))
		return 0;
	d = decimal_of(v);
	if (d.magnitude < (int64_t)d.n)
		return -EINVAL;
	if (d.magnitude > 19)
		return -ERANGE;
	for (int64_t k = 0; k < d.magnitude; k++) { /* counts down: INT64_MIN fits */
		int digit = (size_t)k < d.n ? digit_at(&d, (size_t)k) - '0' : 0;

		if (__builtin_mul_overflow(i, 10, &i) ||
		    __builtin_sub_overflow(i, digit, &i))
			return -ERANGE;
	}
	if (!d.is_negative && __builtin_sub_overflow(0, i, &i))
		return -ERANGE;
	*out = i;
	return 0;
}

/* Up to 15 digits and a small power of ten are exact in double arithmetic. */
static bool
fast_double(const struct decimal *d, double *out)
{
	static const double powers[FAST_EXPONENT + 1] = { 1e0, 1e1, 1e2, 1e3, 1e4, 1e5,
		1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17,
		1e18, 1e19, 1e20, 1e21, 1e22 };
	int64_t scale = d->magnitude - (int64_t)d->n, i = 0;
	double x;

	if (d->n > FAST_DIGITS || scale > FAST_EXPONENT || scale < -FAST_EXPONENT)
		return false;
	for (size_t k = 0; k < d->n; k++)
		i = i * 10 + (digit_at(d, k) - '0');
	x = scale < 0 ? (double)i / powers[-scale] : (double)i * powers[scale];
	*out = d->is_negative ? -x : x;
	return true;
}

/* Digits beyond DIGITS_MAX cannot change the nearest double, but for being there at
 * all. */
static double
slow_double(const struct decimal *d)
{
	char text[DIGITS_MAX + 40], *to = text;
	size_t n = d->n < DIGITS_MAX ? d->n : DIGITS_MAX;
	int64_t e = d->magnitude;

	if (d->is_negative)
		*to++ = '-';
	*to++ = '.';
	for (size_t i = 0; i < n; i++)
		*to++ = digit_at(d, i);
	if (n < d->n)
		*to++ = '1';
	if (e > 1000000)
		e = 1000000;
	if (e < -1000000)
		e = -1000000;
	(void)snprintf(to, (size_t)(text + sizeof(text) - to), "e%lld", (long long)e);
	return strtod(text, NULL);
}

int
json_double(const struct json *v, double *out)
{
	struct decimal d;
	int64_t i;

	if (!json_is(v, JSON_NUMBER))
		return -EINVAL;
	if (v->len <= FAST_DIGITS && small_integer(v, &i) && i != 0) {
		*out = (double)i;
		return 0;
	}
	d = decimal_of(v);
	if (d.n == 0)
		*out = *v->text == '-' ? -0.0 : 0.0;
	else if (!fast_double(&d, out))
		*out = slow_double(&d);
	return 0;
}

/* Both have digits and the same sign: which is larger away from zero? */
static int
compare_absolute(const struct decimal *a, const struct decimal *b)
{
	size_t n = a->n < b->n ? a->n : b->n;

	if (a->magnitude != b->magnitude)
		return a->magnitude < b->magnitude ? -1 : 1;
	for (size_t i = 0; i < n; i++) {
		char x = digit_at(a, i), y = digit_at(b, i);

		if (x != y)
			return x < y ? -1 : 1;
	}
	return a->n < b->n ? -1 : a->n > b->n;
}

static int
sign_of(const struct decimal *d)
{
	return d->n == 0 ? 0 : d->is_negative ? -1 : 1;
}

int
json_number_compare(const struct json *a, const struct json *b)
{
	struct decimal x, y;
	int64_t i, j;

	if (small_integer(a, &i) && small_integer(b, &j))
		return i < j ? -1 : i > j;
	x = decimal_of(a);
	y = decimal_of(b);
	if (sign_of(&x) != sign_of(&y))
		return sign_of(&x) < sign_of(&y) ? -1 : 1;
	return sign_of(&x) >= 0 ? compare_absolute(&x, &y) : compare_absolute(&y, &x);
}

/* SPDX-License-Identifier: MIT */
/*
 * iso_date.c - dates and times of ISO 8601, and of strptime formats, as UTC.
 *
 * Owns:   nothing.
 * Called: by parse_date for each row.
 * Fails:  with false for what is no date.
 */
#include "config.h"

#include "compute/iso_date.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

struct cursor {
	const char *p, *end;
};

/* Exactly n digits. */
static bool
digits(struct cursor *c, int n, int *out)
{
	int v = 0;

	if (c->end - c->p < n)
		return false;
	for (int i = 0; i < n; i++) {
		if (c->p[i] < '0' || c->p[i] > '9')
			return false;
		v = v * 10 + (c->p[i] - '0');
	}
	c->p += n;
	*out = v;
	return true;
}

static bool
accept(struct cursor *c, char what)
{
	if (c->p == c->end || *c->p != what)
		return false;
	c->p++;
	return true;
}

static bool
is_digit_next(const struct cursor *c)
{
	return c->p < c->end && *c->p >= '0' && *c->p <= '9';
}

/* YYYY-MM-DD, YYYY-MM, YYYYMMDD */
static bool
read_day(struct cursor *c, struct tm *tm)
{
	int year, month = 1, day = 1;

	if (!digits(c, 4, &year))
		return false;
	if (accept(c, '-')) {
		if (!digits(c, 2, &month) || (accept(c, '-') && !digits(c, 2, &day)))
			return false;
	} else if (!digits(c, 2, &month) || !digits(c, 2, &day)) {
		return false;
	}
	tm->tm_year = year - 1900;
	tm->tm_mon = month - 1;
	tm->tm_mday = day;
	return month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

static void
read_fraction(struct cursor *c, uint32_t *nsec)
{
	uint32_t unit = 100000000;

	for (; is_digit_next(c); c->p++) {
		*nsec += (uint32_t)(*c->p - '0') * unit;
		unit /= 10;
	}
}

/* hh, hh:mm, hh:mm:ss[.f], hhmm, hhmmss[.f] */
static bool
read_time(struct cursor *c, struct tm *tm, uint32_t *nsec)
{
	bool has_colon;

	if (!digits(c, 2, &tm->tm_hour))
		return false;
	has_colon = accept(c, ':');
	if (has_colon || is_digit_next(c)) {
		if (!digits(c, 2, &tm->tm_min))
			return false;
		if (has_colon ? accept(c, ':') : is_digit_next(c)) {
			if (!digits(c, 2, &tm->tm_sec))
				return false;
			if (accept(c, '.') || accept(c, ',')) {
				if (!is_digit_next(c))
					return false;
				read_fraction(c, nsec);
			}
		}
	}
	if (tm->tm_hour == 24)
		return tm->tm_min == 0 && tm->tm_sec == 0 && *nsec == 0;
	return tm->tm_hour <= 23 && tm->tm_min <= 59 && tm->tm_sec <= 60;
}

/* Z, +hh, +hhmm, +hh:mm, or nothing */
static bool
read_offset(struct cursor *c, long *offset_sec)
{
	int hours, minutes = 0;
	bool is_west;

	*offset_sec = 0;
	if (c->p == c->end || accept(c, 'Z') || accept(c, 'z'))
		return true;
	is_west = *c->p == '-';
	if (!accept(c, '+') && !accept(c, '-'))
		return false;
	if (!digits(c, 2, &hours))
		return false;
	if ((accept(c, ':') || is_digit_next(c)) && !digits(c, 2, &minutes))
		return false;
	if (hours > 23 || minutes > 59)
		return false;
	*offset_sec = (hours * 60L + minutes) * 60;
	if (is_west)
		*offset_sec = -*offset_sec;
	return true;
}

/* timegm makes March of the 30th of February: that is no date. */
static bool
seconds_of(const struct tm *tm, long offset_sec, int64_t *out)
{
	struct tm day = { .tm_year = tm->tm_year,
		.tm_mon = tm->tm_mon,
		.tm_mday = tm->tm_mday };
	struct tm full = *tm;

	(void)timegm(&day);
	if (day.tm_mday != tm->tm_mday || day.tm_mon != tm->tm_mon)
		return false;
	*out = (int64_t)timegm(&full) - offset_sec;
	return true;
}

bool
iso_date_read(const char *text, size_t n, struct instant *out)
{
	struct cursor c = { text, text + n };
	struct tm tm = { 0 };
	uint32_t nsec = 0;
	long offset_sec = 0;
	int64_t sec;

	if (!read_day(&c, &tm))
		return false;
	if (c.p < c.end) {
		if (!accept(&c, 'T') && !accept(&c, 't') && !accept(&c, ' '))
			return false;
		if (!read_time(&c, &tm, &nsec))
			return false;
		if (c.end - c.p > 1 && *c.p == ' ') /* "10:20:30 +02:00" */
			c.p++;
		if (!read_offset(&c, &offset_sec))
			return false;
	}
	if (c.p != c.end || !seconds_of(&tm, offset_sec, &sec))
		return false;
	*out = (struct instant){ sec, nsec };
	return true;
}

bool
strptime_read(const char *text, const char *format, struct instant *out)
{
	struct tm tm = { .tm_year = 70, .tm_mday = 1 };
	const char *end = strptime(text, format, &tm);
	int64_t sec;

	while (end != NULL && (*end == ' ' || *end == '\t' || *end == '\n'))
		end++;
	if (end == NULL || *end != '\0' || !seconds_of(&tm, tm.tm_gmtoff, &sec))
		return false;
	*out = (struct instant){ sec, 0 };
	return true;
}

size_t
iso_date_write(const struct instant *t, char out[ISO_DATE_MAX])
{
	time_t sec = (time_t)t->sec;
	struct tm tm;
	int n;

	if (gmtime_r(&sec, &tm) == NULL || tm.tm_year < -1900 ||
	    tm.tm_year > 9999 - 1900)
		return 0;
	n = snprintf(out, ISO_DATE_MAX, "%04d-%02d-%02dT%02d:%02d:%02d",
	    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
	    tm.tm_sec);
	if (t->nsec > 0) {
		n += snprintf(out + n, ISO_DATE_MAX - (size_t)n, ".%09u", t->nsec);
		while (out[n - 1] == '0')
			n--;
	}
	out[n++] = 'Z';
	out[n] = '\0';
	return (size_t)n;
}

/* SPDX-License-Identifier: MIT */
/*
 * clock.c - clocks and RFC 3339 text.
 *
 * Owns:   nothing.
 * Called: by everything that waits, measures or stamps.
 * Fails:  only clock_parse_iso, with -EINVAL.
 */
#include "config.h"

#include "common/clock.h"

#include "common/fault_point.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

uint64_t
clock_mono_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000U + (uint64_t)ts.tv_nsec / 1000U;
}

uint64_t
clock_mono_ms(void)
{
	return clock_mono_us() / 1000U;
}

int64_t
clock_wall_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000 + FAULT_WALL_STEP_MS();
}

char *
clock_iso(int64_t wall_ms, char out[CLOCK_ISO_MAX])
{
	time_t sec = (time_t)(wall_ms / 1000);
	int ms = (int)(wall_ms % 1000);
	struct tm tm;
	size_t n;

	if (ms < 0) {
		ms += 1000;
		sec--;
	}
	if (gmtime_r(&sec, &tm) == NULL)
		memset(&tm, 0, sizeof(tm));
	n = strftime(out, CLOCK_ISO_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(out + n, CLOCK_ISO_MAX - n, ".%03dZ", ms);
	return out;
}

/* Reads exactly n digits at *p; returns -1 when there are not. */
static int
digits(const char **p, const char *end, int n)
{
	int v = 0;

	if (end - *p < n)
		return -1;
	for (int i = 0; i < n; i++, (*p)++) {
		if (**p < '0' || **p > '9')
			return -1;
		v = v * 10 + (**p - '0');
	}
	return v;
}

static bool
skip(const char **p, const char *end, const char *set)
{
	if (*p >= end || strchr(set, **p) == NULL || **p == '\0')
		return false;
	(*p)++;
	return true;
}

/* Reads "Z" or "+hh:mm"; *offset_sec is what local time is ahead of UTC. */
static bool
zone(const char **p, const char *end, int *offset_sec)
{
	int sign, hour, minute;

	*offset_sec = 0;
	if (skip(p, end, "Zz"))
		return true;
	if (*p >= end || (**p != '+' && **p != '-'))
		return false;
	sign = **p == '-' ? -1 : 1;
	(*p)++;
	hour = digits(p, end, 2);
	(void)skip(p, end, ":");
	minute = digits(p, end, 2);
	if (hour < 0 || hour > 23 || minute < 0 || minute > 59)
		return false;
	*offset_sec = sign * (hour * 3600 + minute * 60);
	return true;
}

int
clock_parse_iso(const char *text, size_t n, int64_t *wall_ms)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	const char *p = text, *end = text + n;
	int year, month, day, hour, minute, second, offset, ms = 0, scale = 100;
	bool is_leap;
	struct tm tm = { 0 };

	year = digits(&p, end, 4);
	if (year < 0 || !skip(&p, end, "-"))
		return -EINVAL;
	month = digits(&p, end, 2);
	if (!skip(&p, end, "-"))
		return -EINVAL;
	day = digits(&p, end, 2);
	if (!skip(&p, end, "Tt "))
		return -EINVAL;
	hour = digits(&p, end, 2);
	if (!skip(&p, end, ":"))
		return -EINVAL;
	minute = digits(&p, end, 2);
	if (!skip(&p, end, ":"))
		return -EINVAL;
	second = digits(&p, end, 2);
	is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	if (month < 1 || month > 12 || day < 1 ||
	    day > days[month - 1] + (month == 2 && is_leap) || hour < 0 || hour > 23 ||
	    minute < 0 || minute > 59 || second < 0 || second > 60)
		return -EINVAL;
	if (skip(&p, end, ".,")) {
		if (p >= end || *p < '0' || *p > '9')
			return -EINVAL;
		for (; p < end && *p >= '0' && *p <= '9'; p++, scale /= 10)
			ms += (*p - '0') * scale;
	}
	if (!zone(&p, end, &offset) || p != end)
		return -EINVAL;
	tm.tm_year = year - 1900;
	tm.tm_mon = month - 1;
	tm.tm_mday = day;
	tm.tm_hour = hour;
	tm.tm_min = minute;
	tm.tm_sec = second;
	*wall_ms = ((int64_t)timegm(&tm) - offset) * 1000 + ms;
	return 0;
}

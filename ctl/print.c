/* SPDX-License-Identifier: MIT */
/*
 * print.c - what goes to standard output.
 *
 * Owns:   nothing.
 * Called: by every command.
 * Fails:  when standard output does; a reader that left early (EPIPE) is no complaint.
 */
#include "config.h"

#include "ctl/ctl.h"
#include "ctl/table.h"
#include "ctl/width.h"

#include <errno.h>
#include <string.h>

int
ctl_put(struct buf *text)
{
	size_t n;

	if (buf_status(text) < 0)
		return ctl_fail(CTL_FAILED, "no memory for the output");
	n = fwrite(buf_str(text), 1, text->len, stdout);
	if (n == text->len && fflush(stdout) == 0)
		return CTL_OK;
	if (errno == EPIPE)
		return CTL_FAILED;
	return ctl_fail(CTL_FAILED, "standard output: %s", strerror(errno));
}

/* JSON text escapes control characters itself, except those above ASCII. */
static void
show_json(struct buf *out, const struct json *v, enum json_style style)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	json_write(&text, v, style);
	text_put_safe(out, buf_str(&text), text.len);
	buf_addc(out, '\n');
}

void
ctl_show_value(const struct ctl *ctl, struct buf *out, const struct json *v)
{
	CLEANUP(table_freep) struct table *t = NULL;

	if (table_fits_json(v)) {
		t = table_from_json(v);
		table_write(out, t, ctl->width, ctl->has_colour);
	} else if (json_is(v, JSON_STRING)) {
		text_put_safe(out, v->text, v->len);
		buf_addc(out, '\n');
	} else {
		show_json(out, v, JSON_PRETTY);
	}
}

void
ctl_show_facts(const struct ctl *ctl, struct buf *out, const struct ctl_fact *facts,
    size_t n)
{
	int width = 0;

	for (size_t i = 0; i < n; i++)
		if (facts[i].value != NULL && (int)strlen(facts[i].name) > width)
			width = (int)strlen(facts[i].name);
	for (size_t i = 0; i < n; i++) {
		if (facts[i].value == NULL)
			continue;
		buf_addf(out, "%-*s  ", width, facts[i].name);
		text_put_wrapped(out, facts[i].value, strlen(facts[i].value),
		    (unsigned)width + 2, ctl->width);
		buf_addc(out, '\n');
	}
}

const char *
ctl_second(int64_t wall_ms, char out[CLOCK_ISO_MAX])
{
	char *dot = strchr(clock_iso(wall_ms, out), '.');

	if (dot != NULL)
		(void)snprintf(dot, (size_t)(out + CLOCK_ISO_MAX - dot), "Z");
	return out;
}

const char *
ctl_owner_name(const char *owner)
{
	return owner[0] != '\0' ? owner : "(nobody)";
}

const char *
ctl_duration(int64_t ms, char out[32])
{
	static const struct {
		int64_t ms;
		const char *unit;
	} units[] = { { 86400000, "d" }, { 3600000, "h" }, { 60000, "min" },
		{ 1000, "s" } };

	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (ms < units[i].ms)
			continue;
		if (ms < 10 * units[i].ms)
			(void)snprintf(out, 32, "%.1f %s",
			    (double)ms / (double)units[i].ms, units[i].unit);
		else
			(void)snprintf(out, 32, "%lld %s",
			    (long long)(ms / units[i].ms), units[i].unit);
		return out;
	}
	(void)snprintf(out, 32, "%lld ms", (long long)ms);
	return out;
}

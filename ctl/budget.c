/* SPDX-License-Identifier: MIT */
/*
 * budget.c - agentctl budget: what owners have spent of their day.
 *
 * Owns:   nothing.
 * Called: by main.c.
 * Fails:  as Redis does; an owner of whom nothing is counted has used nothing.
 */
#include "config.h"

#include "common/clock.h"
#include "common/queue/queue_budget.h"
#include "ctl/ctl.h"
#include "ctl/table.h"

#include <string.h>

struct listing {
	struct ctl *ctl;
	struct table *table;   /* for people, else NULL */
	struct json_writer *w; /* for programs, else NULL */
	unsigned n;
};

static void
write_day(struct listing *l, const struct queue_owner_day *d)
{
	struct json_writer *w = l->w;

	jw_object_begin(w);
	jw_key(w, "owner");
	jw_string(w, d->owner.p, d->owner.n);
	jw_key(w, "used_usd");
	jw_double(w, (double)d->used_microusd / 1e6);
	jw_key(w, "reserved_usd");
	jw_double(w, (double)d->reserved_microusd / 1e6);
	jw_key(w, "used_tokens");
	jw_int(w, d->used_tokens);
	jw_key(w, "reserved_tokens");
	jw_int(w, d->reserved_tokens);
	jw_object_end(w);
}

static void
cell_usd(struct table *t, int64_t microusd)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%.6f", (double)microusd / 1e6);

	table_cell(t, text, (size_t)n, true);
}

static void
show_day(struct listing *l, const struct queue_owner_day *d)
{
	if (d->owner.n > 0)
		table_cell(l->table, d->owner.p, d->owner.n, false);
	else
		table_text(l->table, ctl_owner_name(""));
	cell_usd(l->table, d->used_microusd);
	cell_usd(l->table, d->reserved_microusd);
	table_int(l->table, d->used_tokens);
	table_int(l->table, d->reserved_tokens);
	table_end_row(l->table);
}

static void
note_day(const struct queue_owner_day *d, void *arg)
{
	struct listing *l = arg;

	l->n++;
	if (l->w != NULL)
		write_day(l, d);
	else
		show_day(l, d);
}

static int
list_days(struct listing *l, int64_t *renews_ms)
{
	const struct ctl_args *a = &l->ctl->args;
	struct err err = ERR_INIT;
	int r = queue_budget_each(l->ctl->redis, a->n_words > 0 ? a->words[0] : NULL,
	    note_day, l, renews_ms, &err);

	return r < 0 ? ctl_fail_code(r, &err) : CTL_OK;
}

static int
print_json(struct ctl *ctl, struct buf *out)
{
	struct json_writer w;
	struct listing l = { .ctl = ctl, .w = &w };
	char iso[CLOCK_ISO_MAX];
	int64_t renews_ms = 0;
	int r;

	jw_init(&w, out);
	jw_object_begin(&w);
	jw_key(&w, "owner_usd_per_day");
	jw_double(&w, ctl->conf->limits.owner_usd_per_day);
	jw_key(&w, "owner_tokens_per_day");
	jw_int(&w, ctl->conf->limits.owner_tokens_per_day);
	jw_key(&w, "owners");
	jw_array_begin(&w);
	r = list_days(&l, &renews_ms);
	jw_array_end(&w);
	jw_key(&w, "renews_at");
	jw_cstr(&w, clock_iso(renews_ms, iso));
	jw_object_end(&w);
	buf_addc(out, '\n');
	return r;
}

static void
show_caps(struct ctl *ctl, struct buf *out, int64_t renews_ms)
{
	char usd[32] = "none", tokens[32] = "none", iso[CLOCK_ISO_MAX];
	const struct ctl_fact facts[] = {
		{ "USD per owner and day", usd },
		{ "tokens per owner and day", tokens },
		{ "renews at", clock_iso(renews_ms, iso) },
	};

	if (ctl->conf->limits.owner_usd_per_day > 0)
		(void)snprintf(usd, sizeof(usd), "%.6f",
		    ctl->conf->limits.owner_usd_per_day);
	if (ctl->conf->limits.owner_tokens_per_day > 0)
		(void)snprintf(tokens, sizeof(tokens), "%lld",
		    (long long)ctl->conf->limits.owner_tokens_per_day);
	ctl_show_facts(ctl, out, facts, ARRAY_LEN(facts));
}

static int
print_table(struct ctl *ctl, struct buf *out)
{
	static const char *const heads[] = { "owner", "used USD", "reserved USD",
		"used tokens", "reserved tokens" };
	CLEANUP(table_freep) struct table *table = table_new();
	struct listing l = { .ctl = ctl, .table = table };
	int64_t renews_ms = 0;
	int r;

	if (table == NULL)
		return ctl_fail(CTL_FAILED, "no memory");
	for (size_t i = 0; i < ARRAY_LEN(heads); i++)
		table_column(table, heads[i]);
	r = list_days(&l, &renews_ms);
	if (r != CTL_OK)
		return r;
	show_caps(ctl, out, renews_ms);
	if (l.n > 0) {
		buf_addc(out, '\n');
		table_write(out, table, ctl->width, ctl->has_colour);
	}
	return CTL_OK;
}

int
ctl_budget(struct ctl *ctl)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	int r = ctl_need_redis(ctl);

	if (r == CTL_OK)
		r = ctl->is_json ? print_json(ctl, &out) : print_table(ctl, &out);
	return r == CTL_OK ? ctl_put(&out) : r;
}

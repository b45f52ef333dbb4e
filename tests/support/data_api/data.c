/* SPDX-License-Identifier: MIT */
/*
 * data.c - the demonstration data, made by counting and hashing: no file, no clock.
 *
 * Owns:   nothing.
 * Called: by the routes of data_api.
 * Fails:  never; a short buffer is the buffer's business.
 */
#include "config.h"

#include "tests/support/data_api/data.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

const char flight_csv_header[] =
    "id,airline,origin,dest,price,duration_min,depart,seats\n";

static const char *const airlines[] = { "Aurora Air", "Blue Heron", "Condor West",
	"Delta Wing", "Eastern Star", "Falcon Jet", "Gulf Stream" };

static const char *const cities[] = { "Lisbon", "Oslo", "Kyoto", "Lima", "Cairo" };

static const char *const first_names[] = { "Ada", "Brian", "Chandra", "Dennis", "Edith",
	"Ferdinand", "Grace", "Hideo", "Ines", "Joan" };

static const char *const statuses[] = { "paid", "shipped", "open", "cancelled" };

static const struct {
	const char *name, *category;
	unsigned price_cents;
	int stock; /* -1: not known, written as null */
	const char *color;
} items[] = {
	{ "anvil", "tools", 9900, 4, "black" },
	{ "bucket", "garden", 1250, 40, "blue" },
	{ "compass", "travel", 2400, 11, "brass" },
	{ "drill", "tools", 12900, 7, "yellow" },
	{ "easel", "art", 4500, -1, "oak" },
	{ "flask", "travel", 1800, 25, "silver" },
	{ "globe", "travel", 7900, 2, "blue" },
	{ "hammer", "tools", 1990, 60, "red" },
	{ "ink", "art", 650, 120, "black" },
	{ "jar", "garden", 300, 200, NULL },
	{ "kite", "garden", 1500, 0, "red" },
	{ "lamp", "art", 3600, 9, "green" },
};

static uint32_t
hash_text(uint32_t h, const char *text)
{
	for (; *text != '\0'; text++)
		h = (h ^ (unsigned char)*text) * 16777619u;
	return h;
}

static void
copy_place(char out[PLACE_MAX], const char *text)
{
	size_t i;

	for (i = 0; i + 1 < PLACE_MAX && text[i] != '\0'; i++)
		out[i] = (char)toupper((unsigned char)text[i]);
	out[i] = '\0';
}

/* A walk with a step that shares no factor with FLIGHTS_COUNT visits each rank once, so
   no two prices are equal and their order is not the order of the rows. */
static unsigned
rank_of(unsigned i, uint32_t seed)
{
	return (i * 37 + seed % FLIGHTS_COUNT) % FLIGHTS_COUNT;
}

void
flight_make(struct flight *f, const char *origin, const char *dest, unsigned i)
{
	uint32_t seed;
	unsigned rank, hour;

	memset(f, 0, sizeof(*f));
	copy_place(f->origin, origin);
	copy_place(f->dest, dest);
	seed = hash_text(hash_text(2166136261u, f->origin), f->dest);
	rank = rank_of(i, seed);
	hour = (i * 7 + seed % 24) % 24;
	(void)snprintf(f->id, sizeof(f->id), "%c%c-%03u",
	    f->origin[0] ? f->origin[0] : 'X', f->dest[0] ? f->dest[0] : 'X', 100 + i);
	f->airline = airlines[(i + seed) % ARRAY_LEN(airlines)];
	f->price_cents = 8900 + seed % 4000 + rank * 1137;
	f->duration_min = 75 + (seed / 7) % 240 + ((i * 53) % 61) * 3;
	(void)snprintf(f->depart, sizeof(f->depart), "2026-03-%02uT%02u:%02u:00Z",
	    1 + i % 14, hour, (i * 5) % 60);
	f->seats = (i * 11 + seed) % 42;
}

static void
write_cents(struct json_writer *w, unsigned cents)
{
	char text[24];
	int n;

	if (cents % 100 == 0)
		n = snprintf(text, sizeof(text), "%u", cents / 100);
	else
		n = snprintf(text, sizeof(text), "%u.%02u", cents / 100, cents % 100);
	jw_raw(w, text, (size_t)n);
}

static void
member_str(struct json_writer *w, const char *name, const char *value)
{
	jw_key(w, name);
	jw_cstr(w, value);
}

static void
member_uint(struct json_writer *w, const char *name, uint64_t value)
{
	jw_key(w, name);
	jw_uint(w, value);
}

void
flight_write_json(struct json_writer *w, const struct flight *f)
{
	jw_object_begin(w);
	member_str(w, "id", f->id);
	member_str(w, "airline", f->airline);
	member_str(w, "origin", f->origin);
	member_str(w, "dest", f->dest);
	jw_key(w, "price");
	write_cents(w, f->price_cents);
	member_uint(w, "duration_min", f->duration_min);
	member_str(w, "depart", f->depart);
	member_uint(w, "seats", f->seats);
	jw_object_end(w);
}

static void
csv_text(struct buf *out, const char *text)
{
	buf_addc(out, '"');
	for (; *text != '\0'; text++) {
		if (*text == '"')
			buf_addc(out, '"');
		buf_addc(out, *text);
	}
	buf_addc(out, '"');
}

void
flight_write_csv(struct buf *out, const struct flight *f)
{
	buf_addf(out, "%s,%s,", f->id, f->airline);
	csv_text(out, f->origin);
	buf_addc(out, ',');
	csv_text(out, f->dest);
	buf_addf(out, ",%u.%02u,%u,%s,%u\n", f->price_cents / 100, f->price_cents % 100,
	    f->duration_min, f->depart, f->seats);
}

void
users_write(struct json_writer *w)
{
	jw_array_begin(w);
	for (unsigned i = 0; i < 20; i++) {
		jw_object_begin(w);
		member_uint(w, "id", i + 1);
		member_str(w, "name", first_names[i % ARRAY_LEN(first_names)]);
		member_str(w, "city", cities[(i * 3) % ARRAY_LEN(cities)]);
		member_uint(w, "age", 21 + (i * 17) % 50);
		jw_key(w, "vip");
		jw_bool(w, i % 4 == 0);
		jw_object_end(w);
	}
	jw_array_end(w);
}

/* Users 19 and 20 have no order, and the orders of user 99 have no user: joins
   differ. */
void
orders_write(struct json_writer *w)
{
	jw_array_begin(w);
	for (unsigned i = 0; i < 60; i++) {
		unsigned item = (i * 5) % ARRAY_LEN(items), qty = 1 + i % 4;
		char placed[32];

		(void)snprintf(placed, sizeof(placed), "2026-%02u-%02u", 1 + i % 12,
		    1 + (i * 7) % 28);
		jw_object_begin(w);
		member_uint(w, "id", 1000 + i);
		member_uint(w, "user_id", i % 20 == 19 ? 99 : 1 + (i * 7) % 18);
		member_uint(w, "item_id", item + 1);
		member_uint(w, "qty", qty);
		jw_key(w, "total");
		write_cents(w, qty * items[item].price_cents);
		member_str(w, "status", statuses[i % ARRAY_LEN(statuses)]);
		member_str(w, "placed", placed);
		jw_object_end(w);
	}
	jw_array_end(w);
}

void
items_write(struct json_writer *w)
{
	jw_array_begin(w);
	for (unsigned i = 0; i < ARRAY_LEN(items); i++) {
		jw_object_begin(w);
		member_uint(w, "id", i + 1);
		member_str(w, "name", items[i].name);
		member_str(w, "category", items[i].category);
		jw_key(w, "price");
		write_cents(w, items[i].price_cents);
		jw_key(w, "stock");
		if (items[i].stock < 0)
			jw_null(w);
		else
			jw_int(w, items[i].stock);
		jw_key(w, "attrs");
		jw_object_begin(w);
		if (items[i].color != NULL)
			member_str(w, "color", items[i].color);
		member_uint(w, "weight_g", (items[i].price_cents * 13) % 4000);
		jw_object_end(w);
		jw_object_end(w);
	}
	jw_array_end(w);
}

void
big_row_write(struct json_writer *w, uint64_t i)
{
	char group[16];

	(void)snprintf(group, sizeof(group), "g%u", (unsigned)(i * 2654435761u % 100));
	jw_object_begin(w);
	member_uint(w, "id", i);
	member_str(w, "group", group);
	member_uint(w, "value", i * 2654435761u % 1000003);
	member_str(w, "text", "the quick brown fox jumps over the lazy dog");
	jw_object_end(w);
}

/* SPDX-License-Identifier: MIT */
/* data.h - the demonstration data: the same rows for the same question, always. */
#ifndef TESTS_SUPPORT_DATA_API_DATA_H
#define TESTS_SUPPORT_DATA_API_DATA_H

#include "common/buf.h"
#include "common/json/json.h"

#include <stddef.h>
#include <stdint.h>

enum {
	FLIGHTS_COUNT = 60,
	PLACE_MAX = 32
};

struct flight {
	char id[16];
	const char *airline;
	char origin[PLACE_MAX], dest[PLACE_MAX];
	unsigned price_cents;
	unsigned duration_min;
	char depart[32]; /* ISO 8601, UTC */
	unsigned seats;
};

/* Flight number i of a pair of places; prices of one pair are all different. */
void flight_make(struct flight *f, const char *origin, const char *dest, unsigned i);

void flight_write_json(struct json_writer *w, const struct flight *f);
void flight_write_csv(struct buf *out, const struct flight *f);
extern const char flight_csv_header[];

void users_write(struct json_writer *w); /* 20: id, name, city, age, vip */
void orders_write(
    struct json_writer *w); /* 60: id, user_id, item_id, qty, total, placed */
void items_write(
    struct json_writer *w); /* 12: id, name, category, price, stock, attrs */

/* Row i of /big: id, group, value, text. */
void big_row_write(struct json_writer *w, uint64_t i);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * json.h - JSON text as arena values: read, look at, build, write.
 *
 * A value is 16 bytes; strings without escapes and all numbers point into the input
 * text, which must outlive the arena. Key order, exact number text, duplicate keys (in
 * objects the last one wins on lookup) and "\u0000" survive. The reader follows RFC
 * 8259 strictly: UTF-8 is checked, depth is capped, NaN, comments and trailing commas
 * are refused; so is the escape of a lone surrogate ("\ud800"), which no UTF-8 can
 * hold. Values are immutable once built, so they may be shared between trees.
 */
#ifndef COMMON_JSON_JSON_H
#define COMMON_JSON_JSON_H

#include "common/buf.h"
#include "common/err.h"
#include "common/json/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum json_type {
	JSON_NULL,
	JSON_BOOL,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
	JSON_TYPE_COUNT
};

enum {
	JSON_DEPTH_MAX = 64,    /* for messages; strangers' tables may ask for more */
	JSON_DEPTH_LIMIT = 1024 /* no reader goes deeper, no writer either */
};

struct json_member;

struct json {
	uint8_t type;  /* enum json_type */
	uint8_t flags; /* private to the reader and writer */
	uint16_t pad;
	uint32_t len; /* bytes of text; items; members; 0 or 1 of a bool */
	union {
		const char *text; /* string (unescaped bytes) or number text; no NUL */
		struct json *items;          /* array */
		struct json_member *members; /* object */
	};
};
_Static_assert(sizeof(struct json) == 16, "a table of a million rows is made of these");

struct json_member {
	struct json value;
	const char *name; /* unescaped bytes, NUL-terminated after len */
	uint32_t name_len;
	uint32_t name_hash;
};

/*
 * Reads one JSON text of n bytes (no BOM; surrounding white space allowed). *out points
 * into the arena. depth 0: JSON_DEPTH_MAX; at most JSON_DEPTH_LIMIT. Returns 0, -EINVAL
 * (err says what and at which byte), -E2BIG (too deep, or more than 2^32-1 of
 * something) or -ENOMEM.
 */
int json_read(struct arena *a, const char *text, size_t n, unsigned depth,
    const struct json **out, struct err *err);

/* As json_read, but a leading run of one value only: *used is the bytes consumed. */
int json_read_prefix(struct arena *a, const char *text, size_t n, unsigned depth,
    const struct json **out, size_t *used, struct err *err);

const char *json_type_name(enum json_type type); /* "null", "boolean", "number", ... */

/* ---- looking; every function accepts NULL for v and then finds nothing ---- */

static inline bool
json_is(const struct json *v, enum json_type type)
{
	return v != NULL && v->type == type;
}

const struct json *json_get(const struct json *object, const char *name); /* or NULL */
const struct json *json_get_n(const struct json *object, const char *name, size_t n);

/* "a.b.c": a literal key wins over a path at every level; array items by number. */
const struct json *json_path(const struct json *v, const char *path, size_t n);

bool json_is_true(const struct json *v);
bool json_eq_str(const struct json *v, const char *text);
/* A string's NUL-terminated copy in a; NULL when v is no string or memory is short. A
   string that holds U+0000 is no C string: NULL. */
const char *json_cstr(struct arena *a, const struct json *v);
/* As json_get_n, with the name's json_name_hash() at hand: one name in many rows. */
const struct json *json_get_hashed(const struct json *object, const char *name,
    size_t n, uint32_t hash);
uint32_t json_name_hash(const char *name, size_t n);
/* Member of that type, or NULL. */
const struct json *json_get_typed(const struct json *object, const char *name,
    enum json_type type);
/* A whole number that fits (also 1e3 and 5.0): 0; otherwise -EINVAL or -ERANGE. */
int json_int64(const struct json *v, int64_t *out);
/* Any number; HUGE_VAL on overflow of double: 0; -EINVAL when v is no number. */
int json_double(const struct json *v, double *out);
/* A number written without fraction and exponent. */
bool json_is_integer(const struct json *v);
/* Two numbers by exact value, however they are written: below 0, 0, above 0. */
int json_number_compare(const struct json *a, const struct json *b);
/* Deep equality; numbers by value, objects without regard to order. */
bool json_equal(const struct json *a, const struct json *b);

/* ---- building; NULL when the arena is exhausted or an argument is NULL ---- */

const struct json *json_new_null(struct arena *a);
const struct json *json_new_bool(struct arena *a, bool b);
const struct json *json_new_int(struct arena *a, int64_t i);
/* The shortest text that reads back as d; null when d is not finite. */
const struct json *json_new_double(struct arena *a, double d);
/* text must be a JSON number that outlives the arena: nothing is copied. */
const struct json *json_new_number(struct arena *a, const char *text, size_t n);
/* These two copy. */
const struct json *json_new_string(struct arena *a, const char *text, size_t n);
const struct json *json_new_cstr(struct arena *a, const char *text);

/* An array of n items that already stand in the arena. */
const struct json *json_new_array(struct arena *a, struct json *items, size_t n);

/* n bytes that are a JSON number, and nothing else. */
bool json_is_number_text(const char *text, size_t n);
/* n bytes that are UTF-8 (no surrogates, no overlong forms). */
bool json_is_utf8(const char *text, size_t n);

/* Growing containers: add, then end. The builder lives in the arena. */
struct json_builder;
struct json_builder *json_array_begin(struct arena *a);
struct json_builder *json_object_begin(struct arena *a);
void json_array_add(struct json_builder *b, const struct json *v);
void json_object_add(struct json_builder *b, const char *name, const struct json *v);
void json_object_add_n(struct json_builder *b, const char *name, size_t n,
    const struct json *v);
const struct json *json_end(struct json_builder *b);

/* ---- writing; failures are the buffer's (-E2BIG: nested too deeply) ---- */

enum json_style {
	JSON_COMPACT,
	JSON_PRETTY
};

void json_write(struct buf *out, const struct json *v, enum json_style style);

/* Object keys sorted by code point at every level, compact, numbers as written: the
   canonical form by which two calls with the same arguments are recognised. */
void json_write_canonical(struct buf *out, const struct json *v);

/* "text" with quotes and escapes; bytes that are not UTF-8 become U+FFFD. */
void json_write_string(struct buf *out, const char *text, size_t n);

/* The streaming writer: commas and colons are its business. Nesting up to 64. */
struct json_writer {
	struct buf *out;
	uint64_t has_item; /* bit per depth */
	unsigned depth;
	bool after_key;
};

void jw_init(struct json_writer *w, struct buf *out);
void jw_object_begin(struct json_writer *w);
void jw_object_end(struct json_writer *w);
void jw_array_begin(struct json_writer *w);
void jw_array_end(struct json_writer *w);
void jw_key(struct json_writer *w, const char *name);
/* For names that others chose: they may hold U+0000. */
void jw_key_n(struct json_writer *w, const char *name, size_t n);
void jw_string(struct json_writer *w, const char *text, size_t n);
void jw_cstr(struct json_writer *w, const char *text); /* NULL writes null */
void jw_int(struct json_writer *w, int64_t i);
void jw_uint(struct json_writer *w, uint64_t i);
void jw_double(struct json_writer *w, double d); /* not finite writes null */
void jw_bool(struct json_writer *w, bool b);
void jw_null(struct json_writer *w);
void jw_value(struct json_writer *w, const struct json *v); /* NULL writes null */
void jw_raw(struct json_writer *w, const char *json_text, size_t n); /* already JSON */

#endif

/* SPDX-License-Identifier: MIT */
/*
 * read_yaml.c - a YAML document to values, by libyaml's events.
 *
 * Owns:   the parser for the time of one document; values are the run's arena's.
 * Called: by read.c, in a child of its own.
 * Fails:  with run_fail: what is wrong in which line, or which cap was met.
 *
 * libyaml has no caps of its own and takes a minute for half a megabyte of brackets, so
 * events are pulled one by one and counted. An alias shares the value of its anchor, but
 * counts as often as it is written out again: whoever walks the result walks all of it.
 * Scalars follow the core schema of YAML 1.2; merge keys ("<<") are taken, since people
 * write them; keys are text as written.
 */
#include "config.h"

#include "compute/read.h"
#include "compute/yaml_scalar.h"

#include <errno.h>
#include <string.h>
#include <yaml.h>

enum {
	DEPTH_MAX = 64,
	VALUES_MAX = 1000000, /* aliases written out */
	BYTES_MAX = 32 * 1024 * 1024,
	ANCHORS_MAX = 4096,
	ANCHOR_SLOTS = 2 * ANCHORS_MAX
};

/* A value, and what a walk over it costs. */
struct item {
	const struct json *v;
	uint32_t count;  /* values in it, itself included, aliases written out */
	uint32_t height; /* levels of lists and maps; a scalar has none */
};

struct anchor {
	const char *name; /* NULL: a free place */
	struct item item; /* v NULL: it is not complete yet */
};

/* A list or map that is being read. */
struct frame {
	bool is_map, has_key, is_merge; /* the key is a plain "<<" */
	const char *key;
	size_t key_len;
	struct json_builder *values;
	const struct json *merged[DEPTH_MAX]; /* maps that "<<" names */
	size_t n_merged;
	struct anchor *anchor; /* or NULL */
	uint32_t count, height;
};

struct reader {
	struct run *run;
	yaml_parser_t parser;
	struct frame frames[DEPTH_MAX];
	size_t depth;
	struct anchor anchors[ANCHOR_SLOTS];
	size_t n_anchors;
	uint64_t total;
	struct item root;
	bool is_complete; /* the document has ended */
};

static int
bad(struct reader *rd, const yaml_event_t *e, const char *what)
{
	return run_fail(rd->run, FAILURE_INVALID_STEP,
	    "look at what the address answers", "the input is not YAML: line %zu: %s",
	    e->start_mark.line + 1, what);
}

static int
too_much(struct reader *rd, const char *what)
{
	return run_fail(rd->run, FAILURE_STEP_LIMIT, "ask for flatter or less data",
	    "the YAML of the input cannot be worked on: %s", what);
}

/* ---- anchors ---- */

static struct anchor *
anchor_place(struct reader *rd, const char *name)
{
	uint32_t at = json_name_hash(name, strlen(name)) % ANCHOR_SLOTS;

	while (rd->anchors[at].name != NULL && strcmp(rd->anchors[at].name, name) != 0)
		at = (at + 1) % ANCHOR_SLOTS;
	return &rd->anchors[at];
}

/* The place of the anchor that an event sets (NULL when it sets none); a name may be set
   again. */
static int
take_anchor(struct reader *rd, const yaml_char_t *name, struct anchor **out)
{
	struct anchor *a;

	*out = NULL;
	if (name == NULL)
		return 0;
	a = anchor_place(rd, (const char *)name);
	if (a->name == NULL) {
		if (++rd->n_anchors > ANCHORS_MAX)
			return too_much(rd, "it has more than 4096 anchors");
		a->name = arena_strndup(rd->run->arena, (const char *)name,
		    strlen((const char *)name));
		if (a->name == NULL)
			return run_no_memory(rd->run);
	}
	a->item = (struct item){ NULL, 0, 0 };
	*out = a;
	return 0;
}

/* ---- maps ---- */

static int
add_merged(struct reader *rd, struct frame *f, const struct json *v,
    const yaml_event_t *e)
{
	if (!json_is(v, JSON_OBJECT))
		return bad(rd, e, "'<<' wants a map, or a list of maps");
	if (f->n_merged == ARRAY_LEN(f->merged))
		return too_much(rd, "'<<' names more than 64 maps");
	f->merged[f->n_merged++] = v;
	return 0;
}

static int
merge(struct reader *rd, struct frame *f, const struct json *v, const yaml_event_t *e)
{
	int r = 0;

	if (!json_is(v, JSON_ARRAY))
		return add_merged(rd, f, v, e);
	for (uint32_t i = 0; i < v->len && r == 0; i++)
		r = add_merged(rd, f, &v->items[i], e);
	return r;
}

static bool
is_same_name(const struct json_member *a, const struct json_member *b)
{
	return a->name_hash == b->name_hash && a->name_len == b->name_len &&
	    memcmp(a->name, b->name, a->name_len) == 0;
}

/* A table of the members by name: the place of m, whose number is 0 when it is new. */
static uint32_t *
member_place(uint32_t *slots, uint32_t mask, const struct json_member *all,
    const struct json_member *m)
{
	uint32_t at = m->name_hash & mask;

	while (slots[at] != 0 && !is_same_name(&all[slots[at] - 1], m))
		at = (at + 1) & mask;
	return &slots[at];
}

static uint32_t *
new_slots(struct run *r, size_t n, uint32_t *mask)
{
	uint32_t size = 8;
	uint32_t *slots;

	while (size < 2 * n)
		size *= 2;
	slots = run_alloc(r, size, sizeof(*slots));
	if (slots != NULL)
		memset(slots, 0, size * sizeof(*slots));
	*mask = size - 1;
	return slots;
}

/* A key that stands twice is an error (YAML 1.2, 3.2.1.3): readers differ about it. */
static int
check_keys(struct reader *rd, const struct json *map, const yaml_event_t *e)
{
	uint32_t mask = 0, *slots = new_slots(rd->run, map->len, &mask);
	char what[160];

	if (slots == NULL)
		return run_no_memory(rd->run);
	for (uint32_t i = 0; i < map->len; i++) {
		uint32_t *place =
		    member_place(slots, mask, map->members, &map->members[i]);

		if (*place != 0) {
			(void)snprintf(what, sizeof(what),
			    "the map that ends here has the key '%.100s' twice",
			    map->members[i].name);
			return bad(rd, e, what);
		}
		*place = i + 1;
	}
	return 0;
}

/* The map's own members first, then those of the merged ones that it lacks; of several
   the first one counts. */
static const struct json *
with_merged(struct reader *rd, const struct frame *f, const struct json *own)
{
	struct json_builder *b = json_object_begin(rd->run->arena);
	const struct json_member **seen;
	size_t n = own->len;

	for (size_t i = 0; i < f->n_merged; i++)
		n += f->merged[i]->len;
	seen = run_alloc(rd->run, 2 * n + 8, sizeof(*seen));
	if (b == NULL || seen == NULL)
		return NULL;
	memset(seen, 0, (2 * n + 8) * sizeof(*seen));
	for (size_t i = 0; i <= f->n_merged; i++) {
		const struct json *map = i == 0 ? own : f->merged[i - 1];

		for (uint32_t k = 0; k < map->len; k++) {
			const struct json_member *m = &map->members[k];
			size_t at = m->name_hash % (2 * n + 8);

			while (seen[at] != NULL && !is_same_name(seen[at], m))
				at = (at + 1) % (2 * n + 8);
			if (seen[at] != NULL)
				continue;
			seen[at] = m;
			json_object_add_n(b, m->name, m->name_len, &m->value);
		}
	}
	return json_end(b);
}

/* ---- values into their places ---- */

static int
take_key(struct reader *rd, struct frame *f, const struct json *v, const char *text,
    size_t n, const yaml_event_t *e)
{
	if (v->type == JSON_ARRAY || v->type == JSON_OBJECT)
		return bad(rd, e, "a key must be a scalar");
	f->key = arena_strndup(rd->run->arena, text, n);
	f->key_len = n;
	f->has_key = true;
	f->is_merge = e->type == YAML_SCALAR_EVENT && n == 2 &&
	    memcmp(text, "<<", 2) == 0 &&
	    e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	return f->key == NULL ? run_no_memory(rd->run) : 0;
}

/* text: how a scalar was written, for keys ("200", "yes"). */
static int
put(struct reader *rd, struct item item, const char *text, size_t n,
    const yaml_event_t *e)
{
	struct frame *f = rd->depth > 0 ? &rd->frames[rd->depth - 1] : NULL;

	if (item.v == NULL)
		return run_no_memory(rd->run);
	if (f == NULL) {
		rd->root = item;
		return 0;
	}
	if (rd->depth + item.height > DEPTH_MAX)
		return too_much(rd, "it is nested deeper than 64 levels");
	f->count += item.count;
	if (item.height + 1 > f->height)
		f->height = item.height + 1;
	if (!f->is_map) {
		json_array_add(f->values, item.v);
		return 0;
	}
	if (!f->has_key)
		return take_key(rd, f, item.v, text, n, e);
	f->has_key = false;
	if (f->is_merge)
		return merge(rd, f, item.v, e);
	json_object_add_n(f->values, f->key, f->key_len, item.v);
	return 0;
}

static int
count(struct reader *rd, uint64_t n)
{
	rd->total += n;
	return rd->total > VALUES_MAX
	    ? too_much(rd, "it has more than 1000000 values, aliases written out")
	    : 0;
}

static int
on_scalar(struct reader *rd, const yaml_event_t *e)
{
	const char *text = (const char *)e->data.scalar.value;
	size_t n = e->data.scalar.length;
	struct anchor *anchor;
	struct item item = { NULL, 1, 0 };
	int r = take_anchor(rd, e->data.scalar.anchor, &anchor);

	if (r == 0)
		r = count(rd, 1);
	if (r < 0)
		return r;
	item.v =
	    yaml_scalar_value(rd->run->arena, text, n, (const char *)e->data.scalar.tag,
		e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE);
	if (anchor != NULL)
		anchor->item = item;
	return put(rd, item, text, n, e);
}

static int
on_alias(struct reader *rd, const yaml_event_t *e)
{
	const struct anchor *a = anchor_place(rd, (const char *)e->data.alias.anchor);
	const struct json *v = a->item.v;
	int r;

	if (a->name == NULL)
		return bad(rd, e, "an alias without its anchor");
	if (v == NULL)
		return bad(rd, e, "an alias inside of what it stands for");
	r = count(rd, a->item.count);
	if (r < 0)
		return r;
	if (v->type == JSON_STRING || v->type == JSON_NUMBER)
		return put(rd, a->item, v->text, v->len, e);
	if (rd->depth > 0 && rd->frames[rd->depth - 1].is_map &&
	    !rd->frames[rd->depth - 1].has_key)
		return bad(rd, e, "an alias that is a key must stand for text");
	return put(rd, a->item, "", 0, e);
}

static int
on_begin(struct reader *rd, const yaml_event_t *e)
{
	bool is_map = e->type == YAML_MAPPING_START_EVENT;
	struct anchor *anchor;
	struct frame *f;
	int r = take_anchor(rd,
	    is_map ? e->data.mapping_start.anchor : e->data.sequence_start.anchor,
	    &anchor);

	if (r == 0)
		r = count(rd, 1);
	if (r < 0)
		return r;
	if (rd->depth == DEPTH_MAX)
		return too_much(rd, "it is nested deeper than 64 levels");
	f = &rd->frames[rd->depth++];
	*f = (struct frame){ .is_map = is_map,
		.anchor = anchor,
		.count = 1,
		.height = 1 };
	f->values = is_map ? json_object_begin(rd->run->arena)
			   : json_array_begin(rd->run->arena);
	return f->values == NULL ? run_no_memory(rd->run) : 0;
}

static int
on_end(struct reader *rd, const yaml_event_t *e)
{
	struct frame *f = &rd->frames[--rd->depth];
	struct item item = { json_end(f->values), f->count, f->height };
	int r = 0;

	if (item.v == NULL)
		return run_no_memory(rd->run);
	if (f->is_map)
		r = check_keys(rd, item.v, e);
	if (r == 0 && f->n_merged > 0)
		item.v = with_merged(rd, f, item.v);
	if (r == 0 && f->anchor != NULL)
		f->anchor->item = item;
	return r == 0 ? put(rd, item, "", 0, e) : r;
}

static int
on_document(struct reader *rd, const yaml_event_t *e)
{
	if (e->type == YAML_DOCUMENT_END_EVENT)
		rd->is_complete = true;
	else if (rd->is_complete)
		return bad(rd, e, "a second document");
	return 0;
}

static int (*const handlers[])(struct reader *rd, const yaml_event_t *e) = {
	[YAML_DOCUMENT_START_EVENT] = on_document,
	[YAML_DOCUMENT_END_EVENT] = on_document,
	[YAML_ALIAS_EVENT] = on_alias,
	[YAML_SCALAR_EVENT] = on_scalar,
	[YAML_SEQUENCE_START_EVENT] = on_begin,
	[YAML_SEQUENCE_END_EVENT] = on_end,
	[YAML_MAPPING_START_EVENT] = on_begin,
	[YAML_MAPPING_END_EVENT] = on_end,
};

static int
parser_failed(struct reader *rd)
{
	const yaml_parser_t *p = &rd->parser;

	if (p->error == YAML_MEMORY_ERROR)
		return run_no_memory(rd->run);
	return run_fail(rd->run, FAILURE_INVALID_STEP,
	    "look at what the address answers", "the input is not YAML: line %zu: %s",
	    p->problem_mark.line + 1,
	    p->problem != NULL ? p->problem : "it cannot be read");
}

static int
read_events(struct reader *rd)
{
	for (;;) {
		yaml_event_t e;
		bool is_last;
		int r = 0;

		if (yaml_parser_parse(&rd->parser, &e) == 0)
			return parser_failed(rd);
		is_last = e.type == YAML_STREAM_END_EVENT;
		if ((size_t)e.type < ARRAY_LEN(handlers) && handlers[e.type] != NULL)
			r = handlers[e.type](rd, &e);
		yaml_event_delete(&e);
		if (r < 0 || is_last)
			return r;
	}
}

int
read_yaml(struct run *r, const char *text, size_t n, const struct json **out)
{
	struct reader *rd;
	int e;

	if (n > BYTES_MAX)
		return run_fail(r, FAILURE_STEP_LIMIT, "ask for less data",
		    "the YAML of the input is longer than %d bytes", BYTES_MAX);
	rd = calloc(1, sizeof(*rd));
	if (rd == NULL || yaml_parser_initialize(&rd->parser) == 0) {
		free(rd);
		return run_no_memory(r);
	}
	rd->run = r;
	yaml_parser_set_input_string(&rd->parser, (const unsigned char *)text, n);
	e = read_events(rd);
	if (e == 0) /* an empty document is null */
		*out = rd->root.v != NULL ? rd->root.v : json_new_null(r->arena);
	yaml_parser_delete(&rd->parser);
	free(rd);
	return e == 0 && *out == NULL ? run_no_memory(r) : e;
}

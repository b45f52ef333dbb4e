/* SPDX-License-Identifier: MIT */
/*
 * workflow_text.c - renders the current workflow for the model.
 *
 * Owns:   nothing; appends to the caller's buffer.
 * Called: by prompt.c once per job.
 * Fails:  never: what is malformed is shown as it is, what is too long is cut.
 */
#include "config.h"

#include "worker/agent/workflow_text.h"

#include <string.h>

enum {
	NODES_MAX = 300,
	EDGES_MAX = 1000,
	CONFIG_MAX = 600,
	WORD_MAX = 300
};

static bool
is_plain(const char *s, size_t n)
{
	static const char also[] = "_-.:/@#+=";

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if ((unsigned)((c | 0x20) - 'a') >= 26 && (unsigned)(c - '0') >= 10 &&
		    (c == '\0' || strchr(also, c) == NULL))
			return false;
	}
	return n > 0;
}

void
workflow_text_word(struct buf *out, const char *s, size_t n)
{
	if (n > WORD_MAX) {
		n = WORD_MAX;
		while (n > 0 && ((unsigned char)s[n] & 0xC0) == 0x80)
			n--;
	}
	if (is_plain(s, n))
		buf_add(out, s, n);
	else
		json_write_string(out, s, n);
}

static void
add_word(struct buf *out, const struct json *v)
{
	if (json_is(v, JSON_STRING))
		workflow_text_word(out, v->text, v->len);
	else
		buf_addc(out, '?');
}

static void
add_config(struct buf *out, const struct json *config)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	size_t n;

	if (config == NULL)
		return;
	json_write(&text, config, JSON_COMPACT);
	n = text.len;
	if (n > CONFIG_MAX) {
		n = CONFIG_MAX;
		while (n > 0 && ((unsigned char)text.data[n] & 0xC0) == 0x80)
			n--;
	}
	buf_adds(out, " config ");
	buf_add(out, buf_str(&text), n);
	if (n < text.len)
		buf_adds(out, "\xE2\x80\xA6 (shortened)");
}

static void
add_node(struct buf *out, const char *path, size_t path_len, const struct json *id,
    const struct json *node)
{
	buf_adds(out, "- /nodes/");
	buf_add(out, path, path_len);
	buf_adds(out, ": ");
	add_word(out, id);
	buf_adds(out, " type ");
	add_word(out, json_get(node, "type"));
	if (json_is(json_get(node, "name"), JSON_STRING)) {
		buf_adds(out, " name ");
		add_word(out, json_get(node, "name"));
	}
	add_config(out, json_get(node, "config"));
	buf_addc(out, '\n');
}

static void
add_condition(struct buf *out, const struct json *condition)
{
	if (condition == NULL || json_is(condition, JSON_NULL))
		return;
	buf_adds(out, " if ");
	json_write(out, condition, JSON_COMPACT);
}

static void
add_edges(struct buf *out, const struct json *edges)
{
	if (!json_is(edges, JSON_ARRAY) || edges->len == 0) {
		buf_adds(out, "no edges\n");
		return;
	}
	buf_adds(out, "edges:\n");
	for (uint32_t i = 0; i < edges->len && i < EDGES_MAX; i++) {
		const struct json *edge = &edges->items[i];

		buf_addf(out, "- /edges/%u: ", i);
		add_word(out, json_get(edge, "from"));
		buf_adds(out, " -> ");
		add_word(out, json_get(edge, "to"));
		add_condition(out, json_get(edge, "condition"));
		buf_addc(out, '\n');
	}
	if (edges->len > EDGES_MAX)
		buf_addf(out, "(%u more edges)\n", edges->len - EDGES_MAX);
}

static void
add_lists(struct buf *out, const struct json *nodes, const struct json *edges)
{
	char index[16];

	buf_addf(out, "nodes:%s\n", nodes->len == 0 ? " none" : "");
	for (uint32_t i = 0; i < nodes->len && i < NODES_MAX; i++) {
		const struct json *node = &nodes->items[i];
		int n = snprintf(index, sizeof(index), "%u", i);

		add_node(out, index, (size_t)n, json_get(node, "id"), node);
	}
	if (nodes->len > NODES_MAX)
		buf_addf(out, "(%u more nodes)\n", nodes->len - NODES_MAX);
	add_edges(out, edges);
}

/* One line per node that has dependents: "- a -> b, c". */
static void
add_dependents(struct buf *out, const struct json_member *m)
{
	const struct json *list = json_get_typed(&m->value, "dependents", JSON_ARRAY);

	if (list == NULL || list->len == 0)
		return;
	buf_adds(out, "- ");
	workflow_text_word(out, m->name, m->name_len);
	buf_adds(out, " -> ");
	for (uint32_t i = 0; i < list->len && i < EDGES_MAX; i++) {
		if (i > 0)
			buf_adds(out, ", ");
		add_word(out, &list->items[i]);
	}
	buf_addc(out, '\n');
}

static void
add_map(struct buf *out, const struct json *map)
{
	buf_addf(out, "nodes:%s\n", map->len == 0 ? " none" : "");
	for (uint32_t i = 0; i < map->len && i < NODES_MAX; i++) {
		const struct json_member *m = &map->members[i];
		struct json id = { .type = JSON_STRING, .len = m->name_len };

		id.text = m->name;
		add_node(out, m->name, m->name_len, &id, &m->value);
	}
	if (map->len > NODES_MAX)
		buf_addf(out, "(%u more nodes)\n", map->len - NODES_MAX);
	buf_adds(out, "edges:\n");
	for (uint32_t i = 0; i < map->len && i < NODES_MAX; i++)
		add_dependents(out, &map->members[i]);
}

void
workflow_text(struct buf *out, const struct json *workflow)
{
	const struct json *nodes = json_get(workflow, "nodes");

	if (!json_is(workflow, JSON_OBJECT))
		return;
	buf_adds(out, "## Current workflow\n");
	if (json_is(nodes, JSON_ARRAY))
		add_lists(out, nodes, json_get(workflow, "edges"));
	else
		add_map(out, json_is(nodes, JSON_OBJECT) ? nodes : workflow);
	buf_addc(out, '\n');
}

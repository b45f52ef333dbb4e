/* SPDX-License-Identifier: MIT */
/*
 * steps_args.c - the arguments of every step but table_filter.
 *
 * Owns:   nothing; arguments live in the arena.
 * Called: by steps.c through its table.
 * Fails:  by noting problems.
 */
#include "config.h"

#include "common/pipeline/steps_private.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

enum {
	WHERE_MAX = 80
};

/* ---- http_request ---- */

/* An object, or a list of {name, value} as strict tool schemas write free maps. */
static const struct json *
take_map(struct checker *c, const char *name)
{
	const struct json *v = argument(c, name);
	struct json_builder *o;

	if (v == NULL || v->type == JSON_OBJECT)
		return v;
	if (!json_is(v, JSON_ARRAY)) {
		problem(c, name, "give an object", "'%s' is %s, not an object", name,
		    json_type_name((enum json_type)v->type));
		return NULL;
	}
	o = json_object_begin(c->arena);
	for (uint32_t i = 0; i < v->len; i++) {
		const struct json *key =
		    json_get_typed(&v->items[i], "name", JSON_STRING);
		const struct json *value = json_get(&v->items[i], "value");

		if (key == NULL || value == NULL) {
			problem(c, name, "give an object, or a list of {name, value}",
			    "'%s' item %u lacks a name or a value", name, i);
			return NULL;
		}
		json_object_add_n(o, key->text, key->len, value);
	}
	return json_end(o);
}

static bool
is_scalar(const struct json *v)
{
	return v->type != JSON_ARRAY && v->type != JSON_OBJECT;
}

/* A query holds scalars, or lists of them (the name is repeated). */
static void
check_query(struct checker *c, const struct json *params)
{
	for (uint32_t i = 0; params != NULL && i < params->len; i++) {
		const struct json_member *m = &params->members[i];
		bool is_fine = is_scalar(&m->value);

		if (m->value.type == JSON_ARRAY) {
			is_fine = true;
			for (uint32_t k = 0; k < m->value.len; k++)
				is_fine = is_fine && is_scalar(&m->value.items[k]);
		}
		if (!is_fine)
			problem(c, "params", "use POST for nested data",
			    "params.%.100s cannot stand in a query", m->name);
	}
}

static void
check_headers(struct checker *c, const struct json *headers)
{
	for (uint32_t i = 0; headers != NULL && i < headers->len; i++) {
		const struct json_member *m = &headers->members[i];
		const struct json *v = &m->value;

		if (m->name_len == 0 || strpbrk(m->name, "\r\n: \t") != NULL ||
		    strlen(m->name) != m->name_len)
			problem(c, "headers", "a header's name has no blank or colon",
			    "'%.100s' is no name of a header", m->name);
		if (v->type != JSON_STRING || memchr(v->text, '\n', v->len) != NULL ||
		    memchr(v->text, '\r', v->len) != NULL ||
		    memchr(v->text, '\0', v->len) != NULL)
			problem(c, "headers", "give one line of text",
			    "headers.%.100s is not one line of text", m->name);
	}
}

static void
check_method(struct checker *c, struct http_args *http)
{
	const struct json *v = argument(c, "method");
	const char *text = v == NULL ? "GET" : take_text(c, v, "method");

	http->method = "GET";
	if (text == NULL)
		return;
	if (strcasecmp(text, "POST") == 0)
		http->method = "POST";
	else if (strcasecmp(text, "GET") != 0)
		problem(c, "method", "use GET or POST", "method '%.40s' is not offered",
		    text);
}

static void
check_url(struct checker *c, struct http_args *http)
{
	const char *url = take_text(c, argument(c, "url"), "url");
	const char *colon;

	if (url == NULL)
		return;
	http->url = url;
	colon = strstr(url, "://");
	if (strpbrk(url, " \t\r\n") != NULL)
		problem(c, "url", "encode blanks as %20", "the url holds a blank");
	if (colon != NULL && strcspn(url, "/?#") > (size_t)(colon - url) &&
	    strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0)
		problem(c, "url", "use https:// or http://",
		    "the scheme '%.*s' is not offered",
		    (int)(colon - url > 40 ? 40 : colon - url), url);
}

void
check_http(struct checker *c, struct step *s)
{
	const struct json *profile = argument(c, "auth_profile");

	check_url(c, &s->http);
	check_method(c, &s->http);
	s->http.params = take_map(c, "params");
	s->http.headers = take_map(c, "headers");
	if (strcmp(s->http.method, "GET") == 0)
		check_query(c, s->http.params);
	check_headers(c, s->http.headers);
	if (profile != NULL && !(json_is(profile, JSON_STRING) && profile->len == 0))
		s->http.auth_profile = take_text(c, profile, "auth_profile");
}

/* ---- table_sort, top_k ---- */

static bool
take_order(struct checker *c, const struct json *v, const char *where, bool *is_desc)
{
	if (v == NULL || v->type == JSON_NULL)
		return true;
	if (v->type == JSON_STRING && v->len == 3 &&
	    strncasecmp(v->text, "asc", 3) == 0)
		*is_desc = false;
	else if (v->type == JSON_STRING && v->len == 4 &&
	    strncasecmp(v->text, "desc", 4) == 0)
		*is_desc = true;
	else {
		problem(c, where, "use asc or desc", "'%s' is neither asc nor desc",
		    where);
		return false;
	}
	return true;
}

/* "name", or {"field":"name","order":"desc"} */
static void
take_sort_field(struct checker *c, const struct json *v, const char *where,
    bool is_desc, struct sort_field *out)
{
	char name[WHERE_MAX];

	out->is_desc = is_desc;
	if (!json_is(v, JSON_OBJECT)) {
		(void)take_field(c, v, where, &out->field);
		return;
	}
	(void)snprintf(name, sizeof(name), "%.60s.field", where);
	(void)take_field(c, json_get(v, "field"), name, &out->field);
	(void)snprintf(name, sizeof(name), "%.60s.order", where);
	(void)take_order(c, json_get(v, "order"), name, &out->is_desc);
}

static void
take_sort(struct checker *c, struct sort_args *out)
{
	const struct json *field = argument(c, "field"),
			  *fields = argument(c, "fields");
	const struct json *v = field != NULL ? field : fields;
	const char *name = field != NULL ? "field" : "fields";
	bool is_list = json_is(v, JSON_ARRAY), is_desc = false;
	size_t n = is_list ? v->len : 1;

	if (field != NULL && fields != NULL && fields->len > 0)
		problem(c, "fields", "give one of the two",
		    "both field and fields are given");
	if (is_list && n == 0)
		problem(c, name, "name at least one field", "'%s' is empty", name);
	(void)take_order(c, argument(c, "order"), "order", &is_desc);
	out->v = checker_alloc(c, n, sizeof(*out->v));
	if (out->v == NULL)
		return;
	out->n = n;
	for (size_t i = 0; i < n; i++) {
		char where[WHERE_MAX];

		(void)snprintf(where, sizeof(where), is_list ? "%s[%zu]" : "%s", name,
		    i);
		take_sort_field(c, is_list ? &v->items[i] : v, where, is_desc,
		    &out->v[i]);
	}
}

void
check_sort(struct checker *c, struct step *s)
{
	if (argument(c, "field") == NULL && argument(c, "fields") == NULL)
		problem(c, "field", "name the field to sort by",
		    "the parameter 'field' is missing");
	else
		take_sort(c, &s->sort);
}

void
check_top(struct checker *c, struct step *s)
{
	const struct json *k = argument(c, "k"), *fields = argument(c, "fields");
	const struct json *field = argument(c, "field");
	int64_t i = 0;

	if (k == NULL)
		problem(c, "k", "say how many rows: 1 or more",
		    "the parameter 'k' is missing");
	else if (json_int64(k, &i) < 0 || i < 1)
		problem(c, "k", "give a whole number of 1 or more",
		    "'k' is not a whole number of 1 or more");
	s->top.k = (uint64_t)i;
	if (json_is(field, JSON_STRING) && field->len == 0) /* "not used" */
		field = NULL;
	if (field != NULL || (fields != NULL && fields->len > 0))
		take_sort(c, &s->top.sort);
	else if (argument(c, "order") != NULL && argument(c, "order")->len > 0)
		problem(c, "order", "name the field to sort by, or leave out order",
		    "'order' without 'field'");
}

/* ---- table_select ---- */

static void
take_select_item(struct checker *c, const struct json *v, size_t i,
    struct select_item *out)
{
	const struct json *as = json_get(v, "as");
	char where[WHERE_MAX];

	(void)snprintf(where, sizeof(where), "fields[%zu]", i);
	if (!json_is(v, JSON_OBJECT)) {
		(void)take_field(c, v, where, &out->from);
		out->as = out->from.key;
		return;
	}
	(void)snprintf(where, sizeof(where), "fields[%zu].from", i);
	(void)take_field(c, json_get(v, "from"), where, &out->from);
	out->as = out->from.key;
	(void)snprintf(where, sizeof(where), "fields[%zu].as", i);
	if (as != NULL && as->type != JSON_NULL)
		(void)take_column(c, as, where, &out->as);
}

static bool
same_column(const struct column *a, const struct column *b)
{
	return a->hash == b->hash && a->len == b->len && a->name != NULL &&
	    b->name != NULL && memcmp(a->name, b->name, a->len) == 0;
}

void
check_select(struct checker *c, struct step *s)
{
	const struct json *v = argument(c, "fields");
	struct select_item *items;

	if (!json_is(v, JSON_ARRAY) || v->len == 0) {
		problem(c, "fields",
		    "give a list like [\"id\",{\"from\":\"a.b\",\"as\":\"b\"}]",
		    v == NULL ? "the parameter 'fields' is missing"
			      : "'fields' is not a non-empty list");
		return;
	}
	items = checker_alloc(c, v->len, sizeof(*items));
	if (items == NULL)
		return;
	s->select = (struct select_args){ items, v->len };
	for (uint32_t i = 0; i < v->len; i++) {
		take_select_item(c, &v->items[i], i, &items[i]);
		for (uint32_t k = 0; k < i; k++)
			if (same_column(&items[i].as, &items[k].as))
				problem(c, "fields",
				    "give one of them another name with as",
				    "the column '%.100s' is given twice",
				    items[i].as.name);
	}
}

/* ---- groupby ---- */

static const char *const agg_names[AGG_KIND_COUNT] = { [AGG_COUNT] = "count",
	[AGG_SUM] = "sum",
	[AGG_AVG] = "avg",
	[AGG_MIN] = "min",
	[AGG_MAX] = "max" };

const char *
agg_name(enum agg_kind agg)
{
	return (unsigned)agg < AGG_KIND_COUNT ? agg_names[agg] : "unknown";
}

static struct column
default_agg_name(struct checker *c, const struct agg_item *item)
{
	struct buf b = BUF_INIT;
	const char *text;
	struct column col = { 0 };

	buf_adds(&b, agg_names[item->kind]);
	if (item->has_field) {
		buf_addc(&b, '_');
		buf_add(&b, item->field.key.name, item->field.key.len);
	}
	text = buf_status(&b) == 0 ? arena_strndup(c->arena, b.data, b.len) : NULL;
	if (text != NULL)
		col = column_of(text, b.len);
	buf_release(&b);
	return col;
}

static void
take_agg(struct checker *c, const struct json *agg, const struct json *field,
    const struct json *as, const char *where, struct agg_item *out)
{
	int i = 0;
	bool has_field = field != NULL && field->type != JSON_NULL &&
	    !(field->type == JSON_STRING && field->len == 0);

	while (i < AGG_KIND_COUNT && !json_eq_str(agg, agg_names[i]))
		i++;
	if (i == AGG_KIND_COUNT) {
		problem(c, where, "use one of count, sum, avg, min, max",
		    "'%s' is none of count, sum, avg, min, max", where);
		return;
	}
	out->kind = (enum agg_kind)i;
	if (!has_field && out->kind != AGG_COUNT) {
		problem(c, "field", "name the field to aggregate",
		    "%s needs the parameter 'field'", agg_names[i]);
		return;
	}
	if (has_field && !take_field(c, field, "field", &out->field))
		return;
	out->has_field = has_field;
	out->as = default_agg_name(c, out);
	if (as != NULL && as->type != JSON_NULL &&
	    !(as->type == JSON_STRING && as->len == 0))
		(void)take_column(c, as, "as", &out->as);
}

static void
take_by(struct checker *c, struct group_args *out)
{
	const struct json *by = argument(c, "by");
	bool is_list = json_is(by, JSON_ARRAY);

	if (by == NULL || (is_list && by->len == 0)) {
		problem(c, "by", "give a list of fields",
		    "the parameter 'by' is missing or empty");
		return;
	}
	out->n_by = is_list ? by->len : 1;
	out->by = checker_alloc(c, out->n_by, sizeof(*out->by));
	for (size_t i = 0; out->by != NULL && i < out->n_by; i++)
		(void)take_field(c, is_list ? &by->items[i] : by, "by", &out->by[i]);
}

static void
take_aggs(struct checker *c, struct group_args *out)
{
	const struct json *agg = argument(c, "agg");
	bool is_list = json_is(agg, JSON_ARRAY);

	if (agg == NULL || (is_list && agg->len == 0)) {
		problem(c, "agg", "use one of count, sum, avg, min, max",
		    "the parameter 'agg' is missing");
		return;
	}
	out->n_aggs = is_list ? agg->len : 1;
	out->aggs = checker_alloc(c, out->n_aggs, sizeof(*out->aggs));
	if (out->aggs == NULL)
		return;
	if (!is_list)
		take_agg(c, agg, argument(c, "field"), argument(c, "as"), "agg",
		    out->aggs);
	for (size_t i = 0; is_list && i < out->n_aggs; i++) {
		const struct json *v = &agg->items[i];
		char where[WHERE_MAX];

		(void)snprintf(where, sizeof(where), "agg[%zu].agg", i);
		take_agg(c, json_get(v, "agg"), json_get(v, "field"), json_get(v, "as"),
		    where, &out->aggs[i]);
	}
}

static void
check_group_names(struct checker *c, const struct group_args *g)
{
	for (size_t i = 0; i < g->n_aggs; i++) {
		const struct column *as = &g->aggs[i].as;
		bool is_taken = false;

		for (size_t k = 0; k < g->n_by; k++)
			is_taken = is_taken || same_column(as, &g->by[k].key);
		for (size_t k = 0; k < i; k++)
			is_taken = is_taken || same_column(as, &g->aggs[k].as);
		if (is_taken)
			problem(c, "as", "give it another name with as",
			    "the column '%.100s' is given twice", as->name);
	}
}

void
check_group(struct checker *c, struct step *s)
{
	take_by(c, &s->group);
	take_aggs(c, &s->group);
	if (s->group.by != NULL && s->group.aggs != NULL)
		check_group_names(c, &s->group);
}

/* ---- join ---- */

/* A reference, or NULL for the current data ("current", null or absent). */
static const char *
take_side(struct checker *c, const char *name)
{
	const struct json *v = argument(c, name);
	const char *text;

	if (v == NULL || json_eq_str(v, "current") || json_eq_str(v, ""))
		return NULL;
	text = take_text(c, v, name);
	if (text != NULL && strstr(text, "://") == NULL) {
		problem(c, name,
		    "give a reference like artifact://... or cas://..., or "
		    "leave it out for the current data",
		    "'%s' is no reference: %.100s", name, text);
		return NULL;
	}
	return text;
}

static void
take_on_item(struct checker *c, const struct json *v, struct join_on *out)
{
	if (json_is(v, JSON_OBJECT)) {
		(void)take_field(c, json_get(v, "left"), "on.left", &out->left);
		(void)take_field(c, json_get(v, "right"), "on.right", &out->right);
	} else if (take_field(c, v, "on", &out->left)) {
		out->right = out->left;
	}
}

void
check_join(struct checker *c, struct step *s)
{
	struct join_args *j = &s->join;
	const struct json *on = argument(c, "on"), *how = argument(c, "how");
	bool is_list = json_is(on, JSON_ARRAY);

	j->left = take_side(c, "left");
	j->right = take_side(c, "right");
	if (argument(c, "left") == NULL && argument(c, "right") == NULL)
		problem(c, "right", "give a reference like artifact://... or cas://...",
		    "the parameter 'right' is missing");
	if (json_eq_str(how, "left"))
		j->is_left_join = true;
	else if (how != NULL && !json_eq_str(how, "inner") && !json_eq_str(how, ""))
		problem(c, "how", "use inner or left",
		    "'how' is neither inner nor left");
	if (on == NULL || (is_list && on->len == 0)) {
		problem(c, "on", "name the field that both sides share",
		    "the parameter 'on' is missing");
		return;
	}
	j->n_on = is_list ? on->len : 1;
	j->on = checker_alloc(c, j->n_on, sizeof(*j->on));
	for (size_t i = 0; j->on != NULL && i < j->n_on; i++)
		take_on_item(c, is_list ? &on->items[i] : on, &j->on[i]);
}

/* ---- jq_transform, regex_extract, parse_date ---- */

void
check_jq(struct checker *c, struct step *s)
{
	s->jq.query = take_text(c, argument(c, "query"), "query");
}

void
check_regex(struct checker *c, struct step *s)
{
	const struct json *pattern = argument(c, "pattern"), *as = argument(c, "as");
	bool is_list = json_is(as, JSON_ARRAY);

	(void)take_field_argument(c, &s->regex.field);
	s->regex.pattern = take_text(c, pattern, "pattern");
	if (s->regex.pattern != NULL)
		s->regex.pattern_len = pattern->len;
	if (as == NULL || as->len == 0)
		return;
	s->regex.n_as = is_list ? as->len : 1;
	s->regex.as = checker_alloc(c, s->regex.n_as, sizeof(*s->regex.as));
	for (size_t i = 0; s->regex.as != NULL && i < s->regex.n_as; i++) {
		(void)take_column(c, is_list ? &as->items[i] : as, "as",
		    &s->regex.as[i]);
		for (size_t k = 0; k < i; k++)
			if (same_column(&s->regex.as[i], &s->regex.as[k]))
				problem(c, "as", "give each group its own name",
				    "the column '%.100s' is given twice",
				    s->regex.as[i].name);
	}
}

void
check_date(struct checker *c, struct step *s)
{
	const struct json *format = argument(c, "format"), *as = argument(c, "as");

	if (!take_field_argument(c, &s->date.field))
		return;
	s->date.as = s->date.field.key;
	if (as != NULL && !(as->type == JSON_STRING && as->len == 0))
		(void)take_column(c, as, "as", &s->date.as);
	if (format != NULL && !(format->type == JSON_STRING && format->len == 0))
		s->date.format = take_text(c, format, "format");
}

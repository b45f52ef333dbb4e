/* SPDX-License-Identifier: MIT */
/*
 * steps_condition.c - the condition of table_filter: comparisons and their
 * combinations.
 *
 * Owns:   nothing; conditions live in the arena.
 * Called: by steps.c through its table.
 * Fails:  by noting problems.
 */
#include "config.h"

#include "common/pipeline/steps_private.h"

#include <errno.h>
#include <string.h>

/* What an operator wants of its value. */
enum wanted {
	WANTED_ANY,     /* null too */
	WANTED_ORDERED, /* number, text or boolean */
	WANTED_LIST,
	WANTED_PRESENT,
	WANTED_TEXT,
	WANTED_BOOL /* or nothing */
};

static const struct {
	const char *name;
	enum wanted wanted;
} ops[FILTER_OP_COUNT] = {
	[FILTER_LT] = { "<", WANTED_ORDERED },
	[FILTER_GT] = { ">", WANTED_ORDERED },
	[FILTER_LE] = { "<=", WANTED_ORDERED },
	[FILTER_GE] = { ">=", WANTED_ORDERED },
	[FILTER_EQ] = { "==", WANTED_ANY },
	[FILTER_NE] = { "!=", WANTED_ANY },
	[FILTER_IN] = { "in", WANTED_LIST },
	[FILTER_NOT_IN] = { "not_in", WANTED_LIST },
	[FILTER_CONTAINS] = { "contains", WANTED_PRESENT },
	[FILTER_STARTS_WITH] = { "starts_with", WANTED_TEXT },
	[FILTER_ENDS_WITH] = { "ends_with", WANTED_TEXT },
	[FILTER_MATCHES] = { "matches", WANTED_TEXT },
	[FILTER_EXISTS] = { "exists", WANTED_BOOL },
};

static const char ops_hint[] =
    "use one of < > <= >= == != in not_in contains starts_with ends_with matches exists";
static const char condition_hint[] =
    "a condition is {\"field\":..,\"op\":..,\"value\":..}, {\"all\":[..]}, "
    "{\"any\":[..]} or {\"not\":{..}}";

const char *
filter_op_name(enum filter_op op)
{
	return (unsigned)op < FILTER_OP_COUNT ? ops[op].name : "unknown";
}

static void check_condition(struct checker *c, struct step *s, const struct json *v,
    const char *where, struct condition *out);

/* The member, NULL when it is absent or null. */
static const struct json *
part(const struct json *v, const char *name)
{
	const struct json *p = json_get(v, name);

	return json_is(p, JSON_NULL) ? NULL : p;
}

static bool
value_fits(enum wanted wanted, const struct json *v)
{
	bool is_absent = v == NULL || v->type == JSON_NULL;

	switch (wanted) {
	case WANTED_ANY:
		return true;
	case WANTED_ORDERED:
		return json_is(v, JSON_NUMBER) || json_is(v, JSON_STRING) ||
		    json_is(v, JSON_BOOL);
	case WANTED_LIST:
		return json_is(v, JSON_ARRAY);
	case WANTED_TEXT:
		return json_is(v, JSON_STRING);
	case WANTED_BOOL:
		return is_absent || v->type == JSON_BOOL;
	case WANTED_PRESENT:
	default:
		return !is_absent;
	}
}

static void
check_value(struct checker *c, const struct json *v, const char *where,
    struct condition *out)
{
	static const char *const wants[] = { [WANTED_ANY] = "any value",
		[WANTED_ORDERED] = "a number, a text or a boolean",
		[WANTED_LIST] = "a list",
		[WANTED_PRESENT] = "a value that is not null",
		[WANTED_TEXT] = "a text",
		[WANTED_BOOL] = "true or false" };
	enum wanted wanted = ops[out->op].wanted;

	out->value = json_get(v, "value");
	if (!value_fits(wanted, out->value)) {
		char name[80];

		(void)snprintf(name, sizeof(name), "%.60s.value", where);
		problem(c, name, "to look for absent values use the op exists",
		    "op %s wants %s as 'value', got %s", ops[out->op].name,
		    wants[wanted],
		    out->value == NULL
			? "none"
			: json_type_name((enum json_type)out->value->type));
	}
	if (out->value == NULL)
		out->value = json_new_null(c->arena);
}

static void
check_comparison(struct checker *c, struct step *s, const struct json *v,
    const char *where, struct condition *out)
{
	const struct json *op = part(v, "op");
	char name[80];
	int i = 0;

	(void)snprintf(name, sizeof(name), "%.60s.field", where);
	(void)take_field(c, part(v, "field"), name, &out->field);
	while (i < FILTER_OP_COUNT && !json_eq_str(op, ops[i].name))
		i++;
	if (i == FILTER_OP_COUNT) {
		(void)snprintf(name, sizeof(name), "%.60s.op", where);
		problem(c, name, ops_hint,
		    op == NULL ? "the parameter '%s' is missing%.0s"
			       : "'%s' is no known op: %.40s",
		    name,
		    json_is(op, JSON_STRING) ? json_cstr(c->arena, op) : "not a text");
		return;
	}
	out->kind = CONDITION_COMPARE;
	out->op = (enum filter_op)i;
	check_value(c, v, where, out);
	if (out->op == FILTER_MATCHES)
		s->carries_program = true;
}

static void
check_list(struct checker *c, struct step *s, const struct json *list,
    const char *where, struct condition *out)
{
	if (!json_is(list, JSON_ARRAY) || list->len == 0) {
		problem(c, where, condition_hint, "'%s' is not a non-empty list",
		    where);
		return;
	}
	out->parts = checker_alloc(c, list->len, sizeof(*out->parts));
	if (out->parts == NULL)
		return;
	out->n = list->len;
	for (uint32_t i = 0; i < list->len; i++) {
		char name[80];

		(void)snprintf(name, sizeof(name), "%.60s[%u]", where, i);
		check_condition(c, s, &list->items[i], name, &out->parts[i]);
	}
}

static void
check_condition(struct checker *c, struct step *s, const struct json *v,
    const char *where, struct condition *out)
{
	static const char *const names[] = { "field", "op", "value", "all", "any",
		"not" };
	const struct json *all = part(v, "all"), *any = part(v, "any");
	const struct json *not = part(v, "not");
	char name[80];

	if (!json_is(v, JSON_OBJECT)) {
		problem(c, where, condition_hint, "'%s' is not an object", where);
		return;
	}
	for (uint32_t i = 0; i < v->len; i++) {
		size_t k = 0;

		while (
		    k < ARRAY_LEN(names) && strcmp(names[k], v->members[i].name) != 0)
			k++;
		if (k == ARRAY_LEN(names))
			problem(c, where, condition_hint, "a condition has no '%.100s'",
			    v->members[i].name);
	}
	if ((all != NULL) + (any != NULL) + (not != NULL) + (part(v, "op") != NULL) >
	    1) {
		problem(c, where, condition_hint,
		    "'%s' is several of a comparison, all, any and not", where);
		return;
	}
	(void)snprintf(name, sizeof(name), "%.60s.%s", where,
	    all != NULL       ? "all"
		: any != NULL ? "any"
			      : "not");
	if (all != NULL || any != NULL) {
		out->kind = all != NULL ? CONDITION_ALL : CONDITION_ANY;
		check_list(c, s, all != NULL ? all : any, name, out);
	} else if (not != NULL) {
		out->kind = CONDITION_NOT;
		out->n = 1;
		out->parts = checker_alloc(c, 1, sizeof(*out->parts));
		if (out->parts != NULL)
			check_condition(c, s, not, name, out->parts);
	} else {
		check_comparison(c, s, v, where, out);
	}
}

void
check_filter(struct checker *c, struct step *s)
{
	const struct json *v = argument(c, "condition");

	if (v == NULL) {
		problem(c, "condition", condition_hint,
		    "the parameter 'condition' is missing");
		return;
	}
	check_condition(c, s, v, "condition", &s->filter);
}

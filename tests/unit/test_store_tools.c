/* SPDX-License-Identifier: MIT */
/* test_store_tools.c - composite tools in the store: whose they are, who may have them. */
#include "config.h"

#include "common/clock.h"
#include "common/store/store_tools.h"
#include "tests/unit/store_fixture.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

static char *
text(const char *s)
{
	return (char *)(uintptr_t)s; /* only read */
}

static bool
add(struct fixture *f, const char *owner, const char *name, const char *shape)
{
	const struct store_tool t = { .owner = text(owner),
		.name = text(name),
		.shape = text(shape),
		.description = text("finds it"),
		.template = text("{\"pipeline\":[]}"),
		.parameters = text("[]"),
		.uses = 2 };
	struct err err = ERR_INIT;
	bool is_new = false;

	cr_assert(eq(int, store_tool_add(f->store, &t, &is_new, &err), 0), "%s",
	    err.text);
	return is_new;
}

static int
whose(struct fixture *f, const char *owner, const char *name, char out[32])
{
	CLEANUP(store_tool_release) struct store_tool t = { .owner = NULL };
	int r = store_tool_get(f->store, owner, name, &t, NULL);

	if (r == 0)
		(void)snprintf(out, 32, "%s", t.owner);
	return r;
}

BOTH(a_tool_is_read_as_it_was_added)
{
	CLEANUP(store_tool_release) struct store_tool t = { .owner = NULL };
	struct err err = ERR_INIT;

	cr_expect(add(f, "ann", "get_x", "s1"));
	cr_assert(eq(int, store_tool_get(f->store, "ann", "get_x", &t, &err), 0), "%s",
	    err.text);
	cr_expect_str_eq(t.owner, "ann");
	cr_expect_str_eq(t.name, "get_x");
	cr_expect_str_eq(t.shape, "s1");
	cr_expect_str_eq(t.description, "finds it");
	cr_expect_str_eq(t.template, "{\"pipeline\":[]}");
	cr_expect_str_eq(t.parameters, "[]");
	cr_expect(eq(i64, t.uses, 2));
	cr_expect(not(t.is_common));
	cr_expect(t.created_at_ms > clock_wall_ms() - 3600000 &&
	    t.created_at_ms < clock_wall_ms() + 3600000);
}

BOTH(an_owner_has_one_tool_of_a_name_and_of_a_shape)
{
	cr_expect(add(f, "ann", "get_x", "s1"));
	cr_expect(not(add(f, "ann", "get_x", "s2")));
	cr_expect(not(add(f, "ann", "get_y", "s1")));
	cr_expect(add(f, "bob", "get_x", "s1"));
	cr_expect(add(f, "", "get_x", "s1"));
}

BOTH(a_tool_is_its_owners_until_it_is_common)
{
	char owner[32] = "";

	(void)add(f, "bob", "get_x", "s1");
	cr_expect(eq(int, whose(f, "bob", "get_x", owner), 0));
	cr_expect(eq(int, whose(f, "ann", "get_x", owner), -ENOENT));
	cr_expect(eq(int, whose(f, "", "get_x", owner), -ENOENT));
	cr_expect(eq(int, whose(f, "bob", "get_", owner), -ENOENT));
	cr_expect(eq(int, whose(f, "bob", "%", owner), -ENOENT));
	cr_expect(
	    eq(int, store_tool_publish(f->store, "ann", "get_x", true, NULL), -ENOENT));
	cr_expect(eq(int, store_tool_publish(f->store, "bob", "get_x", true, NULL), 0));
	cr_expect(eq(int, whose(f, "ann", "get_x", owner), 0));
	cr_expect_str_eq(owner, "bob");
	(void)add(f, "ann", "get_x", "s9"); /* her own comes first */
	cr_expect(eq(int, whose(f, "ann", "get_x", owner), 0));
	cr_expect_str_eq(owner, "ann");
	cr_expect(
	    eq(int, store_tool_publish(f->store, "bob", "get_x", false, NULL), 0));
	cr_expect(eq(int, whose(f, "eve", "get_x", owner), -ENOENT));
}

static int
take_name(void *arg, const struct store_tool *t)
{
	char *names = arg;
	size_t n = strlen(names);

	(void)snprintf(names + n, 200 - n, "%s/%s ", t->owner, t->name);
	return 0;
}

static int
stop_at_once(void *arg, const struct store_tool *t)
{
	(void)arg;
	(void)t;
	return -EXDEV;
}

static const struct {
	const char *owner; /* NULL: all */
	unsigned limit;
	const char *names;
} lists[] = {
	{ NULL, 100, "bob/a ann/b bob/b /c " },
	{ "ann", 100, "ann/b bob/b " },
	{ "bob", 100, "bob/a bob/b " },
	{ "", 100, "bob/b /c " },
	{ "eve", 100, "bob/b " },
	{ NULL, 2, "bob/a ann/b " },
};

BOTH(a_list_holds_the_owners_own_and_the_common_ones)
{
	(void)add(f, "bob", "b", "s1");
	(void)add(f, "bob", "a", "s2");
	(void)add(f, "ann", "b", "s3");
	(void)add(f, "", "c", "s4");
	cr_assert(eq(int, store_tool_publish(f->store, "bob", "b", true, NULL), 0));
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		char names[200] = "";
		struct err err = ERR_INIT;

		cr_assert(eq(int,
			      store_tool_each(f->store, lists[i].owner, lists[i].limit,
				  take_name, names, &err),
			      0),
		    "%s", err.text);
		cr_expect_str_eq(names, lists[i].names);
	}
	cr_expect(eq(int, store_tool_each(f->store, NULL, 9, stop_at_once, NULL, NULL),
	    -EXDEV));
}

BOTH(uses_are_counted_and_a_dropped_tool_is_gone)
{
	CLEANUP(store_tool_release) struct store_tool t = { .owner = NULL };
	char owner[32];

	(void)add(f, "bob", "x", "s1");
	cr_expect(eq(int, store_tool_used(f->store, "bob", "x", NULL), 0));
	cr_expect(eq(int, store_tool_used(f->store, "ann", "x", NULL), -ENOENT));
	cr_assert(eq(int, store_tool_get(f->store, "bob", "x", &t, NULL), 0));
	cr_expect(eq(i64, t.uses, 3));
	cr_expect(eq(int, store_tool_drop(f->store, "ann", "x", NULL), -ENOENT));
	cr_expect(eq(int, store_tool_drop(f->store, "bob", "x", NULL), 0));
	cr_expect(eq(int, store_tool_drop(f->store, "bob", "x", NULL), -ENOENT));
	cr_expect(eq(int, whose(f, "bob", "x", owner), -ENOENT));
	cr_expect(add(f, "bob", "x", "s1"), "and may come back");
}

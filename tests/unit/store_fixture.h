/* SPDX-License-Identifier: MIT */
/*
 * store_fixture.h - a fresh store for one test, on either database.
 *
 * BOTH(name) defines a test that runs once on SQLite and once on PostgreSQL; its body
 * gets a migrated store in `f`.
 */
#ifndef TESTS_UNIT_STORE_FIXTURE_H
#define TESTS_UNIT_STORE_FIXTURE_H

#include "common/store/sql.h"
#include "common/store/store.h"
#include "tests/support/postgres_server.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

enum {
	FIXTURE_INLINE = 4096
}; /* values of that size go to the CAS */

struct fixture {
	char dir[64]; /* state directory */
	char url[POSTGRES_URL_MAX];
	struct store_options options;
	struct store *store;
};

/* Where the program's PostgreSQL listens, or NULL. */
const char *fixture_postgres_dir(void);

void fixture_dir(struct fixture *f); /* only the directory */
/* kind: "sqlite" or "postgresql". Not migrated yet. */
void fixture_open(struct fixture *f, const char *kind);
void fixture_init(struct fixture *f, const char *kind); /* opened and migrated */
void fixture_reopen(struct fixture *f);                 /* with f->url and f->options */
void fixture_release(struct fixture *f);

/* A second connection to the same database, for statements of the test itself. */
struct sql *fixture_session(const struct fixture *f);
void fixture_run(struct sql *s, const char *text);
int64_t fixture_number(struct sql *s, const char *select); /* first column, first row */

/* A completed row with its own id. */
struct fixture_row {
	struct store_row row;
	char result_id[STORE_ID_MAX];
};
struct store_row *fixture_row(struct fixture_row *r, const char *job_id,
    const char *message);
void fixture_data(struct store_row *row, const char *json);

/* Puts one row; the verdict. Its outcome goes to *o if not NULL. */
enum store_verdict fixture_put(struct store *store, const struct store_row *row,
    struct store_outcome *o);

#define BOTH(name)                              \
 static void name(struct fixture *f);           \
 Test(store_sqlite, name)                       \
 {                                              \
  struct fixture f;                             \
  fixture_init(&f, "sqlite");                   \
  name(&f);                                     \
  fixture_release(&f);                          \
 }                                              \
 Test(store_postgresql, name)                   \
 {                                              \
  struct fixture f;                             \
  if (fixture_postgres_dir() == NULL)           \
   cr_skip_test("PostgreSQL is not installed"); \
  fixture_init(&f, "postgresql");               \
  name(&f);                                     \
  fixture_release(&f);                          \
 }                                              \
 static void name(struct fixture *f)

#endif

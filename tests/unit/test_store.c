/* SPDX-License-Identifier: MIT */
/*
 * test_store.c - what both databases promise alike: rows, reading, schema, purge.
 */
#include "config.h"

#include "tests/unit/store_fixture.h"

#include "common/clock.h"
#include "common/exit_status.h"
#include "common/store/cas.h"
#include "common/store/migrate_run.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

/* ---- bytes ---- */

/* Texts that a careless store changes: key order, number text, escapes, white space. */
static const char *const precious[] = {
	"{\"b\":1.10,\"a\":2,\"b2\":1e5}",
	"{\"zero\":\"\\u0000\",\"pair\":\"\\ud83d\\ude00\",\"lone\":\"\\ud800\"}",
	"{\"emoji\":\"\xf0\x9f\x98\x80\",\"a\":1,\"a\":2}",
	" [ 1.0 ,\n\t12345678901234567890 , -0.0 ] ",
	"\"it's \\\"quoted\\\" and \\\\ escaped $1 ?1 %s\"",
	"null",
};

BOTH(texts_survive_byte_for_byte)
{
	for (size_t i = 0; i < ARRAY_LEN(precious); i++) {
		struct store_result got = STORE_RESULT_INIT;
		struct fixture_row r;
		struct store_outcome o;
		struct err err = ERR_INIT;
		char job[16];

		(void)snprintf(job, sizeof(job), "job-%zu", i);
		fixture_data(fixture_row(&r, job, precious[i]), precious[i]);
		r.row.error = r.row.tool_calls = r.row.trace = r.row.data;
		cr_assert(eq(int, fixture_put(f->store, &r.row, &o), STORE_STORED),
		    "%s", o.err.text);
		cr_expect(eq(str, o.message, (char *)(uintptr_t)precious[i]));
		store_outcome_release(&o);
		cr_assert(eq(int, store_get_by_job(f->store, job, SIZE_MAX, &got, &err),
			      0),
		    "%s", err.text);
		cr_expect(eq(str, got.message, (char *)(uintptr_t)precious[i]));
		cr_expect(eq(str, got.data, (char *)(uintptr_t)precious[i]));
		cr_expect(eq(str, got.error, (char *)(uintptr_t)precious[i]));
		cr_expect(eq(sz, got.data_len, strlen(precious[i])));
		store_result_release(&got);
	}
}

BOTH(every_column_comes_back)
{
	struct store_result got = STORE_RESULT_INIT;
	struct fixture_row r;
	struct err err = ERR_INIT;
	int64_t now = clock_wall_ms();

	fixture_row(&r, "job \xc3\xa9 '", "{}");
	r.row.tokens_used = 5000000000;
	r.row.cache_hit = true;
	r.row.execution_time_ms = 17;
	r.row.token = 1LL << 40;
	r.row.retry_count = 3;
	r.row.s3_ref = "s3://bucket/key";
	cr_assert(eq(int, fixture_put(f->store, &r.row, NULL), STORE_STORED));
	cr_assert(eq(int, store_get_by_job(f->store, r.row.job_id, 0, &got, &err), 0));
	cr_expect(eq(str, got.result_id, r.result_id));
	cr_expect(eq(str, got.job_id, (char *)(uintptr_t)r.row.job_id));
	cr_expect(eq(str, got.run_id, (char[]){ "run-1" }));
	cr_expect(eq(str, got.node_id, (char[]){ "node-1" }));
	cr_expect(eq(str, got.owner, (char[]){ "alice" }));
	cr_expect(eq(str, got.status, (char[]){ "completed" }));
	cr_expect(eq(str, got.llm_model, (char[]){ "model-1" }));
	cr_expect(eq(str, got.s3_ref, (char[]){ "s3://bucket/key" }));
	cr_expect(eq(ptr, got.cas_id, NULL));
	cr_expect(eq(ptr, got.error, NULL));
	cr_expect(eq(ptr, got.data, NULL));
	cr_expect(eq(i64, got.tokens_used, 5000000000));
	cr_expect(eq(i64, got.execution_time_ms, 17));
	cr_expect(eq(i64, got.token, 1LL << 40));
	cr_expect(eq(i64, got.retry_count, 3));
	cr_expect(eq(i64, got.completed_at_ms, 1700000000123));
	cr_expect(got.cache_hit);
	cr_expect(llabs(got.created_at_ms - now) < 60000);
	store_result_release(&got);
	/* a value in S3 is named, not invented */
	cr_expect(eq(int,
	    store_get_by_job(f->store, r.row.job_id, SIZE_MAX, &got, &err), -ENOENT));
}

BOTH(several_jobs_are_looked_for_in_one_question)
{
	const char *ids[STORE_BATCH_MAX];
	bool has_result[STORE_BATCH_MAX];
	char jobs[STORE_BATCH_MAX][16];
	struct fixture_row r;
	struct err err = ERR_INIT;

	for (size_t i = 0; i < STORE_BATCH_MAX; i++) {
		(void)snprintf(jobs[i], sizeof(jobs[i]), "job'%zu", i);
		ids[i] = jobs[i];
		if (i % 3 == 0)
			cr_assert(eq(int,
			    fixture_put(f->store, fixture_row(&r, ids[i], "{}"), NULL),
			    STORE_STORED));
	}
	for (size_t n = 1; n <= STORE_BATCH_MAX; n++) {
		memset(has_result, -1, sizeof(has_result));
		cr_assert(eq(int, store_have_jobs(f->store, ids, n, has_result, &err),
			      0),
		    "%s", err.text);
		for (size_t i = 0; i < n; i++)
			cr_expect(eq(int, has_result[i], i % 3 == 0), "%zu of %zu", i,
			    n);
	}
}

BOTH(what_is_not_there_leaves_the_answer_untouched)
{
	struct store_result got = { .data_fd = -1, .token = 4711 };
	struct err err = ERR_INIT;
	char hex[] = "cas://sha256:"
		     "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	const struct {
		const char *ref;
		int want;
	} refs[] = {
		{ "artifact://01234567-89ab-4cde-8f01-23456789abcd", -ENOENT },
		{ hex, -ENOENT },
		{ "artifact://not-an-id", -EINVAL },
		{ "artifact://", -EINVAL },
		{ "cas://sha256:0123", -EINVAL },
		{ "cas://../../etc/passwd", -EINVAL },
		{ "http://example.com", -EINVAL },
		{ "", -EINVAL },
	};

	cr_expect(eq(int, store_get_by_job(f->store, "none", 1, &got, &err), -ENOENT));
	for (size_t i = 0; i < ARRAY_LEN(refs); i++)
		cr_expect(eq(int,
			      store_get_by_ref(f->store, refs[i].ref, NULL, 1, &got,
				  &err),
			      refs[i].want),
		    "%s", refs[i].ref);
	cr_expect(eq(i64, got.token, 4711));
}

/* ---- who wins ---- */

static const struct {
	const char *old_status;
	int64_t old_token;
	const char *new_status;
	int64_t new_token;
	enum store_verdict want;
} fencing[] = {
	{ "completed", 1, "completed", 2, STORE_KEPT },
	{ "completed", 1, "failed", 2, STORE_KEPT },
	{ "failed", 1, "completed", 2, STORE_STORED },
	{ "failed", 1, "failed", 2, STORE_STORED },
	{ "failed", 2, "completed", 2, STORE_KEPT },
	{ "failed", 3, "completed", 2, STORE_KEPT },
	{ "failed", -1, "completed", 0, STORE_STORED },
};

BOTH(a_row_yields_only_when_failed_and_to_a_higher_token)
{
	for (size_t i = 0; i < ARRAY_LEN(fencing); i++) {
		struct fixture_row older, newer;
		struct store_outcome o;
		bool is_new = fencing[i].want == STORE_STORED;
		char job[16];

		(void)snprintf(job, sizeof(job), "job-%zu", i);
		fixture_row(&older, job, "\"old\"");
		fixture_row(&newer, job, "\"new\"");
		older.row.status = fencing[i].old_status;
		older.row.token = fencing[i].old_token;
		newer.row.status = fencing[i].new_status;
		newer.row.token = fencing[i].new_token;
		cr_assert(
		    eq(int, fixture_put(f->store, &older.row, NULL), STORE_STORED));
		cr_expect(eq(int, fixture_put(f->store, &newer.row, &o),
			      fencing[i].want),
		    "case %zu: %s", i, o.err.text);
		cr_expect(eq(str, o.message,
		    is_new ? (char[]){ "\"new\"" } : (char[]){ "\"old\"" }));
		cr_expect(
		    eq(str, o.result_id, is_new ? newer.result_id : older.result_id));
		cr_expect(eq(i64, o.token, is_new ? newer.row.token : older.row.token));
		cr_expect(eq(str, o.status,
		    (char *)(uintptr_t)(is_new ? newer.row.status : older.row.status)));
		store_outcome_release(&o);
	}
}

/* Whoever publishes a stored failure again shuts out those between its token and theirs. */
BOTH(a_settled_failure_yields_only_to_a_still_higher_token)
{
	static const struct {
		const char *status;
		int64_t token, settled, late;
		enum store_verdict want;
	} cases[] = {
		{ "failed", 1, 3, 2, STORE_KEPT },
		{ "failed", 1, 3, 3, STORE_KEPT },
		{ "failed", 1, 3, 4, STORE_STORED },
		{ "failed", 5, 3, 4, STORE_KEPT },
		{ "completed", 1, 3, 4, STORE_KEPT },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct fixture_row first, late;
		struct err err = ERR_INIT;
		char job[16];

		(void)snprintf(job, sizeof(job), "settled-%zu", i);
		fixture_row(&first, job, "\"old\"");
		fixture_row(&late, job, "\"new\"");
		first.row.status = cases[i].status;
		first.row.token = cases[i].token;
		late.row.status = "completed";
		late.row.token = cases[i].late;
		cr_assert(
		    eq(int, fixture_put(f->store, &first.row, NULL), STORE_STORED));
		cr_expect(eq(int, store_settle(f->store, job, cases[i].settled, &err),
			      0),
		    "%s", err_text(&err));
		cr_expect(eq(int, fixture_put(f->store, &late.row, NULL),
			      cases[i].want),
		    "case %zu", i);
	}
	{
		struct err err = ERR_INIT;

		cr_expect(eq(int, store_settle(f->store, "nobody", 3, &err), 0));
	}
}

BOTH(a_repeated_put_recognises_its_own_row)
{
	struct fixture_row r;

	fixture_row(&r, "job", "{}");
	for (int i = 0; i < 3; i++)
		cr_expect(eq(int, fixture_put(f->store, &r.row, NULL), STORE_STORED));
}

/* ---- batches ---- */

struct batch {
	struct fixture_row rows[STORE_BATCH_MAX];
	struct store_row plain[STORE_BATCH_MAX];
	struct store_outcome outcomes[STORE_BATCH_MAX];
	char jobs[STORE_BATCH_MAX][16];
};

static void
batch_init(struct batch *b, size_t n, const char *prefix)
{
	for (size_t i = 0; i < n; i++) {
		(void)snprintf(b->jobs[i], sizeof(b->jobs[i]), "%s%zu", prefix, i);
		fixture_row(&b->rows[i], b->jobs[i], b->jobs[i]);
		fixture_data(&b->rows[i].row, "{\"a\":1}");
		b->plain[i] = b->rows[i].row;
	}
}

static void
batch_release(struct batch *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		store_outcome_release(&b->outcomes[i]);
}

BOTH(batches_of_every_size_land_whole)
{
	static struct batch b;

	for (size_t n = 1; n <= STORE_BATCH_MAX; n++) {
		char prefix[8];

		(void)snprintf(prefix, sizeof(prefix), "b%zu-", n);
		batch_init(&b, n, prefix);
		store_put(f->store, b.plain, n, b.outcomes);
		for (size_t i = 0; i < n; i++) {
			cr_expect(eq(int, b.outcomes[i].verdict, STORE_STORED), "%s",
			    b.outcomes[i].err.text);
			cr_expect(eq(str, b.outcomes[i].message, b.jobs[i]));
		}
		batch_release(&b, n);
	}
}

/* Bytes that no row may hold; len 0: the text's own. */
static const struct {
	const char *text;
	size_t len;
	bool as_data; /* else as the message */
} refused[] = {
	{ "\xff\xfe", 0, false },
	{ "a\0b", 3, false },
	{ "\xed\xa0\x80", 0, false }, /* a surrogate in UTF-8 */
	{ "\xc0\x80", 0, false },     /* too long a form of NUL */
	{ "\xf0\x9f\x98", 0, false }, /* cut in the middle */
	{ "\"\xff\"", 0, true },
	{ "{\"a\":", 0, true },
	{ "", 0, true },
	{ "\"a\0b\"", 5, true },
};

BOTH(one_refused_row_does_not_lose_the_others)
{
	static struct batch b;

	for (size_t k = 0; k < ARRAY_LEN(refused); k++) {
		struct store_text bad = { refused[k].text,
			refused[k].len != 0 ? refused[k].len
					    : strlen(refused[k].text) };
		char prefix[8];

		(void)snprintf(prefix, sizeof(prefix), "r%zu-", k);
		batch_init(&b, STORE_BATCH_MAX, prefix);
		if (refused[k].as_data)
			b.plain[7].data = bad;
		else
			b.plain[7].message = bad;
		store_put(f->store, b.plain, STORE_BATCH_MAX, b.outcomes);
		for (size_t i = 0; i < STORE_BATCH_MAX; i++)
			cr_expect(eq(int, b.outcomes[i].verdict,
				      i == 7 ? STORE_REFUSED : STORE_STORED),
			    "case %zu row %zu: %s", k, i, b.outcomes[i].err.text);
		cr_expect(eq(int, b.outcomes[7].err.code, -EINVAL));
		cr_expect(ne(int, b.outcomes[7].err.text[0], 0));
		cr_expect(eq(ptr, b.outcomes[7].message, NULL));
		batch_release(&b, STORE_BATCH_MAX);
	}
}

BOTH(a_row_that_makes_no_sense_is_refused_before_the_database)
{
	static struct batch b;

	batch_init(&b, 5, "n");
	b.plain[0].result_id = "no uuid";
	b.plain[1].status = "running";
	b.plain[2].message.text = NULL;
	b.plain[3].cas_id = "sha256:12";
	store_put(f->store, b.plain, 5, b.outcomes);
	for (size_t i = 0; i < 5; i++)
		cr_expect(eq(int, b.outcomes[i].verdict,
		    i < 4 ? STORE_REFUSED : STORE_STORED));
	batch_release(&b, 5);
}

BOTH(the_same_job_twice_in_a_batch_is_stored_once)
{
	static struct batch b;

	batch_init(&b, 6, "t");
	b.plain[1].job_id = b.plain[3].job_id = b.plain[5].job_id = "same";
	b.plain[1].status = "failed";
	b.plain[3].token = 2; /* replaces the failed one */
	b.plain[5].token = 3; /* finds a completed one */
	store_put(f->store, b.plain, 6, b.outcomes);
	for (size_t i = 0; i < 5; i++)
		cr_expect(eq(int, b.outcomes[i].verdict, STORE_STORED), "%s",
		    b.outcomes[i].err.text);
	cr_expect(eq(int, b.outcomes[5].verdict, STORE_KEPT));
	cr_expect(eq(str, b.outcomes[5].message, b.jobs[3]));
	batch_release(&b, 6);
}

/* ---- large values ---- */

static char *
json_string_of(size_t len, char fill)
{
	char *text = malloc(len + 1);

	cr_assert(ne(ptr, text, NULL));
	memset(text, fill, len);
	text[0] = text[len - 1] = '"';
	text[len] = '\0';
	return text;
}

static void
expect_file(int fd, const char *want, size_t len)
{
	CLEANUP(freep) char *got = malloc(len + 1);

	cr_expect(eq(int, fcntl(fd, F_GET_SEALS),
	    F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL));
	cr_expect(eq(sz, (size_t)read(fd, got, len + 1), len));
	cr_expect(eq(int, memcmp(got, want, len), 0));
}

BOTH(a_value_goes_inline_below_the_bound_and_to_the_cas_from_it_on)
{
	static const size_t lengths[] = { FIXTURE_INLINE - 1, FIXTURE_INLINE,
		3 * FIXTURE_INLINE };

	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		CLEANUP(freep) char *text = json_string_of(lengths[i], 'x');
		struct store_result got = STORE_RESULT_INIT;
		bool is_inline = lengths[i] < FIXTURE_INLINE;
		struct store_place place;
		struct fixture_row r;
		struct err err = ERR_INIT;
		char job[16];

		(void)snprintf(job, sizeof(job), "job-%zu", i);
		fixture_data(fixture_row(&r, job, "{}"), text);
		cr_assert(eq(int,
		    store_place(f->store, r.result_id, text, lengths[i], -1, &place,
			&err),
		    0));
		cr_expect(eq(int,
		    strncmp(place.ref, is_inline ? "artifact://" : "cas://", 6), 0));
		cr_expect(eq(int, cas_is_id(place.cas_id), !is_inline));
		cr_assert(eq(int, fixture_put(f->store, &r.row, NULL), STORE_STORED));
		cr_assert(eq(int,
			      store_get_by_ref(f->store, place.ref, NULL, SIZE_MAX,
				  &got, &err),
			      0),
		    "%s", err.text);
		cr_expect(eq(str, got.job_id, job));
		cr_expect(eq(sz, got.data_len, lengths[i]));
		if (is_inline) {
			cr_expect(eq(str, got.data, text));
		} else {
			cr_expect(eq(str, got.cas_id, place.cas_id));
			expect_file(got.data_fd, text, lengths[i]);
		}
		store_result_release(&got);
		cr_expect(
		    eq(int, store_get_by_job(f->store, job, lengths[i] - 1, &got, &err),
			-EFBIG));
		cr_expect(eq(int, store_get_by_job(f->store, job, 0, &got, &err), 0));
		cr_expect(eq(ptr, got.data, NULL));
		cr_expect(eq(int, got.data_fd, -1));
		store_result_release(&got);
	}
}

BOTH(a_value_is_placed_from_a_file_as_from_memory)
{
	CLEANUP(freep) char *text = json_string_of(2 * FIXTURE_INLINE, 'y');
	CLEANUP(closep) int fd = open(f->dir, O_TMPFILE | O_RDWR, 0600);
	struct store_place from_file, from_memory;
	char id[STORE_ID_MAX];
	struct err err = ERR_INIT;

	cr_assert(eq(int, store_new_id(id), 0));
	cr_assert(eq(sz, (size_t)write(fd, text, strlen(text)), strlen(text)));
	cr_assert(eq(int, store_place(f->store, id, NULL, 0, fd, &from_file, &err), 0));
	cr_assert(eq(int,
	    store_place(f->store, id, text, strlen(text), -1, &from_memory, &err), 0));
	cr_expect(eq(str, from_file.ref, from_memory.ref));
}

BOTH(equal_content_belongs_to_each_owner_that_stored_it)
{
	CLEANUP(freep) char *text = json_string_of(FIXTURE_INLINE, 'z');
	static const char *const owners[] = { "alice", "bob" };
	struct store_result got = STORE_RESULT_INIT;
	struct store_place place;
	struct fixture_row r;
	struct err err = ERR_INIT;

	for (size_t i = 0; i < 2; i++) {
		fixture_data(fixture_row(&r, owners[i], "{}"), text);
		r.row.owner = owners[i];
		cr_assert(eq(int, fixture_put(f->store, &r.row, NULL), STORE_STORED));
	}
	cr_assert(eq(int,
	    store_place(f->store, r.result_id, text, FIXTURE_INLINE, -1, &place, &err),
	    0));
	for (size_t i = 0; i < 2; i++) {
		cr_assert(eq(int,
		    store_get_by_ref(f->store, place.ref, owners[i], 0, &got, &err),
		    0));
		cr_expect(eq(str, got.owner, (char *)(uintptr_t)owners[i]));
	}
	cr_assert(
	    eq(int, store_get_by_ref(f->store, place.ref, "eve", 0, &got, &err), 0));
	cr_expect(ne(str, got.owner, (char[]){ "eve" }));
	store_result_release(&got);
}

BOTH(a_damaged_value_is_an_error_not_a_value)
{
	CLEANUP(freep) char *text = json_string_of(FIXTURE_INLINE, 'd');
	CLEANUP(closep) int fd = -1;
	struct store_result got = STORE_RESULT_INIT;
	struct store_place place;
	struct fixture_row r;
	struct err err = ERR_INIT;
	char path[256];

	fixture_data(fixture_row(&r, "job", "{}"), text);
	cr_assert(eq(int, fixture_put(f->store, &r.row, NULL), STORE_STORED));
	cr_assert(eq(int,
	    store_place(f->store, r.result_id, text, FIXTURE_INLINE, -1, &place, &err),
	    0));
	(void)snprintf(path, sizeof(path), "%s/cas/%.2s/%.2s/%s", f->dir,
	    place.cas_id + 7, place.cas_id + 9, place.cas_id + 7);
	fd = open(path, O_WRONLY);
	cr_assert(eq(sz, (size_t)pwrite(fd, "!", 1, 100), 1));
	cr_expect(
	    eq(int, store_get_by_job(f->store, "job", SIZE_MAX, &got, &err), -EBADMSG));
	cr_expect(eq(int, got.data_fd, -1));
	/* the row itself is still good */
	cr_expect(eq(int, store_get_by_job(f->store, "job", 0, &got, &err), 0));
	store_result_release(&got);
	/* and storing the content again repairs it */
	cr_assert(eq(int,
	    store_place(f->store, r.result_id, text, FIXTURE_INLINE, -1, &place, &err),
	    0));
	cr_expect(eq(int, store_get_by_job(f->store, "job", SIZE_MAX, &got, &err), 0));
	store_result_release(&got);
}

BOTH(blobs_come_back_whole_and_are_no_results)
{
	CLEANUP(freep) char *text = json_string_of(40000, 'j');
	CLEANUP(freep) char *bytes = NULL;
	struct store_result got = STORE_RESULT_INIT;
	char ref[STORE_REF_MAX];
	struct err err = ERR_INIT;
	size_t len = 0;

	cr_assert(eq(int, store_put_blob(f->store, text, 40000, ref, &err), 0));
	cr_expect(
	    eq(int, store_get_blob(f->store, ref, 39999, &bytes, &len, &err), -EFBIG));
	cr_expect(eq(ptr, bytes, NULL));
	cr_assert(eq(int, store_get_blob(f->store, ref, 40000, &bytes, &len, &err), 0));
	cr_expect(eq(sz, len, 40000));
	cr_expect(eq(str, bytes, text));
	cr_expect(
	    eq(int, store_get_by_ref(f->store, ref, NULL, 1, &got, &err), -ENOENT));
}

/* ---- lists and purge ---- */

struct seen {
	unsigned n;
	char first[STORE_ID_MAX];
};

static int
see(void *arg, const struct store_result *r)
{
	struct seen *s = arg;

	if (s->n++ == 0)
		(void)snprintf(s->first, sizeof(s->first), "%.30s", r->job_id);
	cr_expect(eq(sz, r->message_len, 0));
	return 0;
}

static int
stop_at_once(void *arg, const struct store_result *r)
{
	(void)r;
	++*(unsigned *)arg;
	return -ECANCELED;
}

BOTH(lists_are_filtered_and_newest_first)
{
	struct sql *session = fixture_session(f);
	static struct batch b;
	const struct {
		struct store_filter filter;
		unsigned want;
	} filters[] = {
		{ { NULL, NULL, NULL, 0 }, 8 },
		{ { "bob", NULL, NULL, 0 }, 3 },
		{ { NULL, "failed", NULL, 0 }, 2 },
		{ { "bob", "failed", NULL, 0 }, 1 },
		{ { NULL, NULL, "run-1", 5 }, 5 },
		{ { NULL, NULL, "run-2", 0 }, 0 },
	};
	unsigned calls = 0;

	batch_init(&b, 8, "l");
	b.plain[0].owner = b.plain[1].owner = b.plain[2].owner = "bob";
	b.plain[2].status = b.plain[3].status = "failed";
	store_put(f->store, b.plain, 8, b.outcomes);
	batch_release(&b, 8);
	fixture_run(session,
	    "UPDATE agent_results SET created_at = '2099-01-01T00:00:00.000Z' WHERE job_id = 'l2'");
	for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
		struct seen seen = { 0, "" };
		struct err err = ERR_INIT;

		cr_assert(eq(int,
		    store_list(f->store, &filters[i].filter, see, &seen, &err), 0));
		cr_expect(eq(uint, seen.n, filters[i].want), "filter %zu", i);
		if (i < 4)
			cr_expect(eq(str, seen.first, (char[]){ "l2" }));
	}
	cr_expect(eq(int,
	    store_list(f->store, &filters[0].filter, stop_at_once, &calls, NULL),
	    -ECANCELED));
	cr_expect(eq(uint, calls, 1));
	session->driver->close(session);
}

/* Makes the CAS file of that id two weeks old. */
static void
age(const struct fixture *f, const char *cas_id)
{
	const struct timespec then[2] = { { time(NULL) - 14 * 86400, 0 },
		{ time(NULL) - 14 * 86400, 0 } };
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/cas/%.2s/%.2s/%s", f->dir, cas_id + 7,
	    cas_id + 9, cas_id + 7);
	cr_assert(eq(int, utimensat(AT_FDCWD, path, then, 0), 0), "%s", path);
}

BOTH(purge_takes_old_rows_and_the_content_that_only_they_named)
{
	struct sql *session = fixture_session(f);
	struct store_purge_count count = { 99, 99, 99, 99 };
	struct store_purge what = { .older_than_ms = 86400000, .is_dry_run = true };
	struct store_result got = STORE_RESULT_INIT;
	static const char *const jobs[] = { "old", "old-shared", "young-shared",
		"young" };
	static const char fills[] = { 'a', 'b', 'b', 'c' };
	struct err err = ERR_INIT;

	for (size_t i = 0; i < 4; i++) {
		CLEANUP(freep) char *text = json_string_of(FIXTURE_INLINE, fills[i]);
		struct fixture_row r;

		fixture_data(fixture_row(&r, jobs[i], "{}"), text);
		cr_assert(eq(int, fixture_put(f->store, &r.row, NULL), STORE_STORED));
		cr_assert(
		    eq(int, store_get_by_job(f->store, jobs[i], 0, &got, &err), 0));
		if (i !=
		    1) /* written anew by its twin, as it should be once it is old */
			age(f, got.cas_id);
	}
	fixture_run(session,
	    "UPDATE agent_results SET created_at = '2020-01-01T00:00:00.000Z'"
	    " WHERE job_id LIKE 'old%'");
	cr_assert(eq(int, store_purge(f->store, &what, &count, &err), 0));
	cr_expect(eq(u64, count.rows, 2));
	cr_expect(eq(u64, count.blobs, 1));
	cr_expect(
	    eq(i64, fixture_number(session, "SELECT count(*) FROM agent_results"), 4));
	what.is_dry_run = false;
	cr_assert(eq(int, store_purge(f->store, &what, &count, &err), 0));
	cr_expect(eq(u64, count.rows, 2));
	cr_expect(eq(u64, count.blobs, 1));
	cr_expect(eq(int, store_get_by_job(f->store, "old", 0, &got, &err), -ENOENT));
	cr_expect(eq(int,
	    store_get_by_job(f->store, "young-shared", SIZE_MAX, &got, &err), 0));
	cr_expect(
	    eq(int, store_get_by_job(f->store, "young", SIZE_MAX, &got, &err), 0));
	store_result_release(&got);
	session->driver->close(session);
}

/* A row of "ann" or "bob", one day old or new, failed or completed. */
static void
put_for_purge(struct fixture *f, const char *job, const char *owner, const char *status)
{
	struct fixture_row r;

	fixture_data(fixture_row(&r, job, "{}"), "[1]");
	r.row.owner = owner;
	r.row.status = status;
	cr_assert(eq(int, fixture_put(f->store, &r.row, NULL), STORE_STORED));
}

BOTH(purge_keeps_to_an_owner_and_a_status)
{
	static const struct {
		const char *owner, *status;
		uint64_t want;
	} cases[] = {
		{ "ann", "failed", 1 },
		{ "ann", NULL, 1 },
		{ NULL, "failed", 1 },
		{ "nobody", NULL, 0 },
		{ NULL, NULL, 1 },
	};
	struct sql *session = fixture_session(f);
	struct err err = ERR_INIT;

	put_for_purge(f, "a1", "ann", "failed");
	put_for_purge(f, "a2", "ann", "completed");
	put_for_purge(f, "b1", "bob", "failed");
	put_for_purge(f, "b2", "bob", "completed");
	put_for_purge(f, "new", "bob", "completed");
	fixture_run(session,
	    "UPDATE agent_results SET created_at = '2020-01-01T00:00:00.000Z'"
	    " WHERE job_id <> 'new'");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct store_purge what = { .older_than_ms = 3600000,
			.owner = cases[i].owner,
			.status = cases[i].status,
			.is_dry_run = true };
		struct store_purge_count would, did;

		cr_assert(eq(int, store_purge(f->store, &what, &would, &err), 0), "%s",
		    err.text);
		what.is_dry_run = false;
		cr_assert(eq(int, store_purge(f->store, &what, &did, &err), 0), "%s",
		    err.text);
		cr_expect(eq(u64, did.rows, cases[i].want), "case %zu", i);
		cr_expect(eq(u64, would.rows, did.rows));
		cr_expect(eq(u64, would.row_bytes, did.row_bytes));
		cr_expect(did.rows == 0 || did.row_bytes >= 5);
	}
	cr_expect(
	    eq(i64, fixture_number(session, "SELECT count(*) FROM agent_results"), 1));
	session->driver->close(session);
}

static int
is_the_kept_one(void *arg, const char *cas_id)
{
	return strcmp(cas_id, arg) == 0;
}

/* Journals name content that has no row. */
BOTH(purge_spares_what_is_named_elsewhere)
{
	char kept[STORE_REF_MAX], orphan[STORE_REF_MAX];
	struct store_purge what = { .older_than_ms = 3600000,
		.is_kept = is_the_kept_one,
		.kept_arg = kept + strlen("cas://") };
	struct store_purge_count count;
	struct err err = ERR_INIT;
	char *bytes = NULL;
	size_t len;

	cr_assert(eq(int, store_put_blob(f->store, "kept", 4, kept, &err), 0));
	cr_assert(eq(int, store_put_blob(f->store, "orphan", 6, orphan, &err), 0));
	cr_assert(eq(int, store_purge(f->store, &what, &count, &err), 0));
	cr_expect(eq(u64, count.blobs, 0)); /* too young to judge */
	age(f, kept + strlen("cas://"));
	age(f, orphan + strlen("cas://"));
	cr_assert(eq(int, store_purge(f->store, &what, &count, &err), 0));
	cr_expect(eq(u64, count.blobs, 1));
	cr_expect(eq(u64, count.blob_bytes, 6));
	cr_expect(eq(int, store_get_blob(f->store, kept, 9, &bytes, &len, &err), 0));
	free(bytes);
	bytes = NULL;
	cr_expect(
	    eq(int, store_get_blob(f->store, orphan, 9, &bytes, &len, &err), -ENOENT));
}

BOTH(purge_goes_on_beyond_its_piece)
{
	struct sql *session = fixture_session(f);
	const struct store_purge what = { .older_than_ms = 0 };
	struct store_purge_count count;
	struct err err = ERR_INIT;
	/* 2,500 rows by one statement that both dialects know */
	static const char fill[] =
	    "INSERT INTO agent_results (result_id, job_id, status, message, created_at)"
	    " WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)"
	    " SELECT %s, 'p' || i, 'failed', '', '2020-01-01T00:00:00.000Z' FROM n";
	char text[512];

	(void)snprintf(text, sizeof(text), fill,
	    session->driver == &sql_sqlite ? "'r' || i" : "gen_random_uuid()");
	if (session->driver !=
	    &sql_sqlite) /* a text literal in a query is no time yet */
		(void)snprintf(strstr(text, "'2020"), 80, "%s",
		    "'2020-01-01T00:00:00.000Z'::timestamptz FROM n");
	fixture_run(session, text);
	cr_assert(eq(int, store_purge(f->store, &what, &count, &err), 0), "%s",
	    err.text);
	cr_expect(eq(u64, count.rows, 2500));
	session->driver->close(session);
}

/* ---- schema ---- */

static void
migrate_from_nothing(const char *kind)
{
	struct sql *session;
	struct fixture f;
	struct err err = ERR_INIT;
	char first[STORE_ID_MAX], again[STORE_ID_MAX];
	unsigned applied = 99;

	fixture_open(&f, kind);
	cr_expect(eq(int, store_migrate(f.store, STORE_MIGRATE_CHECK, &applied, &err),
	    -ENODATA));
	cr_expect(eq(int, store_id(f.store, first, &err), -ENODATA), "%s", err.text);
	cr_expect(eq(uint, applied, 99));
	cr_assert(eq(int, store_migrate(f.store, STORE_MIGRATE_APPLY, &applied, &err),
		      0),
	    "%s", err.text);
	cr_expect(eq(uint, applied, store_schema_version()));
	cr_expect(
	    eq(int, store_migrate(f.store, STORE_MIGRATE_CHECK, &applied, &err), 0));
	cr_assert(eq(int, store_id(f.store, first, &err), 0));
	cr_expect(store_is_id(first));
	cr_expect(
	    eq(int, store_migrate(f.store, STORE_MIGRATE_APPLY, &applied, &err), 0));
	cr_expect(eq(uint, applied, 0));
	fixture_reopen(&f);
	cr_assert(eq(int, store_id(f.store, again, &err), 0));
	cr_expect(eq(str, first, again));

	session = fixture_session(&f);
	fixture_run(session,
	    "INSERT INTO schema_migrations (version, name, applied_at)"
	    " VALUES (999, 'later', '')");
	cr_expect(
	    eq(int, store_migrate(f.store, STORE_MIGRATE_CHECK, NULL, &err), -ENOTSUP));
	cr_expect(
	    eq(int, store_migrate(f.store, STORE_MIGRATE_APPLY, NULL, &err), -ENOTSUP));
	cr_expect(ne(ptr, strstr(err.text, "newer"), NULL));
	session->driver->close(session);
	fixture_release(&f);
}

/* Each child opens the store by itself; it says by its exit status how it went. */
static pid_t
spawn_migration(const struct fixture *f)
{
	pid_t pid = fork();
	struct store *store = NULL;
	int r;

	if (pid != 0)
		return pid;
	r = store_open(f->url, f->dir, &f->options, &store, NULL);
	if (r == 0)
		r = store_migrate(store, STORE_MIGRATE_APPLY, NULL, NULL);
	store_close(store);
	_exit(r == 0 ? 0 : 1);
}

static void
migrate_at_once(const char *kind)
{
	struct sql *session;
	struct fixture f;
	pid_t children[4];
	int status;

	fixture_open(&f, kind);
	for (size_t i = 0; i < ARRAY_LEN(children); i++)
		children[i] = spawn_migration(&f);
	for (size_t i = 0; i < ARRAY_LEN(children); i++) {
		cr_assert(eq(int, waitpid(children[i], &status, 0), children[i]));
		cr_expect(eq(int, status, 0));
	}
	session = fixture_session(&f);
	cr_expect(
	    eq(i64, fixture_number(session, "SELECT count(*) FROM schema_migrations"),
		store_schema_version()));
	cr_expect(
	    eq(i64, fixture_number(session, "SELECT count(*) FROM store_meta"), 1));
	session->driver->close(session);
	fixture_release(&f);
}

Test(store_sqlite, schema_is_made_once_checked_and_never_taken_back)
{
	migrate_from_nothing("sqlite");
}

Test(store_postgresql, schema_is_made_once_checked_and_never_taken_back)
{
	if (fixture_postgres_dir() == NULL)
		cr_skip_test("PostgreSQL is not installed");
	migrate_from_nothing("postgresql");
}

Test(store_sqlite, processes_that_migrate_at_once_make_one_schema)
{
	migrate_at_once("sqlite");
}

Test(store_postgresql, processes_that_migrate_at_once_make_one_schema)
{
	if (fixture_postgres_dir() == NULL)
		cr_skip_test("PostgreSQL is not installed");
	migrate_at_once("postgresql");
}

BOTH(the_migrate_role_applies_or_checks_as_configured)
{
	struct fixture fresh;
	struct conf conf = { 0 };
	char directory[] = "directory", s3[] = "s3://bucket";
	struct err err = ERR_INIT;

	fixture_open(&fresh, strcmp(f->url, "sqlite") == 0 ? "sqlite" : "postgresql");
	conf.database.url = fresh.url;
	conf.service.state_dir = fresh.dir;
	conf.storage.cas = directory;
	cr_expect(eq(int, migrate_run(&conf, &err), -ENODATA));
	cr_expect(eq(int, migrate_exit_status(-ENODATA), EXIT_STATUS_CONFIG));
	conf.database.migrate = true;
	cr_expect(eq(int, migrate_run(&conf, &err), 0), "%s", err.text);
	conf.database.migrate = false;
	cr_expect(eq(int, migrate_run(&conf, &err), 0), "%s", err.text);
	conf.storage.cas = s3;
	cr_expect(eq(int, migrate_run(&conf, &err), -EINVAL));
	cr_expect(eq(int, migrate_exit_status(-EAGAIN), EXIT_STATUS_UNAVAILABLE));
	fixture_release(&fresh);
}

/* ---- urls ---- */

Test(store, urls_that_are_none_are_refused_without_telling_secrets)
{
	static const char *const urls[] = { "", "mysql://x", "sqlite:", "embedded",
		"postgresql://u:secret@[h/db", "postgresql://u:secret@/db?nonsense=1" };

	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		struct store *store = NULL;
		struct err err = ERR_INIT;

		cr_expect(eq(int, store_open(urls[i], "/tmp", NULL, &store, &err),
			      -EINVAL),
		    "%s", urls[i]);
		cr_expect(eq(ptr, store, NULL));
		cr_expect(eq(ptr, strstr(err.text, "secret"), NULL), "%s", err.text);
	}
}

Test(store, a_name_tells_no_password)
{
	struct store *store = NULL;
	struct err err = ERR_INIT;

	cr_assert(eq(int,
	    store_open("postgresql://u:secret@h.example:5433/db", "/tmp", NULL, &store,
		&err),
	    0));
	cr_expect(eq(str, (char *)(uintptr_t)store_name(store),
	    (char[]){ "postgresql h.example/db" }));
	store_close(store);
}

Test(store, ids_are_random_uuids_of_version_4)
{
	char a[STORE_ID_MAX], b[STORE_ID_MAX];

	cr_assert(eq(int, store_new_id(a), 0));
	cr_assert(eq(int, store_new_id(b), 0));
	cr_expect(ne(str, a, b));
	cr_expect(store_is_id(a));
	cr_expect(eq(chr, a[14], '4'));
	cr_expect(ne(ptr, strchr("89ab", a[19]), NULL));
	cr_expect(not(store_is_id("")));
	cr_expect(not(store_is_id("01234567-89AB-4cde-8f01-23456789abcd")));
}

/* SPDX-License-Identifier: MIT */
/* test_cas.c - content is named by what it is, written whole or not at all. */
#include "config.h"

#include "common/store/cas.h"
#include "common/store/cas_refs.h"
#include "common/store/digest.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

static char dir[64];
static struct cas *cas;

static void
setup(void)
{
	struct err err = ERR_INIT;
	char path[96];

	(void)strcpy(dir, "/tmp/agent-runner-cas-XXXXXX");
	cr_assert(ne(ptr, mkdtemp(dir), NULL));
	(void)snprintf(path, sizeof(path), "%s/cas", dir);
	cr_assert(eq(int, cas_dir_open(path, &cas, &err), 0));
}

static int
remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static void
teardown(void)
{
	cas_close(cas);
	(void)nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

TestSuite(cas, .init = setup, .fini = teardown);

static void
path_of(const char *id, char path[256])
{
	(void)snprintf(path, 256, "%s/cas/%.2s/%.2s/%s", dir, id + 7, id + 9, id + 7);
}

static unsigned files_seen;

static int
count_file(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)path;
	(void)st;
	(void)ftw;
	files_seen += kind == FTW_F;
	return 0;
}

static unsigned
files(void)
{
	files_seen = 0;
	(void)nftw(dir, count_file, 16, FTW_PHYS);
	return files_seen;
}

/* FIPS 180-2 and one more */
static const struct {
	const char *text;
	const char *hex;
} known[] = {
	{ "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
	{ "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
	{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
	    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
};

Test(cas, content_is_named_by_its_digest)
{
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		CLEANUP(freep) char *bytes = NULL;
		char id[CAS_ID_MAX], hex[DIGEST_HEX_MAX];
		struct err err = ERR_INIT;
		uint64_t size = 99;
		size_t len = 99;

		cr_assert(eq(int,
			      cas_put(cas, known[i].text, strlen(known[i].text), id,
				  &err),
			      0),
		    "%s", err.text);
		cr_expect(eq(str, id + 7, (char *)(uintptr_t)known[i].hex));
		cr_expect(cas_is_id(id));
		cr_assert(
		    eq(int, digest_of(known[i].text, strlen(known[i].text), hex), 0));
		cr_expect(eq(str, hex, id + 7));
		cr_assert(eq(int, cas_get(cas, id, 1000, &bytes, &len, &err), 0));
		cr_expect(eq(str, bytes, (char *)(uintptr_t)known[i].text));
		cr_expect(eq(sz, len, strlen(known[i].text)));
		cr_assert(eq(int, cas_size(cas, id, &size, &err), 0));
		cr_expect(eq(u64, size, strlen(known[i].text)));
	}
}

Test(cas, a_large_file_goes_in_and_out_by_descriptor)
{
	enum {
		LEN = 3 * 1024 * 1024 + 17
	};
	CLEANUP(freep) unsigned char *bytes = malloc(LEN);
	CLEANUP(closep) int in = memfd_create("in", MFD_CLOEXEC);
	CLEANUP(closep) int out = -1;
	char id[CAS_ID_MAX], other[CAS_ID_MAX];
	struct err err = ERR_INIT;
	unsigned char *got;
	uint64_t len = 0;

	for (size_t i = 0; i < LEN; i++)
		bytes[i] = (unsigned char)(i * 31 >> 3);
	cr_assert(eq(sz, (size_t)write(in, bytes, LEN),
	    LEN)); /* leaves the offset at the end */
	cr_assert(eq(int, cas_put_fd(cas, in, id, &err), 0), "%s", err.text);
	cr_assert(eq(int, cas_put(cas, bytes, LEN, other, &err), 0));
	cr_expect(eq(str, id, other));
	cr_expect(eq(uint, files(), 1));
	cr_expect(eq(int, cas_get_fd(cas, id, LEN - 1, &out, &len, &err), -EFBIG));
	cr_expect(eq(int, out, -1));
	cr_assert(eq(int, cas_get_fd(cas, id, LEN, &out, &len, &err), 0));
	cr_expect(eq(u64, len, LEN));
	got = mmap(NULL, LEN, PROT_READ, MAP_PRIVATE, out, 0);
	cr_expect(eq(int, memcmp(got, bytes, LEN), 0));
	(void)munmap(got, LEN);
	cr_expect(eq(int, (int)write(out, "x", 1), -1)); /* sealed */
}

Test(cas, equal_content_is_written_once_and_a_damaged_copy_is_replaced)
{
	char id[CAS_ID_MAX], path[256];
	CLEANUP(freep) char *bytes = NULL;
	struct err err = ERR_INIT;
	struct stat before, after;
	size_t len;
	int fd;

	cr_assert(eq(int, cas_put(cas, "content", 7, id, &err), 0));
	path_of(id, path);
	cr_assert(eq(int, stat(path, &before), 0));
	cr_assert(eq(int, cas_put(cas, "content", 7, id, &err), 0));
	cr_assert(eq(int, stat(path, &after), 0));
	cr_expect(eq(ulong, before.st_ino, after.st_ino));

	fd = open(path, O_WRONLY | O_CLOEXEC);
	cr_assert(eq(int, (int)pwrite(fd, "C", 1, 0), 1));
	(void)close(fd);
	cr_expect(eq(int, cas_get(cas, id, 100, &bytes, &len, &err), -EBADMSG));
	cr_expect(eq(ptr, bytes, NULL));
	cr_assert(eq(int, truncate(path, 3), 0));
	cr_expect(eq(int, cas_get(cas, id, 100, &bytes, &len, &err), -EBADMSG));
	cr_assert(eq(int, cas_put(cas, "content", 7, id, &err), 0));
	cr_assert(eq(int, cas_get(cas, id, 100, &bytes, &len, &err), 0));
	cr_expect(eq(str, bytes, (char[]){ "content" }));
	cr_expect(eq(uint, files(), 1));
}

Test(cas, content_that_is_not_there_and_ids_that_are_none)
{
	static const struct {
		const char *id;
		int want;
	} cases[] = {
		{ "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
		    -ENOENT },
		{ "sha256:0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef",
		    -EINVAL },
		{ "sha256:../../../../../../../../../../../../../../../../../etc/passwd12",
		    -EINVAL },
		{ "sha256:", -EINVAL },
		{ "", -EINVAL },
		{ "md5:0123", -EINVAL },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = ERR_INIT;
		char *bytes = NULL;
		uint64_t size;
		size_t len;

		cr_expect(eq(int, cas_get(cas, cases[i].id, 9, &bytes, &len, &err),
			      cases[i].want),
		    "%s", cases[i].id);
		cr_expect(
		    eq(int, cas_size(cas, cases[i].id, &size, &err), cases[i].want));
		cr_expect(ne(int, err.text[0], 0));
	}
	cr_expect(eq(uint, files(), 0));
}

/* In a child: writes with file sizes bounded, as a full disk would bound them. */
static int
put_under_a_bound(void)
{
	const struct rlimit bound = { 1000, 1000 };
	char bytes[4000] = "", id[CAS_ID_MAX];

	(void)signal(SIGXFSZ, SIG_IGN);
	if (setrlimit(RLIMIT_FSIZE, &bound) < 0)
		return 1;
	return cas_put(cas, bytes, sizeof(bytes), id, NULL) == -EFBIG ? 0 : 2;
}

Test(cas, a_write_that_fails_leaves_nothing_behind)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(put_under_a_bound());
	cr_assert(eq(int, waitpid(pid, &status, 0), pid));
	cr_expect(eq(int, status, 0));
	cr_expect(eq(uint, files(), 0));
}

static int
needs_none(void *arg, const char *id)
{
	(void)arg;
	(void)id;
	return 0;
}

static int
needs_one(void *arg, const char *id)
{
	return strcmp(id, arg) == 0;
}

static void
make_old(const char *id)
{
	const struct timespec then[2] = { { time(NULL) - 30 * 86400, 0 },
		{ time(NULL) - 30 * 86400, 0 } };
	char path[256];

	path_of(id, path);
	cr_assert(eq(int, utimensat(AT_FDCWD, path, then, 0), 0));
}

Test(cas_refs, hold_what_is_an_id)
{
	CLEANUP(cas_refs_release) struct cas_refs refs = { 0 };
	char id[CAS_ID_MAX], other[CAS_ID_MAX];

	cr_expect(eq(int, cas_refs_has(&refs, "x"), 0));
	for (int i = 200; i >= 0; i--) {
		(void)snprintf(id, sizeof(id), "sha256:%064d", i);
		cr_assert(eq(int, cas_refs_add(&refs, id, strlen(id)), 0));
	}
	cr_expect(eq(int, cas_refs_add(&refs, "sha256:short", 12), 0));
	cr_expect(eq(int, cas_refs_add(&refs, id, strlen(id) + 1), 0));
	cr_expect(eq(sz, refs.n, 201));
	(void)snprintf(other, sizeof(other), "sha256:%064d", 201);
	cr_expect(eq(int, cas_refs_has(&refs, id), 1));
	cr_expect(eq(int, cas_refs_has(&refs, other), 0));
}

static uint64_t
sweep(uint64_t min_age_ms, bool is_dry_run, cas_needed_fn *is_needed, void *arg)
{
	struct cas_swept out = { 0, 0 };
	struct cas_sweep what = { min_age_ms, is_dry_run, 0, is_needed, arg };
	struct err err = ERR_INIT;

	for (; what.shelf < CAS_SHELVES; what.shelf++)
		cr_assert(eq(int, cas_sweep(cas, &what, &out, &err), 0), "%s",
		    err.text);
	cr_expect(eq(u64, out.bytes, out.files * 3));
	return out.files;
}

Test(cas, a_sweep_takes_what_is_old_and_not_needed)
{
	enum {
		DAY = 24 * 3600 * 1000
	};
	char old[CAS_ID_MAX], needed[CAS_ID_MAX], young[CAS_ID_MAX];
	struct err err = ERR_INIT;

	/* a directory that was never made is empty */
	cr_expect(eq(u64, sweep(0, false, needs_none, NULL), 0));
	cr_assert(eq(int, cas_put(cas, "old", 3, old, &err), 0));
	cr_assert(eq(int, cas_put(cas, "needed", 6, needed, &err), 0));
	cr_assert(eq(int, cas_put(cas, "young", 5, young, &err), 0));
	make_old(old);
	make_old(needed);
	cr_expect(eq(u64, sweep(DAY, true, needs_one, needed), 1));
	cr_expect(eq(uint, files(), 3));
	cr_expect(eq(u64, sweep(DAY, false, needs_one, needed), 1));
	cr_expect(eq(uint, files(), 2));
	/* old content that is stored again is young again */
	cr_assert(eq(int, cas_put(cas, "needed", 6, needed, &err), 0));
	cr_expect(eq(u64, sweep(DAY, false, needs_none, NULL), 0));
	cr_expect(eq(uint, files(), 2));
}

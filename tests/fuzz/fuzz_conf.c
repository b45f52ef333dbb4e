/* SPDX-License-Identifier: MIT */
/*
 * fuzz_conf.c - a configuration file, and the text that a role is given: what is
 * read is written, and what is written reads back.
 *
 * Owns:   a memory file a run.
 * Called: by libFuzzer, and by driver.c on each file of the corpus.
 * Fails:  by abort, which is a finding.
 */
#include "config.h"

#include "common/conf/conf.h"

#include <string.h>
#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* libconfig forgets the beginning of a string that does not end. */
const char *__lsan_default_suppressions(void);

const char *
__lsan_default_suppressions(void)
{
	return "leak:libconfig.so";
}

/* What would read other files than the one at hand. */
static const char *const outward[] = { "include", "file", "credential", "agents_dir" };

static bool
reads_files(const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < ARRAY_LEN(outward); i++)
		if (memmem(data, size, outward[i], strlen(outward[i])) != NULL)
			return true;
	return memmem(data, size, "${", 2) != NULL; /* they may come from there */
}

/* One role an input: libconfig is slow, and any input has neighbours. */
static void
expect_role_reads(const struct conf *c, enum role role)
{
	CLEANUP(conf_freep) struct conf *back = NULL;
	CLEANUP_BUF struct buf text = BUF_INIT;
	struct err err = ERR_INIT;

	conf_write_role(&text, c, role);
	ASSERT(conf_read_role(buf_str(&text), text.len, &back, &err) == 0);
}

static void
try_file(const uint8_t *data, size_t size)
{
	CLEANUP(conf_freep) struct conf *c = NULL;
	CLEANUP(closep) int fd = memfd_create("conf", MFD_CLOEXEC);
	CLEANUP_BUF struct buf masked = BUF_INIT;
	struct err err = ERR_INIT;
	char path[64];

	ASSERT(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (conf_load(path, &c, &err) < 0) {
		ASSERT(err.text[0] != '\0');
		return;
	}
	conf_write_masked(&masked, c);
	ASSERT(buf_status(&masked) == 0);
	expect_role_reads(c, (enum role)(size % ROLE_COUNT));
	ASSERT(conf_compare(c, c, NULL, &err) == 0);
	conf_blank_secrets(c);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(conf_freep) struct conf *c = NULL;
	struct err err = ERR_INIT;

	if (reads_files(data, size))
		return 0;
	(void)conf_read_role((const char *)data, size, &c, &err);
	try_file(data, size);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/* source_file.h - a file of the source tree as text, for tests that hold pages true. */
#ifndef TESTS_UNIT_SOURCE_FILE_H
#define TESTS_UNIT_SOURCE_FILE_H

#include "common/buf.h"

#include <criterion/criterion.h>

/* name: relative to the top of the sources. The caller frees; a file that cannot be read
   ends the test. */
static inline char *
read_source(const char *name)
{
	const char *srcdir = getenv("srcdir");
	CLEANUP_BUF struct buf b = BUF_INIT;
	char path[512], chunk[4096];
	size_t n;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", srcdir != NULL ? srcdir : ".",
	    name);
	f = fopen(path, "r");
	cr_assert(f != NULL, "%s", path);
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_add(&b, chunk, n);
	fclose(f);
	return buf_take(&b, NULL);
}

#endif

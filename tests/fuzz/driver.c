/* SPDX-License-Identifier: MIT */
/*
 * driver.c - runs a fuzz target over its corpus, in builds without libFuzzer.
 *
 * Each file of tests/fuzz/corpus/NAME, where NAME is the program's own, is given to the
 * target whole and cut at up to CUTS places, in a buffer that ends where the input does.
 * Arguments are files to run instead.
 *
 * Owns:   the text of one file.
 * Called: by make check.
 * Fails:  when a file cannot be read, or none is there; a target fails by abort.
 */
#include "config.h"

#include "common/buf.h"

#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	CUTS = 64
};

static void
run_bytes(const char *bytes, size_t n)
{
	uint8_t *copy = malloc(n > 0 ? n : 1);

	ASSERT(copy != NULL);
	if (n > 0)
		memcpy(copy, bytes, n);
	(void)LLVMFuzzerTestOneInput(copy, n);
	free(copy);
}

static void
run_file(const char *path)
{
	CLEANUP(fclosep) FILE *f = fopen(path, "re");
	CLEANUP_BUF struct buf text = BUF_INIT;
	char block[65536];
	size_t n, step;

	if (f == NULL) {
		(void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(1);
	}
	while ((n = fread(block, 1, sizeof(block), f)) > 0)
		buf_add(&text, block, n);
	ASSERT(buf_status(&text) == 0);
	(void)fprintf(stderr, "%s\n", path); /* the last one named is the culprit */
	run_bytes(buf_str(&text), text.len);
	step = text.len / CUTS + 1;
	for (size_t at = 0; at < text.len; at += step)
		run_bytes(buf_str(&text), at);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static size_t
run_directory(const char *dir)
{
	DIR *d = opendir(dir);
	const struct dirent *e;
	char **names = NULL;
	size_t n = 0;

	while (d != NULL && (e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		names = reallocarray(names, n + 1, sizeof(*names));
		ASSERT(
		    names != NULL && asprintf(&names[n], "%s/%s", dir, e->d_name) > 0);
		n++;
	}
	if (d != NULL)
		(void)closedir(d);
	if (n > 0)
		qsort(names, n, sizeof(*names), by_name);
	for (size_t i = 0; i < n; i++) {
		run_file(names[i]);
		free(names[i]);
	}
	free(names);
	return n;
}

int
main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/');
	char dir[4096];

	for (int i = 1; i < argc; i++)
		run_file(argv[i]);
	if (argc > 1)
		return 0;
	name = name != NULL ? name + 1 : argv[0];
	(void)snprintf(dir, sizeof(dir), "%s/%s", FUZZ_CORPUS, name);
	if (run_directory(dir) > 0)
		return 0;
	(void)fprintf(stderr, "%s holds no corpus\n", dir);
	return 1;
}

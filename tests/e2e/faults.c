/* SPDX-License-Identifier: MIT */
/*
 * faults.c - the test's side of the page of faults.
 *
 * Owns:   the mapping, for the life of the test.
 * Called: by end-to-end tests of builds with fault points.
 * Fails:  through the harness.
 */
#include "config.h"

#include "tests/e2e/faults.h"

#include "tests/support/redis_server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static char assignment[PROC_PATH_MAX + 64];

struct fault_page *
faults_new(struct harness *h)
{
	CLEANUP(closep) int fd = -1;
	char path[PROC_PATH_MAX];
	struct fault_page *page;

	(void)snprintf(path, sizeof(path), "%s/faults", harness_dir(h));
	(void)snprintf(assignment, sizeof(assignment), "AGENT_RUNNER_FAULT_PAGE=%s",
	    path);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0 || ftruncate(fd, sizeof(*page)) < 0)
		harness_fail(h, "%s: %s", path, strerror(errno));
	page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		harness_fail(h, "%s: %s", path, strerror(errno));
	page->size = sizeof(*page);
	page->magic = FAULT_PAGE_MAGIC;
	harness_env(h, assignment);
	return page;
}

void
faults_disarm(struct fault_page *page)
{
	for (unsigned i = 0; i < FAULT_ORDERS_MAX; i++)
		atomic_store(&page->orders[i].point, 0);
}

void
faults_arm(struct harness *h, struct fault_page *page, const char *fmt, ...)
{
	struct err err = ERR_INIT;
	char text[512];
	va_list ap;

	faults_disarm(page);
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (fault_orders_read(page, text, &err) < 0)
		harness_fail(h, "%s: %s", text, err_text(&err));
}

unsigned
faults_struck(const struct fault_page *page, enum fault_point point)
{
	unsigned n = 0;

	for (unsigned a = 0; a < FAULT_ACTION_COUNT; a++)
		n += atomic_load(&page->struck[point][a]);
	return n;
}

volatile int64_t *
faults_redis_clock(struct harness *h)
{
	static char shim[PROC_PATH_MAX];
	CLEANUP(closep) int fd = -1;
	char dir[256], path[PROC_PATH_MAX];
	int64_t *offset_sec = MAP_FAILED;

	(void)snprintf(path, sizeof(path), "%s/clock", harness_dir(h));
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd >= 0 && ftruncate(fd, sizeof(*offset_sec)) == 0)
		offset_sec = mmap(NULL, sizeof(*offset_sec), PROT_READ | PROT_WRITE,
		    MAP_SHARED, fd, 0);
	if (offset_sec == MAP_FAILED || getcwd(dir, sizeof(dir)) == NULL ||
	    setenv("CLOCK_SHIM_FILE", path, 1) < 0)
		harness_fail(h, "%s: %s", path, strerror(errno));
	(void)snprintf(shim, sizeof(shim), "%s/tests/support/clock_shim.so", dir);
	if (access(shim, R_OK) < 0)
		harness_fail(h, "%s: %s", shim, strerror(errno));
	redis_server_preload = shim;
	return offset_sec;
}

/* SPDX-License-Identifier: MIT */
/*
 * migrate_run.c - opens the store, migrates it, closes it.
 *
 * Owns:   a store for the length of the call.
 * Called: by the worker program as --role migrate, and by agentctl.
 * Fails:  with the store's error; nothing is left half done.
 */
#include "config.h"

#include "common/store/migrate_run.h"

#include "common/clock.h"
#include "common/exit_status.h"
#include "common/store/store_conf.h"

#include <errno.h>
#include <unistd.h>

enum {
	PATIENCE_MS = 15000,
	PAUSE_MS = 250
};

int
migrate_run(const struct conf *conf, struct err *err)
{
	CLEANUP(store_closep) struct store *store = NULL;
	enum store_migrate_mode mode =
	    conf->database.migrate ? STORE_MIGRATE_APPLY : STORE_MIGRATE_CHECK;
	uint64_t deadline = clock_mono_ms() + PATIENCE_MS;
	int r;

	r = store_open_conf(conf, &store, err);
	if (r < 0)
		return r;
	while ((r = store_migrate(store, mode, NULL, err)) == -EAGAIN &&
	    clock_mono_ms() < deadline)
		(void)usleep(PAUSE_MS * 1000);
	return r;
}

int
migrate_exit_status(int r)
{
	switch (r) {
	case 0:
		return EXIT_STATUS_OK;
	case -EAGAIN:
		return EXIT_STATUS_UNAVAILABLE;
	case -EINVAL:
	case -ENODATA:
	case -ENOTSUP:
	case -EACCES:
		return EXIT_STATUS_CONFIG;
	default:
		return EXIT_STATUS_FAILURE;
	}
}

/* SPDX-License-Identifier: MIT */
/*
 * store_conf.c - opens the store that the configuration names.
 *
 * Owns:   nothing.
 * Called: by the roles that reach the store: worker, migrate, agentctl.
 * Fails:  -EINVAL for a value that no store understands; nothing is connected yet.
 */
#include "config.h"

#include "common/store/store_conf.h"

#include <errno.h>
#include <string.h>

int
store_open_conf(const struct conf *conf, struct store **out, struct err *err)
{
	const struct store_options options = {
		.max_inline_bytes = (size_t)conf->storage.max_inline_bytes,
	};

	if (strcmp(conf->storage.cas, "directory") != 0)
		return err_set(err, -EINVAL,
		    "storage.cas is \"%s\"; this program knows \"directory\"",
		    conf->storage.cas);
	return store_open(conf->database.url, conf->service.state_dir, &options, out,
	    err);
}

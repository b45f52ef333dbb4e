/* SPDX-License-Identifier: MIT */
/* migrate_run.h - what the short-lived migrate role does before the first worker. */
#ifndef COMMON_STORE_MIGRATE_RUN_H
#define COMMON_STORE_MIGRATE_RUN_H

#include "common/conf/conf.h"
#include "common/err.h"

/*
 * Brings the schema up to date, or with database.migrate = false only checks it. A
 * store that is away is waited for, for at most 15 s. 0 or the error of store_migrate.
 */
int migrate_run(const struct conf *conf, struct err *err);

/* The exit status that tells the supervisor what to do about that answer. */
int migrate_exit_status(int r);

#endif

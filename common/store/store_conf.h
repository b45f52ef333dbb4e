/* SPDX-License-Identifier: MIT */
/* store_conf.h - the store that the configuration names. */
#ifndef COMMON_STORE_STORE_CONF_H
#define COMMON_STORE_STORE_CONF_H

#include "common/conf/conf.h"
#include "common/store/store.h"

/* store_open with database.url, service.state_dir and storage.* */
int store_open_conf(const struct conf *conf, struct store **out, struct err *err);

#endif

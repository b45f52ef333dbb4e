/* SPDX-License-Identifier: MIT */
/*
 * scope.h - which files and TCP ports a role needs, from its part of the configuration.
 */
#ifndef COMMON_ROLE_SCOPE_H
#define COMMON_ROLE_SCOPE_H

#include "common/conf/conf.h"
#include "common/role/sandbox.h"

#include <limits.h>

enum {
	SCOPE_PATHS_MAX = 40,
	SCOPE_PORTS_MAX = 256,
	SCOPE_TEXTS_MAX = 8 /* paths that are written in the configuration's URLs */
};

struct role_scope {
	struct sandbox_path
	    paths[SCOPE_PATHS_MAX]; /* point into conf, texts, literals */
	size_t n_paths;
	uint16_t ports[SCOPE_PORTS_MAX]; /* each once */
	size_t n_ports;
	const char
	    *any_port; /* NULL: only these ports; else why they cannot be listed */
	char texts[SCOPE_TEXTS_MAX][PATH_MAX];
	size_t n_texts;
};

/* Fills *out, which keeps pointers into c. */
void role_scope(enum role role, const struct conf *c, struct role_scope *out);

/* As Landlock wants it; points into s. */
struct sandbox_scope role_scope_rules(const struct role_scope *s);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * facts.h - what the arguments of a pipeline say before it runs: what it reads, whom it
 * asks, and by which name its result is remembered.
 */
#ifndef WORKER_PIPELINE_FACTS_H
#define WORKER_PIPELINE_FACTS_H

#include "common/json/json.h"
#include "common/pipeline/steps.h"

enum {
	PIPELINE_REFS_MAX = 2 * STEPS_MAX + 1,
	PIPELINE_DIGEST_MAX = 65 /* hexadecimal SHA-256 with its NUL */
};

struct pipeline_facts {
	bool is_sound;    /* the steps have no problem; else nothing below counts */
	bool needs_input; /* its first step works on data that no step brings */
	bool has_fetch;
	bool has_post; /* anything but GET */
	struct step_list steps;
	const char *refs[PIPELINE_REFS_MAX]; /* input_ref, then what joins name */
	size_t n_refs;
};

/* 0 or -ENOMEM. */
int pipeline_facts_read(struct arena *a, const struct json *args,
    struct pipeline_facts *out);

/* SHA-256 over steps and input_ref in canonical form: equal for equal work. Steps name
   their auth profiles, so what one profile fetched is not what another fetches. */
int pipeline_facts_digest(const struct json *args, char out[PIPELINE_DIGEST_MAX]);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * options.h - the table of options, private to common/conf.
 *
 * A row says where a value lies in its record (struct conf, or one of the records that
 * lists hold), what it may be, and which roles get it. Reading, writing, comparing and
 * freeing all walk these tables; nothing else knows a field's name.
 */
#ifndef COMMON_CONF_OPTIONS_H
#define COMMON_CONF_OPTIONS_H

#include "common/conf/conf.h"

enum opt_type {
	OPT_STRING,
	OPT_SECRET, /* string; file:PATH allowed; masked */
	OPT_URL,    /* string whose password is masked */
	OPT_TEXT, /* string in role texts; in files NAME_file names the file to read */
	OPT_BOOL,
	OPT_INT,
	OPT_FLOAT,
	OPT_LIST,
	OPT_TYPE_COUNT
};

/* Who gets a value: bits of 1U << enum role. */
enum {
	TO_WORKERS = 1U << ROLE_WORKER | 1U << ROLE_QUARANTINE,
	TO_REDIS_USERS =
	    TO_WORKERS | 1U << ROLE_GATEWAY | 1U << ROLE_SCHEDULER | 1U << ROLE_REDIS,
	TO_STORE_USERS = TO_WORKERS | 1U << ROLE_MIGRATE,
	TO_FETCH = 1U << ROLE_FETCH,
	TO_GATEWAY = 1U << ROLE_GATEWAY,
	TO_CHECK = 1U << ROLE_CHECK,
	TO_ALL = (1U << ROLE_COUNT) - 1
};

struct conf_option {
	const char *name; /* dotted, relative to the record */
	enum opt_type type;
	size_t offset;
	const char *def;  /* text of the default; lists: words parted by blanks */
	int64_t min, max; /* integers: inclusive bounds */
	unsigned roles;
	bool is_reloadable;
	const char *help;
};

/* A list of records: its place in the file and in memory. */
struct conf_record {
	const char *name; /* "llm.providers" */
	const struct conf_option *options;
	size_t n_options;
	size_t size;     /* of one record */
	size_t v_offset; /* of the pointer in struct conf */
	size_t n_offset;
	bool is_named_group; /* the record's name is the group's name, not a member */
	bool is_role_only;   /* stands in role texts only, never in the user's file */
};

extern const struct conf_option conf_options[];
extern const size_t conf_n_options;
extern const struct conf_record conf_records[];
extern const size_t conf_n_records;
extern const char *const conf_type_names[OPT_TYPE_COUNT];

const struct conf_option *conf_option_find(const struct conf_option *options, size_t n,
    const char *name);

/* Sets defaults in a zeroed record; 0 or -ENOMEM. */
int conf_record_defaults(const struct conf_option *options, size_t n, void *record);
void conf_record_release(const struct conf_option *options, size_t n, void *record);

/* Appends a zeroed record with defaults; NULL when memory is short. */
void *conf_record_add(struct conf *c, const struct conf_record *r);

static inline void *
conf_field(const struct conf_option *o, const void *record)
{
	union {
		const void *in;
		char *out;
	} p = { record };

	return p.out + o->offset;
}

/* The checks that need more than one option; all findings joined by newlines in err. */
int conf_check(const struct conf *c, struct err *err);
/* Adds a line to c->warnings; without memory it is lost. */
void conf_warn(struct conf *c, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Reads agents_dir and adds the built-in agent; base_dir is the configuration's folder. A
   directory that is not there is an error only when it is not the default one. */
int conf_read_agents(struct conf *c, const char *base_dir, struct err *err);

/* Adds the agent that one file defines; dir is where its other files lie. */
int conf_read_agent_file(struct conf *c, const char *path, const char *dir,
    struct err *err);

/* Reads a whole small file (at most max bytes) as text; *out owned by the caller. */
int conf_read_file(const char *path, size_t max, char **out, struct err *err);

/* ${NAME}, ${NAME:-default}, $${ for a literal ${; *out owned by the caller. */
int conf_expand(const char *text, char **out, struct err *err);

/* What "file:PATH" or "credential:NAME" names: 1 and its one line in *out; 0 when the
   value is neither; or negative errno, err naming the file. *remark (owned by the caller
   as *out is) is set when the file is too open. */
int conf_read_secret(const char *value, char **out, char **remark, struct err *err);

/* Notes where a setting stands; line 0: not known, or the whole file. */
void conf_place_add(struct conf *c, const char *key, const char *file, unsigned line);

#endif

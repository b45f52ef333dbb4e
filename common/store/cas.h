/* SPDX-License-Identifier: MIT */
/*
 * cas.h - content-addressed storage: what is written is named by its SHA-256, and what
 * is read is checked against its name.
 *
 * Calls block (fsync). An id is "sha256:" and 64 lower-case hexadecimal digits. Errors:
 * -ENOENT (no such content), -EBADMSG (the content does not match its name), -EINVAL
 * (no id), -EFBIG (longer than the caller allows), -EAGAIN (disk full or read-only: may
 * work later), other errnos as they come.
 */
#ifndef COMMON_STORE_CAS_H
#define COMMON_STORE_CAS_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	CAS_ID_MAX = 72
}; /* with its NUL */

struct cas;

/* The directory backend: DIR/ab/cd/<hex>. DIR is made when it is first needed; its
   parent must exist. */
int cas_dir_open(const char *dir, struct cas **out, struct err *err);
void cas_close(struct cas *cas); /* NULL allowed */
void cas_closep(struct cas **cas);

bool cas_is_id(const char *text);

/* Writes durably before it returns. Equal content that is there already is checked and
   kept. */
int cas_put(struct cas *cas, const void *bytes, size_t len, char id[CAS_ID_MAX],
    struct err *err);
/* The whole of a regular or memory file, from its beginning; fd stays the caller's. */
int cas_put_fd(struct cas *cas, int fd, char id[CAS_ID_MAX], struct err *err);

int cas_size(struct cas *cas, const char *id, uint64_t *size, struct err *err);

/* Into memory: *bytes is the caller's (free()), NUL-terminated after *len. */
int cas_get(struct cas *cas, const char *id, uint64_t max_len, char **bytes,
    size_t *len, struct err *err);

/* Into a memory file, sealed against any change; *fd is the caller's. */
int cas_get_fd(struct cas *cas, const char *id, uint64_t max_len, int *fd,
    uint64_t *len, struct err *err);

/* Is that content still named by something? 1, 0 or a negative errno that stops. */
typedef int cas_needed_fn(void *arg, const char *id);

enum {
	CAS_SHELVES = 256
};

struct cas_sweep {
	uint64_t min_age_ms;
	bool is_dry_run;
	unsigned shelf; /* below CAS_SHELVES: one sweep looks at one of them */
	cas_needed_fn *is_needed;
	void *arg;
};
struct cas_swept {
	uint64_t files, bytes;
};
/* Removes what is older than min_age_ms and not needed, and adds it to *out. A dry run
   only counts. */
int cas_sweep(struct cas *cas, const struct cas_sweep *what, struct cas_swept *out,
    struct err *err);

/* ---- for backends ---- */

/* Where the bytes of a put come from: memory, or fd when it is not -1. */
struct cas_source {
	const void *bytes;
	size_t len;
	int fd;
};
/* Up to n bytes from offset: how many, 0 at the end, negative errno. */
ssize_t cas_source_read(const struct cas_source *s, void *buffer, size_t n,
    uint64_t offset);
int cas_source_digest(const struct cas_source *s, char hex[], uint64_t *len);

typedef int cas_sink_fn(void *arg, const void *bytes, size_t n);

struct cas_backend {
	const char *name;
	void (*close)(struct cas *cas);
	int (*put)(struct cas *cas, const struct cas_source *src, char hex[],
	    struct err *err);
	int (*size)(struct cas *cas, const char *hex, uint64_t *size, struct err *err);
	/* Gives the bytes in pieces; cas.c checks them. */
	int (*read)(struct cas *cas, const char *hex, cas_sink_fn *sink, void *arg,
	    struct err *err);
	int (*sweep)(struct cas *cas, const struct cas_sweep *what,
	    struct cas_swept *out, struct err *err);
};

struct cas {
	const struct cas_backend *backend;
};

#endif

/* SPDX-License-Identifier: MIT */
/*
 * preview.h - the small picture of a result that its message carries.
 */
#ifndef WORKER_PREVIEW_H
#define WORKER_PREVIEW_H

#include "common/json/json.h"

enum {
	PREVIEW_MAX = 8192,
	PREVIEW_SAMPLE = 3,
	PREVIEW_TEXT_CHARS = 500
};

enum preview_kind {
	PREVIEW_DATA, /* by the value's own type */
	PREVIEW_PATCH /* the outcome of a patch */
};

/*
 * Appends the preview of a JSON text as one JSON object of at most PREVIEW_MAX bytes:
 * list -> dataset, object -> object, text -> text, other scalars as text. Only what is
 * shown is built; the rest is scanned. 0, -EINVAL when the text is not JSON, -ENOMEM.
 */
int preview_write(struct buf *out, const char *json_text, size_t n,
    enum preview_kind kind);

#endif

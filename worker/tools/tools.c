/* SPDX-License-Identifier: MIT */
/*
 * tools.c - the table of tools, and the outcomes of their calls.
 *
 * Owns:   what a struct tool_data or tool_outcome holds.
 * Called: when agents are defined, and by the conversation for each call.
 * Fails:  never; lookups answer NULL.
 */
#include "config.h"

#include "worker/tools/tools.h"

#include "worker/tools/execute_pipeline.h"
#include "worker/tools/search_tools.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>

static const struct tool tools[] = {
	{ .name = EXECUTE_PIPELINE_NAME,
	    .description = execute_pipeline_description,
	    .parameters = execute_pipeline_parameters,
	    .flags = TOOL_DATA,
	    .lane = TOOL_LANE_EXECUTE,
	    .has_side_effects = execute_pipeline_has_side_effects,
	    .run = execute_pipeline_run },
	{ .name = SEARCH_TOOLS_NAME,
	    .description = search_tools_description,
	    .parameters = search_tools_parameters,
	    .lane = TOOL_LANE_ANY,
	    .run = search_tools_run },
};

static const char *const reserved[] = { "execute_pipeline", "patch_workflow",
	"search_tools", "openapi_action", "delegate_to_agent" };

const struct tool *
tool_at(size_t i)
{
	return i < ARRAY_LEN(tools) ? &tools[i] : NULL;
}

const struct tool *
tool_find(const char *name, size_t n)
{
	for (size_t i = 0; i < ARRAY_LEN(tools); i++)
		if (strlen(tools[i].name) == n && memcmp(tools[i].name, name, n) == 0)
			return &tools[i];
	return NULL;
}

bool
tool_is_reserved(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(reserved); i++)
		if (strcmp(reserved[i], name) == 0)
			return true;
	return false;
}

/* ---- data ---- */

bool
tool_data_is_set(const struct tool_data *d)
{
	return d->text != NULL || d->fd >= 0;
}

void
tool_data_release(struct tool_data *d)
{
	free(d->text);
	closep(&d->fd);
	d->text = NULL;
	d->len = 0;
	d->fd = -1;
}

void
tool_data_move(struct tool_data *to, struct tool_data *from)
{
	tool_data_release(to);
	to->text = TAKE_PTR(from->text);
	to->fd = TAKE_FD(from->fd);
	to->len = from->len;
	from->len = 0;
}

int
tool_data_open(const struct tool_data *d, struct tool_view *view)
{
	void *map;

	view->is_mapped = false;
	view->text = d->text != NULL ? d->text : "";
	view->len = d->len;
	if (d->text != NULL || d->len == 0)
		return 0;
	map = mmap(NULL, d->len, PROT_READ, MAP_SHARED, d->fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	view->text = map;
	view->is_mapped = true;
	return 0;
}

void
tool_view_release(struct tool_view *view)
{
	if (view->is_mapped)
		(void)munmap((void *)(uintptr_t)view->text, view->len);
	view->is_mapped = false;
	view->text = NULL;
	view->len = 0;
}

/* ---- outcomes ---- */

void
tool_outcome_init(struct tool_outcome *o)
{
	memset(o, 0, sizeof(*o));
	o->data.fd = -1;
}

void
tool_outcome_release(struct tool_outcome *o)
{
	buf_release(&o->message);
	buf_release(&o->report);
	tool_data_release(&o->data);
}

int
tool_outcome_fail(struct tool_outcome *o, enum error_type type, const char *step,
    const char *fmt, ...)
{
	va_list ap;

	o->error = type;
	(void)snprintf(o->step, sizeof(o->step), "%s", step);
	buf_clear(&o->message);
	va_start(ap, fmt);
	buf_vaddf(&o->message, fmt, ap);
	va_end(ap);
	return -EIO;
}

/* SPDX-License-Identifier: MIT */
/*
 * agents.c - the agent definitions of agents_dir, and the built-in one.
 *
 * Owns:   nothing; definitions are added to the caller's struct conf.
 * Called: by conf_load.
 * Fails:  a missing directory is an error only when it is not the default one.
 */
#include "config.h"

#include "common/conf/options.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#define AGENTS_DIR_DEFAULT "agents.d" /* as in options.c */

static int
is_definition(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return d->d_name[0] != '.' && n > 5 && strcmp(d->d_name + n - 5, ".conf") == 0;
}

static int
read_directory(struct conf *c, const char *dir, bool is_required, struct err *err)
{
	struct dirent **entries = NULL;
	int n = scandir(dir, &entries, is_definition, alphasort), status = 0;

	if (n < 0 && errno == ENOENT && !is_required)
		return 0;
	if (n < 0)
		return conf_finding_at(c, err, -errno, "agents_dir",
		    "agents_dir: cannot read %s: %s", dir, strerror(errno));
	for (int i = 0; i < n; i++) {
		CLEANUP(freep) char *path = NULL;

		if (asprintf(&path, "%s/%s", dir, entries[i]->d_name) < 0)
			status = -ENOMEM;
		else if (conf_read_agent_file(c, path, dir, err) < 0)
			status = -EINVAL;
		free(entries[i]);
	}
	free(entries);
	return status;
}

static int
set_list(struct conf_list *list, const char *const *words, size_t n)
{
	list->v = calloc(n, sizeof(*list->v));
	if (list->v == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++, list->n++)
		if ((list->v[i] = strdup(words[i])) == NULL)
			return -ENOMEM;
	return 0;
}

/* The agent of jobs that name none, when no file defines it. */
static int
add_built_in(struct conf *c)
{
	static const char *const tools[] = { "execute_pipeline", "patch_workflow",
		"search_tools", "openapi_action", "delegate_to_agent" };
	static const char *const finish[] = { "execute_pipeline", "patch_workflow" };
	struct conf_agent *a;

	if (conf_agent_find(c, "workflow", strlen("workflow")) != NULL)
		return 0;
	a = conf_record_add(c, &conf_records[conf_n_records - 1]);
	if (a == NULL)
		return -ENOMEM;
	free(a->name);
	free(a->description);
	a->name = strdup("workflow");
	a->description = strdup("runs data pipelines and changes workflows");
	if (a->name == NULL || a->description == NULL ||
	    set_list(&a->tools, tools, ARRAY_LEN(tools)) < 0 ||
	    set_list(&a->finish_tools, finish, ARRAY_LEN(finish)) < 0)
		return -ENOMEM;
	return 0;
}

int
conf_read_agents(struct conf *c, const char *base_dir, struct err *err)
{
	CLEANUP(freep) char *dir = NULL;
	bool is_absolute = c->agents_dir[0] == '/';
	int r;

	if (asprintf(&dir, "%s%s%s", is_absolute ? "" : base_dir,
		is_absolute ? "" : "/", c->agents_dir) < 0)
		return err_set(err, -ENOMEM, "no memory");
	r = read_directory(c, dir, strcmp(c->agents_dir, AGENTS_DIR_DEFAULT) != 0, err);
	if (add_built_in(c) < 0)
		return err_set(err, -ENOMEM, "no memory");
	return r;
}

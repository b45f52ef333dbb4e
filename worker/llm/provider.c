/* SPDX-License-Identifier: MIT */
/*
 * provider.c - the table of wire formats, and what they share.
 *
 * Owns:   struct llm_prefix and the values in struct llm_headers.
 * Called: when agents are defined (prefixes) and for each call.
 * Fails:  with -ENOMEM only.
 */
#include "config.h"

#include "worker/llm/provider.h"

#include "common/fnv.h"
#include "worker/llm/anthropic.h"
#include "worker/llm/openai.h"

#include <errno.h>
#include <string.h>

static const struct llm_provider_type *const types[] = {
	&llm_openai,
	&llm_anthropic,
};

const struct llm_provider_type *
llm_provider_type_at(size_t i)
{
	return i < ARRAY_LEN(types) ? types[i] : NULL;
}

const struct llm_provider_type *
llm_provider_type_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (strcmp(types[i]->name, name) == 0)
			return types[i];
	return NULL;
}

static const char *const tool_choices[] = {
	[LLM_TOOL_CHOICE_AUTO] = "auto",
	[LLM_TOOL_CHOICE_REQUIRED] = "required",
	[LLM_TOOL_CHOICE_NONE] = "none",
};

enum llm_tool_choice
llm_tool_choice_from_name(const char *name)
{
	for (unsigned i = 0; i < ARRAY_LEN(tool_choices); i++)
		if (name != NULL && strcmp(tool_choices[i], name) == 0)
			return (enum llm_tool_choice)i;
	return LLM_TOOL_CHOICE_AUTO;
}

static void
prefix_hash(struct llm_prefix *p)
{
	struct fnv f;

	fnv_init(&f);
	fnv_add(&f, p->head,
	    p->head_len + 1); /* with its NUL: the two cannot run together */
	fnv_add(&f, p->tools, p->tools_len);
	fnv_hex(&f, p->hash);
}

int
llm_prefix_new(const struct llm_provider_type *type, const char *system_text,
    const struct llm_tool_spec *tools, size_t n_tools, struct llm_prefix **out)
{
	CLEANUP(llm_prefix_freep) struct llm_prefix *p = calloc(1, sizeof(*p));
	CLEANUP_BUF struct buf head = BUF_INIT;
	CLEANUP_BUF struct buf spec = BUF_INIT;
	int r;

	if (p == NULL)
		return -ENOMEM;
	r = type->prefix(system_text, tools, n_tools, &head, &spec);
	if (r < 0)
		return r;
	p->head = buf_take(&head, &p->head_len);
	p->tools = buf_take(&spec, &p->tools_len);
	if (p->head == NULL || p->tools == NULL)
		return -ENOMEM;
	prefix_hash(p);
	*out = TAKE_PTR(p);
	return 0;
}

void
llm_prefix_free(struct llm_prefix *p)
{
	if (p == NULL)
		return;
	free(p->head);
	free(p->tools);
	free(p);
}

void
llm_prefix_freep(struct llm_prefix **p)
{
	llm_prefix_free(*p);
}

int
llm_headers_add(struct llm_headers *h, const char *name, const char *before,
    const char *value)
{
	size_t n = strlen(before), m = strlen(value);
	char *whole;

	ASSERT(h->n < LLM_HEADERS_MAX);
	whole = malloc(n + m + 1);
	if (whole == NULL)
		return -ENOMEM;
	memcpy(whole, before, n);
	memcpy(whole + n, value, m + 1);
	h->at[h->n].name = name;
	h->at[h->n++].value = whole;
	return 0;
}

void
llm_headers_release(struct llm_headers *h)
{
	for (size_t i = 0; i < h->n; i++) {
		explicit_bzero(h->at[i].value, strlen(h->at[i].value));
		free(h->at[i].value);
	}
	h->n = 0;
}

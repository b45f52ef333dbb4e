/* SPDX-License-Identifier: MIT */
/*
 * chat.c - the table of wire formats, and looking at a neutral request.
 *
 * Owns:   the table.
 * Called: by main.c, script.c and demo.c.
 * Fails:  never; what is not there is NULL or empty.
 */
#include "config.h"

#include "tests/support/llm_stub/chat.h"

#include <string.h>

static const struct wire *const wires[] = {
	&wire_openai,
	&wire_anthropic,
};

const struct wire *
wire_find(const char *path)
{
	size_t n = strlen(path);

	for (size_t i = 0; i < ARRAY_LEN(wires); i++) {
		size_t suffix = strlen(wires[i]->suffix);

		if (n >= suffix && strcmp(path + n - suffix, wires[i]->suffix) == 0)
			return wires[i];
	}
	return NULL;
}

const struct wire *
wire_default(void)
{
	return wires[0];
}

bool
text_contains(struct text haystack, struct text needle)
{
	return needle.len == 0 ||
	    (haystack.len > 0 &&
		memmem(haystack.data, haystack.len, needle.data, needle.len) != NULL);
}

bool
text_is(struct text t, const char *literal)
{
	return t.len == strlen(literal) && memcmp(t.data, literal, t.len) == 0;
}

struct text
text_of(const struct json *v)
{
	if (!json_is(v, JSON_STRING))
		return TEXT("");
	return (struct text){ v->text, v->len };
}

struct text
text_join(struct arena *a, struct text left, struct text right)
{
	char *joined;

	if (left.len == 0)
		return right;
	joined = arena_alloc(a, left.len + right.len + 2);
	if (joined == NULL)
		return left;
	memcpy(joined, left.data, left.len);
	joined[left.len] = '\n';
	memcpy(joined + left.len + 1, right.data, right.len);
	return (struct text){ joined, left.len + 1 + right.len };
}

struct text
chat_prompt_of(struct text message)
{
	static const char mark[] = "## Task\n";
	const char *p = message.data, *end = message.data + message.len, *at;

	while ((at = memmem(p, (size_t)(end - p), mark, sizeof(mark) - 1)) != NULL)
		p = at + sizeof(mark) - 1;
	return (struct text){ p, (size_t)(end - p) };
}

const struct chat_tool *
chat_tool_find(const struct chat *chat, struct text name)
{
	for (size_t i = 0; i < chat->n_tools; i++)
		if (chat->tools[i].name.len == name.len &&
		    memcmp(chat->tools[i].name.data, name.data, name.len) == 0)
			return &chat->tools[i];
	return NULL;
}

const struct chat_message *
chat_last(const struct chat *chat)
{
	return chat->n_messages == 0 ? NULL : &chat->messages[chat->n_messages - 1];
}

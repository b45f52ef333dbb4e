/* SPDX-License-Identifier: MIT */
/*
 * prompt.c - the system text of an agent, and the message that a job begins with.
 *
 * Owns:   nothing; texts go to the caller or into the job's arena.
 * Called: when agents are defined, and once per job.
 * Fails:  with -ENOMEM; what is too long is cut and says so.
 *
 * The job's message is one message: some servers insist that user and assistant take
 * turns. What changes least stands first in it (workflow, then place, then results,
 * then the task), because providers cache by common beginnings.
 */
#include "config.h"

#include "worker/agent/prompt.h"

#include "worker/agent/workflow_text.h"

#include <errno.h>
#include <string.h>

enum {
	RESULTS_MAX = 50,
	PREVIEW_MAX_BYTES = 2000,
	STATE_MAX_BYTES = 2000,
	HISTORY_MAX = 10,
	HISTORY_PROMPT_MAX = 300,
	HISTORY_PREVIEW_MAX = 300,
	HISTORY_PIPELINE_MAX = 1000
};

extern const char workflow_prompt_text[]; /* generated from etc/prompts/workflow.txt */

const char *
prompt_builtin(void)
{
	return workflow_prompt_text;
}

/* ---- the system text ---- */

struct part {
	bool is_shown;
	bool (*has_tool)(const void *ctx, const char *name, size_t n);
	const void *ctx;
};

static bool
begins(const char *line, size_t n, const char *word, const char **rest,
    size_t *rest_len)
{
	size_t m = strlen(word);

	if (n < m || memcmp(line, word, m) != 0)
		return false;
	while (m < n && line[m] == ' ')
		m++;
	*rest = line + m;
	*rest_len = n - m;
	return true;
}

/* True when the line is one of ours and not text. */
static bool
is_directive(struct part *part, const char *line, size_t n)
{
	const char *name;
	size_t name_len;

	if (begins(line, n, "@tool ", &name, &name_len))
		part->is_shown = part->has_tool(part->ctx, name, name_len);
	else if (begins(line, n, "@without ", &name, &name_len))
		part->is_shown = !part->has_tool(part->ctx, name, name_len);
	else if (n == 4 && memcmp(line, "@end", 4) == 0)
		part->is_shown = true;
	else
		return false;
	return true;
}

char *
prompt_system_text(const char *own,
    bool (*has_tool)(const void *ctx, const char *name, size_t n), const void *ctx)
{
	struct part part = { true, has_tool, ctx };
	CLEANUP_BUF struct buf text = BUF_INIT;
	const char *at = own[0] != '\0' ? own : prompt_builtin();

	while (*at != '\0') {
		const char *end = strchrnul(at, '\n');
		size_t n = (size_t)(end - at);

		if (!is_directive(&part, at, n) && part.is_shown) {
			buf_add(&text, at, n);
			if (*end == '\n')
				buf_addc(&text, '\n');
		}
		at = *end == '\n' ? end + 1 : end;
	}
	return buf_take(&text, NULL);
}

/* ---- the job's message ---- */

/* At most max bytes of a text, cut at a whole character, with an ellipsis. */
static void
add_cut(struct buf *out, const char *s, size_t n, size_t max)
{
	if (n <= max) {
		buf_add(out, s, n);
		return;
	}
	while (max > 0 && ((unsigned char)s[max] & 0xC0) == 0x80)
		max--;
	buf_add(out, s, max);
	buf_adds(out, "\xE2\x80\xA6");
}

static void
add_json_cut(struct buf *out, const struct json *v, size_t max)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	json_write(&text, v, JSON_COMPACT);
	add_cut(out, buf_str(&text), text.len, max);
	if (buf_status(&text) != 0)
		out->status = buf_status(&text);
}

static void
add_field(struct buf *out, const char *label, struct llm_text t)
{
	if (t.len == 0)
		return;
	buf_addf(out, "%s: ", label);
	workflow_text_word(out, t.s, t.len);
	buf_addc(out, '\n');
}

static void
add_place(struct buf *out, const struct prompt_input *in)
{
	if (in->node_id.len == 0 && in->run_id.len == 0 && in->workflow_tag.len == 0 &&
	    in->session_id.len == 0 && in->workflow_state == NULL)
		return;
	buf_adds(out, "## Where you are\n");
	add_field(out, "current node id", in->node_id);
	add_field(out, "workflow_tag", in->workflow_tag);
	add_field(out, "workflow_owner", in->workflow_owner);
	add_field(out, "run id", in->run_id);
	add_field(out, "session_id", in->session_id);
	if (in->workflow_state != NULL) {
		buf_adds(out, "workflow state: ");
		add_json_cut(out, in->workflow_state, STATE_MAX_BYTES);
		buf_addc(out, '\n');
	}
	buf_addc(out, '\n');
}

/* "- node fetch_data: artifact://... preview {...}" */
static void
add_result(struct buf *out, const struct json *v, size_t preview_max)
{
	const struct json *node = json_get_typed(v, "node_id", JSON_STRING);
	const struct json *ref = json_get_typed(v, "result_ref", JSON_STRING);
	const struct json *preview = json_get(v, "preview");

	buf_adds(out, "- ");
	if (node != NULL) {
		buf_adds(out, "node ");
		workflow_text_word(out, node->text, node->len);
		buf_adds(out, ": ");
	}
	if (ref != NULL)
		workflow_text_word(out, ref->text, ref->len);
	else
		buf_adds(out, "(no reference)");
	if (preview != NULL) {
		buf_adds(out, " preview ");
		add_json_cut(out, preview, preview_max);
	}
	buf_addc(out, '\n');
}

static void
add_results(struct buf *out, const struct json *results)
{
	uint32_t first;

	if (!json_is(results, JSON_ARRAY) || results->len == 0)
		return;
	first = results->len > RESULTS_MAX ? results->len - RESULTS_MAX : 0;
	buf_adds(out,
	    "## Results of earlier nodes (use their references as input_ref)\n");
	if (first > 0)
		buf_addf(out, "(the first %u are left out)\n", first);
	for (uint32_t i = first; i < results->len; i++)
		add_result(out, &results->items[i], PREVIEW_MAX_BYTES);
	buf_addc(out, '\n');
}

/* What an earlier job of the session came to, and by which steps. */
static void
add_turn(struct buf *out, const struct json *turn)
{
	const struct json *error = json_get_typed(turn, "error", JSON_OBJECT);
	const struct json *type = json_get_typed(error, "type", JSON_STRING);
	const struct json *pipeline = json_get(turn, "pipeline");

	if (pipeline != NULL) {
		buf_adds(out, "  by execute_pipeline: ");
		add_json_cut(out, pipeline, HISTORY_PIPELINE_MAX);
		buf_addc(out, '\n');
	}
	if (type != NULL) {
		buf_adds(out, "  it failed: ");
		workflow_text_word(out, type->text, type->len);
		buf_addc(out, '\n');
		return;
	}
	buf_adds(out, "  result: ");
	add_result(out, turn, HISTORY_PREVIEW_MAX);
}

static void
add_history(struct buf *out, const struct json *history)
{
	uint32_t first;

	if (!json_is(history, JSON_ARRAY) || history->len == 0)
		return;
	first = history->len > HISTORY_MAX ? history->len - HISTORY_MAX : 0;
	buf_adds(out, "earlier in this session, oldest first:\n");
	for (uint32_t i = first; i < history->len; i++) {
		const struct json *turn = &history->items[i];
		const struct json *said = json_get_typed(turn, "prompt", JSON_STRING);

		if (said == NULL)
			continue;
		buf_adds(out, "- asked: ");
		add_cut(out, said->text, said->len, HISTORY_PROMPT_MAX);
		buf_addc(out, '\n');
		add_turn(out, turn);
	}
}

static void
add_session(struct buf *out, const struct json *session)
{
	const struct json *last = json_get_typed(session, "last_result", JSON_OBJECT);
	const struct json *history = json_get_typed(session, "history", JSON_ARRAY);

	if (last == NULL && (history == NULL || history->len == 0))
		return;
	buf_adds(out, "## The session so far\n");
	add_history(out, history);
	if (last != NULL) {
		buf_adds(out,
		    "the session's last result (\"those\", \"them\", \"it\"):\n");
		add_result(out, last, PREVIEW_MAX_BYTES);
	}
	buf_addc(out, '\n');
}

static void
add_schema(struct buf *out, const struct json *schema)
{
	if (schema == NULL)
		return;
	buf_adds(out,
	    "## Final answer\nThe final answer must be one JSON value that satisfies this "
	    "JSON Schema. Call tools first if you need them; then answer with the JSON value "
	    "alone.\n");
	json_write(out, schema, JSON_COMPACT);
	buf_adds(out, "\n\n");
}

int
prompt_messages(struct arena *a, const struct prompt_input *in,
    struct llm_messages *out)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	struct llm_message *m;
	struct llm_text copy;
	size_t context;

	workflow_text(&text, in->current_workflow);
	add_place(&text, in);
	add_results(&text, in->previous_results);
	add_session(&text, in->session);
	add_schema(&text, in->output_schema);
	context = text.len;
	if (context > 0)
		buf_adds(&text, "## Task\n");
	buf_add(&text, in->prompt.s, in->prompt.len);
	if (buf_status(&text) != 0)
		return buf_status(&text);
	copy = llm_text_dup(a, buf_str(&text), text.len);
	m = copy.s != NULL ? llm_messages_add(a, out, LLM_ROLE_USER) : NULL;
	if (m == NULL)
		return -ENOMEM;
	m->text = copy;
	return 0;
}

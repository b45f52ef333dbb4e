/* SPDX-License-Identifier: MIT */
/*
 * demo.c - the built-in demonstration: plays the model for questions about flights.
 *
 * It reads the words that people use ("fetch flights from NYC to LAX, sort by price,
 * show the cheapest 3", "now filter those under $500"), calls execute_pipeline against
 * the data API, and puts what came of it into a sentence. Every other prompt gets a
 * plain answer.
 *
 * Owns:   nothing; all texts live in the chat's arena.
 * Called: by script.c when no rule of the script has an answer.
 * Fails:  never; what it does not understand it says.
 */
#include "config.h"

#include "tests/support/llm_stub/script.h"

#include <ctype.h>
#include <string.h>

enum {
	WORDS_MAX = 512,
	WORD_MAX = 64
};

/* The prompt as lower-case words, and as they were written. */
struct words {
	char low[WORDS_MAX][WORD_MAX];
	char raw[WORDS_MAX][WORD_MAX];
	bool ends_phrase[WORDS_MAX]; /* a comma, a full stop or the like follows */
	size_t n;
};

struct wish {
	bool is_flights;  /* it asks for flights */
	bool is_followup; /* it speaks of what was found before */
	char origin[WORD_MAX * 2], dest[WORD_MAX * 2];
	const char *sort_field, *sort_order;  /* NULL: none */
	unsigned top;                         /* 0: all */
	const char *filter_field, *filter_op; /* NULL: none */
	double filter_value;
};

static bool
is_word_char(char c)
{
	return isalnum((unsigned char)c) || (unsigned char)c >= 0x80 || c == '$' ||
	    c == '.' || c == '_' || c == '-' || c == '\'' || c == '/';
}

static void
split(struct text t, struct words *w)
{
	size_t i = 0;

	w->n = 0;
	while (i < t.len && w->n < WORDS_MAX) {
		size_t from, n;

		while (i < t.len && !is_word_char(t.data[i])) {
			if (w->n > 0 && strchr(",;:!?\n", t.data[i]) != NULL)
				w->ends_phrase[w->n - 1] = true;
			i++;
		}
		for (from = i; i < t.len && is_word_char(t.data[i]); i++)
			;
		n = i - from;
		if (n == 0)
			break;
		w->ends_phrase[w->n] = t.data[from + n - 1] == '.';
		while (n > 0 && t.data[from + n - 1] == '.')
			n--;
		if (n >= WORD_MAX)
			n = WORD_MAX - 1;
		for (size_t k = 0; k < n; k++) {
			w->raw[w->n][k] = t.data[from + k];
			w->low[w->n][k] =
			    (char)tolower((unsigned char)t.data[from + k]);
		}
		w->raw[w->n][n] = w->low[w->n][n] = '\0';
		w->n += n > 0;
	}
}

static bool
is_one_of(const char *word, const char *const *list)
{
	for (; *list != NULL; list++)
		if (strcmp(word, *list) == 0)
			return true;
	return false;
}

static const char *const place_ends[] = { "to", "from", "sort", "sorted", "and", "show",
	"under", "below", "over", "with", "that", "on", "by", "then", "for", "order",
	"ordered", "filter", "top", "cheapest", "limit", "which", "in", "at", NULL };

/* The words after position i up to the end of the phrase. */
static void
read_place(const struct words *w, size_t i, char *out, size_t max)
{
	size_t len = 0;

	out[0] = '\0';
	for (; i < w->n && !is_one_of(w->low[i], place_ends); i++) {
		len += (size_t)snprintf(out + len, max - len, "%s%s",
		    len > 0 ? " " : "", w->raw[i]);
		if (len + 1 >= max || w->ends_phrase[i])
			break;
	}
	if (len + 1 > max)
		out[max - 1] = '\0';
}

static double
number_of(const char *word)
{
	char *end;
	double d = strtod(*word == '$' ? word + 1 : word, &end);

	return end == word || *end != '\0' || (*word == '$' && end == word + 1) ? -1
										: d;
}

/* clang-format off */
static const struct {
	const char *word, *field, *order;
} sort_words[] = {
	{ "cheapest",  "price",        "asc" },
	{ "cheap",     "price",        "asc" },
	{ "dearest",   "price",        "desc" },
	{ "expensive", "price",        "desc" },
	{ "fastest",   "duration_min", "asc" },
	{ "shortest",  "duration_min", "asc" },
	{ "longest",   "duration_min", "desc" },
	{ "earliest",  "depart",       "asc" },
	{ "latest",    "depart",       "desc" },
};

static const struct {
	const char *word, *field;
} field_words[] = {
	{ "price",     "price" },        { "prices",    "price" },  { "cost", "price" },
	{ "duration",  "duration_min" }, { "time",      "depart" },
	{ "departure", "depart" },       { "depart",    "depart" },
	{ "seats",     "seats" },        { "airline",   "airline" },
};

static const struct {
	const char *word, *op;
} compare_words[] = {
	{ "under", "<" }, { "below", "<" }, { "less",  "<" }, { "cheaper", "<" },
	{ "over",  ">" }, { "above", ">" }, { "more",  ">" }, { "shorter", "<" },
	{ "most",  "<=" },
};
/* clang-format on */

static const char *
field_at(const struct words *w, size_t i)
{
	for (size_t k = 0; i < w->n && k < ARRAY_LEN(field_words); k++)
		if (strcmp(w->low[i], field_words[k].word) == 0)
			return field_words[k].field;
	return NULL;
}

static void
read_sort(const struct words *w, size_t i, struct wish *wish)
{
	static const char *const down[] = { "descending", "desc", "highest", NULL };
	const char *field = strcmp(w->low[i], "by") == 0 ? field_at(w, i + 1) : NULL;

	for (size_t k = 0; k < ARRAY_LEN(sort_words); k++)
		if (strcmp(w->low[i], sort_words[k].word) == 0) {
			wish->sort_order = sort_words[k].order;
			if (wish->sort_field == NULL)
				wish->sort_field = sort_words[k].field;
		}
	if (field != NULL)
		wish->sort_field = field;
	if (is_one_of(w->low[i], down))
		wish->sort_order = "desc";
}

static void
read_top(const struct words *w, size_t i, struct wish *wish)
{
	static const char *const before[] = { "top", "cheapest", "fastest", "shortest",
		"first", "show", "longest", "earliest", "latest", "only", "limit",
		NULL };
	static const char *const after[] = { "cheapest", "fastest", "shortest",
		"flights", "longest", "earliest", "latest", "results", "most", NULL };
	double n = number_of(w->low[i]);

	if (n < 1 || n > 1e6 || w->low[i][0] == '$' || wish->top > 0)
		return;
	if ((i > 0 && is_one_of(w->low[i - 1], before)) ||
	    (i + 1 < w->n && is_one_of(w->low[i + 1], after)))
		wish->top = (unsigned)n;
}

static void
read_filter(const struct words *w, size_t i, struct wish *wish)
{
	for (size_t k = 0; k < ARRAY_LEN(compare_words); k++) {
		size_t at = i + 1;
		double n;

		if (strcmp(w->low[i], compare_words[k].word) != 0)
			continue;
		if (at < w->n && strcmp(w->low[at], "than") == 0)
			at++;
		n = at < w->n ? number_of(w->low[at]) : -1;
		if (n < 0)
			continue;
		wish->filter_op = compare_words[k].op;
		wish->filter_value = n;
		wish->filter_field =
		    at + 1 < w->n && strncmp(w->low[at + 1], "min", 3) == 0
		    ? "duration_min"
		    : "price";
	}
}

static void
understand(const struct words *w, struct wish *wish)
{
	static const char *const flights[] = { "flight", "flights", NULL };
	static const char *const former[] = { "those", "them", "these", "that",
		"results", NULL };

	*wish = (struct wish){ .is_flights = false };
	for (size_t i = 0; i < w->n; i++) {
		if (is_one_of(w->low[i], flights))
			wish->is_flights = true;
		if (is_one_of(w->low[i], former))
			wish->is_followup = true;
		if (strcmp(w->low[i], "from") == 0 && wish->origin[0] == '\0')
			read_place(w, i + 1, wish->origin, sizeof(wish->origin));
		if (strcmp(w->low[i], "to") == 0 && wish->dest[0] == '\0')
			read_place(w, i + 1, wish->dest, sizeof(wish->dest));
		read_sort(w, i, wish);
		read_top(w, i, wish);
		read_filter(w, i, wish);
	}
	/* "fetch flights NYC to LAX" */
	for (size_t i = 1; i + 1 < w->n && wish->origin[0] == '\0'; i++)
		if (strcmp(w->low[i], "to") == 0 && !is_one_of(w->low[i - 1], flights))
			(void)snprintf(wish->origin, sizeof(wish->origin), "%s",
			    w->raw[i - 1]);
	if (wish->origin[0] == '\0')
		(void)snprintf(wish->origin, sizeof(wish->origin), "NYC");
	if (wish->dest[0] == '\0')
		(void)snprintf(wish->dest, sizeof(wish->dest), "LAX");
}

/* ---- the call ---- */

static void
add_step(struct json_writer *w, const char *name)
{
	jw_object_begin(w);
	jw_key(w, "step");
	jw_cstr(w, name);
}

static void
add_member(struct json_writer *w, const char *name, const char *value)
{
	jw_key(w, name);
	jw_cstr(w, value);
}

static void
write_fetch(struct json_writer *w, const struct script *s, const struct wish *wish)
{
	char url[1024];

	(void)snprintf(url, sizeof(url), "%s/flights/search", script_data_api(s));
	add_step(w, "http_request");
	add_member(w, "url", url);
	add_member(w, "method", "GET");
	jw_key(w, "params");
	jw_object_begin(w);
	add_member(w, "origin", wish->origin);
	add_member(w, "dest", wish->dest);
	jw_object_end(w);
	jw_object_end(w);
}

static void
write_filter(struct json_writer *w, const struct wish *wish)
{
	if (wish->filter_op == NULL)
		return;
	add_step(w, "table_filter");
	jw_key(w, "condition");
	jw_object_begin(w);
	add_member(w, "field", wish->filter_field);
	add_member(w, "op", wish->filter_op);
	jw_key(w, "value");
	jw_double(w, wish->filter_value);
	jw_object_end(w);
	jw_object_end(w);
}

static void
write_sort_and_top(struct json_writer *w, const struct wish *wish)
{
	if (wish->sort_field != NULL) {
		add_step(w, "table_sort");
		add_member(w, "field", wish->sort_field);
		add_member(w, "order",
		    wish->sort_order != NULL ? wish->sort_order : "asc");
		jw_object_end(w);
	}
	if (wish->top > 0) {
		add_step(w, "top_k");
		jw_key(w, "k");
		jw_uint(w, wish->top);
		jw_object_end(w);
	}
}

static struct text
write_call(const struct script *s, const struct chat *chat, const struct wish *wish,
    const struct chat_tool *tool)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct text ref = wish->is_followup ? demo_last_ref(chat) : TEXT("");
	const struct json *args = NULL;
	struct json_writer w;
	char *copy;

	jw_init(&w, &out);
	jw_object_begin(&w);
	if (ref.len > 0) {
		jw_key(&w, "input_ref");
		jw_string(&w, ref.data, ref.len);
	}
	jw_key(&w, "pipeline");
	jw_array_begin(&w);
	if (ref.len == 0)
		write_fetch(&w, s, wish);
	write_filter(&w, wish);
	write_sort_and_top(&w, wish);
	jw_array_end(&w);
	jw_object_end(&w);
	copy = arena_strndup(chat->arena, buf_str(&out), out.len);
	if (tool->is_strict &&
	    json_read(chat->arena, copy, out.len, 0, &args, NULL) == 0) {
		args = strict_arguments(chat->arena, tool->parameters, args);
		buf_clear(&out);
		json_write(&out, args, JSON_COMPACT);
		copy = arena_strndup(chat->arena, buf_str(&out), out.len);
	}
	return (struct text){ copy, out.len };
}

struct text
demo_last_ref(const struct chat *chat)
{
	static const char *const schemes[] = { "artifact://", "cas://" };
	struct text best = TEXT("");

	for (size_t i = 0; i < chat->n_messages; i++) {
		struct text t = chat->messages[i].text;
		const char *end = t.data + t.len;

		if (chat->messages[i].role == CHAT_SYSTEM)
			continue; /* its examples name references that are nobody's */
		for (size_t k = 0; k < ARRAY_LEN(schemes); k++) {
			const char *p = t.data;

			while ((p = memmem(p, (size_t)(end - p), schemes[k],
				    strlen(schemes[k]))) != NULL) {
				const char *q = p;

				while (
				    q < end && strchr(" \t\n\"'`,;)]}>\\", *q) == NULL)
					q++;
				best = (struct text){ p, (size_t)(q - p) };
				p = q;
			}
		}
	}
	return best;
}

/* ---- the words after the tools ---- */

static bool
is_failure(struct text result)
{
	static const char *const signs[] = { "\"error\"", "error:", "Error", "ERROR",
		"failed" };
	size_t look = result.len < 400 ? result.len : 400;

	for (size_t i = 0; i < ARRAY_LEN(signs); i++)
		if (memmem(result.data, look, signs[i], strlen(signs[i])) != NULL)
			return true;
	return false;
}

static struct text sentence(const struct chat *chat, const char *fmt, ...)
    PRINTF_LIKE(2, 3);

static struct text
sentence(const struct chat *chat, const char *fmt, ...)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&text, fmt, ap);
	va_end(ap);
	return (struct text){ arena_strndup(chat->arena, buf_str(&text), text.len),
		text.len };
}

static struct text
conclude(const struct chat *chat, const struct wish *wish, struct text result)
{
	char top[32] = "";

	if (is_failure(result))
		return sentence(chat, "I could not get the data: %.*s",
		    (int)(result.len < 300 ? result.len : 300), result.data);
	if (wish->top > 0)
		(void)snprintf(top, sizeof(top), "%u ", wish->top);
	if (wish->is_flights)
		return sentence(chat, "Here are the %sflights from %s to %s%s%s.", top,
		    wish->origin, wish->dest, wish->sort_field != NULL ? ", by " : "",
		    wish->sort_field != NULL ? wish->sort_field : "");
	return sentence(chat, "Done: the result is attached.");
}

void
demo_run(const struct script *s, const struct chat *chat, struct chat_reply *reply)
{
	const struct chat_tool *tool = chat_tool_find(chat, TEXT("execute_pipeline"));
	const struct chat_message *last = chat_last(chat);
	struct words *words = arena_alloc(chat->arena, sizeof(*words));
	struct wish wish;

	if (words == NULL)
		return;
	split(chat->prompt, words);
	understand(words, &wish);
	if (last != NULL && last->role == CHAT_TOOL) {
		reply->content = conclude(chat, &wish, last->text);
	} else if (tool != NULL && wish.is_followup && demo_last_ref(chat).len > 0 &&
	    (wish.filter_op != NULL || wish.sort_field != NULL || wish.top > 0)) {
		reply->calls[reply->n_calls++] =
		    (struct chat_call){ tool->name, write_call(s, chat, &wish, tool) };
	} else if (tool != NULL && wish.is_flights && *script_data_api(s) != '\0') {
		wish.is_followup = false;
		reply->calls[reply->n_calls++] =
		    (struct chat_call){ tool->name, write_call(s, chat, &wish, tool) };
	} else {
		reply->content = sentence(chat,
		    "This is the scripted stand-in for a model. It answers questions about "
		    "flights, such as: fetch flights from NYC to LAX, sort by price, show "
		    "cheapest 3.");
	}
}

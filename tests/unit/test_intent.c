/* SPDX-License-Identifier: MIT */
/*
 * test_intent.c - the intent classifier against labelled prompts and hostile text.
 *
 * Owns:   nothing.
 * Called: by make check; reads intent_prompts.tsv from $(srcdir).
 * Fails:  by Criterion's reports.
 */
#include "config.h"

#include "worker/agent/intent.h"

#include "common/clock.h"
#include "common/json/json.h"
#include "worker/agent/intent_rules.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum {
	LINE_MAX_BYTES = 8192,
	PROMPTS_LEAST = 268,
	HOLDOUT_LEAST_PERCENT = 90
};

struct row {
	char *labels;  /* "patch", or "execute/unclear" when either will do */
	char *demands; /* blank-separated, "-" for none */
	char *prompt;
	size_t prompt_len;
};

static const char *
prompts_path(char path[LINE_MAX_BYTES])
{
	const char *srcdir = getenv("srcdir");

	(void)snprintf(path, LINE_MAX_BYTES, "%s/tests/unit/intent_prompts.tsv",
	    srcdir != NULL ? srcdir : ".");
	return path;
}

/* \n \t \\ \xHH, in place; the bytes may contain NUL. */
static size_t
unescape(char *text)
{
	char *out = text;

	for (char *p = text; *p != '\0'; p++) {
		unsigned byte = 0;

		if (*p != '\\') {
			*out++ = *p;
			continue;
		}
		p++;
		if (*p == 'x' && sscanf(p + 1, "%2x", &byte) == 1) {
			*out++ = (char)byte;
			p += 2;
		} else {
			*out++ = *p == 'n' ? '\n' : *p == 't' ? '\t' : *p;
		}
	}
	*out = '\0';
	return (size_t)(out - text);
}

static bool
parse_row(char *line, struct row *row)
{
	line[strcspn(line, "\n")] = '\0';
	if (line[0] == '#')
		return false;
	row->labels = line;
	row->demands = strchr(line, '\t');
	cr_assert(row->demands != NULL, "%s", line);
	*row->demands++ = '\0';
	row->prompt = strchr(row->demands, '\t');
	cr_assert(row->prompt != NULL, "%s", line);
	*row->prompt++ = '\0';
	row->prompt_len = unescape(row->prompt);
	return true;
}

static bool
has_word(const struct intent_side *side, const char *word)
{
	for (size_t i = 0; i < side->n_words; i++)
		if (strcmp(side->words[i], word) == 0)
			return true;
	return false;
}

static bool
meets(const struct intent *i, const char *demand)
{
	double number = 0;
	char word[64];

	if (strcmp(demand, "-") == 0 || strcmp(demand, "holdout") == 0)
		return true;
	if (strcmp(demand, "narrow") == 0)
		return intent_narrows(i);
	if (strcmp(demand, "free") == 0)
		return !intent_narrows(i);
	if (sscanf(demand, "conf>=%lf", &number) == 1)
		return i->confidence >= number;
	if (sscanf(demand, "conf>%lf", &number) == 1)
		return i->confidence > number;
	if (sscanf(demand, "conf<%lf", &number) == 1)
		return i->confidence < number;
	if (sscanf(demand, "patchwords>%lf", &number) == 1)
		return (double)i->patch.n_words > number;
	if (sscanf(demand, "word:%63s", word) == 1)
		return has_word(&i->patch, word) || has_word(&i->execute, word);
	cr_assert(false, "unknown demand %s", demand);
	return false;
}

static bool
is_label_among(const char *labels, const char *label)
{
	const char *at = strstr(labels, label);

	return at != NULL && (at == labels || at[-1] == '/');
}

static bool
is_satisfied(struct row *row, const struct intent *i)
{
	bool is_good = is_label_among(row->labels, intent_label_name(i->label));
	char *save = NULL;

	for (char *d = strtok_r(row->demands, " ", &save); d != NULL;
	     d = strtok_r(NULL, " ", &save))
		is_good = is_good && meets(i, d);
	return is_good;
}

struct counts {
	size_t prompts, holdouts, holdouts_good;
};

static void
judge_row(struct row *row, struct counts *c)
{
	bool is_holdout = strstr(row->demands, "holdout") != NULL;
	struct intent i;
	bool is_good;

	intent_classify(row->prompt, row->prompt_len, &i);
	is_good = is_satisfied(row, &i);
	c->prompts++;
	c->holdouts += is_holdout;
	c->holdouts_good += is_holdout && is_good;
	if (!is_holdout)
		cr_expect(is_good, "'%s': %s %.2f (patch %.2f, execute %.2f): %s",
		    row->prompt, intent_label_name(i.label), i.confidence,
		    i.patch.score, i.execute.score, i.reasoning);
}

/* Rows marked holdout were never looked at while the weights were set. */
Test(intent, labels_every_prompt_of_the_table)
{
	struct counts c = { 0 };
	char path[LINE_MAX_BYTES], line[LINE_MAX_BYTES];
	CLEANUP(fclosep) FILE *f = fopen(prompts_path(path), "r");
	struct row row;

	cr_assert(f != NULL, "%s", path);
	while (fgets(line, sizeof(line), f) != NULL)
		if (parse_row(line, &row))
			judge_row(&row, &c);
	cr_expect(c.prompts >= PROMPTS_LEAST, "%zu prompts", c.prompts);
	cr_expect(c.holdouts >= 50, "%zu held out", c.holdouts);
	cr_expect(c.holdouts_good * 100 >= c.holdouts * HOLDOUT_LEAST_PERCENT,
	    "%zu of %zu held out prompts", c.holdouts_good, c.holdouts);
}

static struct intent
classified(const char *text)
{
	struct intent i;

	intent_classify(text, strlen(text), &i);
	return i;
}

Test(intent, scores_a_lasting_wish_above_a_question_on_its_own_side)
{
	struct intent lasting = classified("always notify admin when error occurs");
	struct intent once = classified("show me current errors");

	cr_expect(lasting.patch.score > once.patch.score);
	cr_expect(once.execute.score > lasting.execute.score);
}

Test(intent, never_narrows_unclear)
{
	static const char *const prompts[] = { "", "do something", "something vague",
		"process the data",
		"show me the flights and always notify admin when the price drops" };

	for (size_t k = 0; k < ARRAY_LEN(prompts); k++) {
		struct intent i = classified(prompts[k]);

		cr_expect(i.label == INTENT_UNCLEAR, "%s", prompts[k]);
		cr_expect(!intent_narrows(&i), "%s", prompts[k]);
	}
}

Test(intent, is_the_same_in_any_case_and_spacing)
{
	struct intent a = classified("always notify admin");
	struct intent b = classified("  ALWAYS\n\tNotify   ADMIN  ");

	cr_expect(a.label == b.label);
	cr_expect(a.confidence == b.confidence);
	cr_expect(strcmp(a.reasoning, b.reasoning) == 0);
}

Test(intent, keeps_confidence_and_scores_within_bounds)
{
	char text[3] = { 0 };

	for (unsigned a = 0; a < 256; a++) {
		for (unsigned b = 0; b < 256; b++) {
			struct intent i;

			text[0] = (char)a;
			text[1] = (char)b;
			intent_classify(text, 2, &i);
			cr_assert(i.confidence >= 0 && i.confidence <= 1);
			cr_assert(!intent_narrows(&i), "%02x %02x", a, b);
		}
	}
}

/* Fills the buffer with a unit and a last sentence. */
static char *
long_text(const char *unit, const char *last, size_t n)
{
	char *text = malloc(n + 1);
	size_t len = strlen(unit);

	cr_assert(text != NULL);
	for (size_t i = 0; i < n; i++)
		text[i] = unit[i % len];
	memcpy(text + n - strlen(last), last, strlen(last));
	text[n] = '\0';
	return text;
}

static const char *const units[] = {
	"when the price drops the team sends a mail, ",
	"always ",
	"\"",
	"'a ",
	"`x",
	"{",
	"{}",
	"a.b@c/",
	"a",
	"\xc2\xad",
	"\xe2\x80",
	"every ",
	"from now ",
	"show me. ",
	"\n\n",
	"?",
};

/* A quadratic step would take minutes here, even on a slow machine with sanitizers. */
Test(intent, reads_a_mebibyte_in_linear_time, .timeout = 120)
{
	for (size_t k = 0; k < ARRAY_LEN(units); k++) {
		CLEANUP(freep) char *text = long_text(units[k], "", INTENT_TEXT_MAX);
		struct intent i;

		intent_classify(text, INTENT_TEXT_MAX, &i);
		cr_expect(i.confidence >= 0 && i.confidence <= 1, "%s", units[k]);
	}
}

Test(intent, finds_the_request_at_the_end_of_pasted_text)
{
	CLEANUP(freep)
	char *text = long_text("The weather was fine and the market closed early. ",
	    ". Show me the ten cheapest flights, sorted by price.", 200000);
	struct intent i;

	intent_classify(text, strlen(text), &i);
	cr_expect(i.label == INTENT_EXECUTE, "%s", i.reasoning);
}

Test(intent, does_not_let_pasted_text_outvote_the_request)
{
	CLEANUP(freep)
	char *text =
	    long_text("When prices drop, the company sends a mail to everyone. ",
		" So it has always been.", 100000);
	struct intent i;

	memcpy(text, "Show me the flights. \n\n Text: ", 30);
	intent_classify(text, strlen(text), &i);
	cr_expect(i.label == INTENT_EXECUTE, "%s %.2f", i.reasoning, i.confidence);
}

Test(intent, writes_its_fields_as_json)
{
	struct intent i = classified("always send \"x\" notification");
	CLEANUP_BUF struct buf out = BUF_INIT;
	CLEANUP(arena_freep) struct arena *a = arena_new(0);
	const struct json *v = NULL, *words;
	double number = -1;

	intent_write_json(&out, &i);
	cr_assert(json_read(a, buf_str(&out), out.len, 0, &v, NULL) == 0, "%s",
	    buf_str(&out));
	cr_expect(json_eq_str(json_get(v, "intent"), "patch"));
	cr_expect(json_double(json_get(v, "confidence"), &number) == 0);
	cr_expect(number >= 0.7 && number <= 1);
	cr_expect(json_is(json_get(v, "reasoning"), JSON_STRING));
	words = json_get_typed(json_get(v, "matched_keywords"), "patch", JSON_ARRAY);
	cr_assert(words != NULL && words->len >= 1);
	cr_expect(json_is(json_path(v, "matched_keywords.execute", 24), JSON_ARRAY));
	cr_expect(json_is(json_path(v, "scores.patch", 12), JSON_NUMBER));
	cr_expect(json_is(json_path(v, "scores.execute", 14), JSON_NUMBER));
}

Test(intent, names_every_label)
{
	for (unsigned l = 0; l < INTENT_LABEL_COUNT; l++)
		cr_expect(intent_label_name((enum intent_label)l)[0] != '\0');
}

Test(intent, has_its_vocabulary_in_order)
{
	size_t n = 0;
	const struct intent_rule *rules = intent_rules(&n);

	cr_assert(n > 0);
	for (size_t i = 0; i < n; i++) {
		size_t words = 1;

		for (const char *p = rules[i].words; *p != '\0'; p++)
			words += *p == ' ';
		cr_expect(words <= INTENT_PHRASE_WORDS_MAX, "%s", rules[i].words);
		cr_expect(rules[i].classes != 0, "%s", rules[i].words);
		if (i > 0)
			cr_expect(strcmp(rules[i - 1].words, rules[i].words) < 0, "%s",
			    rules[i].words);
	}
}

Test(intent, finds_inflected_forms_of_verbs_and_nouns_only)
{
	enum intent_form form = FORM_BASE;

	cr_expect(strcmp(intent_rule_find("notifies", &form)->words, "notify") == 0);
	cr_expect(form == FORM_THIRD);
	cr_expect(strcmp(intent_rule_find("dropping", &form)->words, "drop") == 0);
	cr_expect(form == FORM_GERUND);
	cr_expect(strcmp(intent_rule_find("removed", &form)->words, "remove") == 0);
	cr_expect(form == FORM_PAST);
	cr_expect(intent_rule_find("budget", &form) == NULL);
	cr_expect(intent_rule_find("news", &form) == NULL);
	cr_expect(intent_rule_find("thes", &form) == NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * intent_place.c - finds out what each word of a sentence is where it stands.
 *
 * Mark: every word gets its rule, phrases become one item, and each possible verb is
 * taken as a verb or a noun by what stands before it. Place: items get a segment (a
 * part between commas and conjunctions) and are put aside when they are inside a
 * relative clause, where they describe and do not ask. Govern: lasting words (always,
 * every day, when) mark the verbs that they reach.
 *
 * Owns:   nothing.
 * Called: by intent.c; the small looks at items by intent_weigh.c too.
 * Fails:  never.
 */
#include "config.h"

#include "worker/agent/intent_sentence.h"

#include <string.h>

/* ---- small looks at an item; index n and beyond is an end ---- */

const struct item *
item_at(const struct sentence *s, size_t i)
{
	static const struct item none = { .kind = TOKEN_COMMA };

	return i < s->n ? &s->items[i] : &none;
}

bool
item_is_any(const struct sentence *s, size_t i, uint32_t classes)
{
	return (item_at(s, i)->classes & classes) != 0;
}

bool
item_is_comma(const struct sentence *s, size_t i)
{
	return item_at(s, i)->kind == TOKEN_COMMA;
}

bool
item_is_word(const struct sentence *s, size_t i, const char *text)
{
	const struct item *it = item_at(s, i);

	return it->rule != NULL && strcmp(it->rule->words, text) == 0;
}

/* ---- mark ---- */

/* The longest rule that begins at token i; *used says how many tokens it takes. */
static const struct intent_rule *
find_rule(const struct intent_sentence *in, size_t i, enum intent_form *form,
    size_t *used)
{
	char text[INTENT_PHRASE_WORDS_MAX * INTENT_WORD_MAX];
	size_t ends[INTENT_PHRASE_WORDS_MAX], n = 0, len = 0;

	while (n < INTENT_PHRASE_WORDS_MAX && i + n < in->n &&
	    in->tokens[i + n].kind == TOKEN_WORD && in->tokens[i + n].len > 0) {
		const struct intent_token *t = &in->tokens[i + n];

		if (n > 0)
			text[len++] = ' ';
		memcpy(text + len, t->text, t->len);
		ends[n++] = len += t->len;
	}
	*form = FORM_BASE;
	for (; n > 1; n--) {
		const struct intent_rule *rule;

		text[ends[n - 1]] = '\0';
		*used = n;
		rule = intent_rule_exact(text);
		if (rule != NULL)
			return rule;
	}
	*used = 1;
	return n == 1 ? intent_rule_find(in->tokens[i].text, form) : NULL;
}

static void
mark_items(const struct intent_sentence *in, struct sentence *s)
{
	memset(s, 0, sizeof(*s));
	s->has_question_mark = in->has_question_mark;
	for (size_t i = 0; i < in->n;) {
		struct item *it = &s->items[s->n++];
		enum intent_form form = FORM_BASE;
		size_t used = 1;

		it->kind = in->tokens[i].kind;
		if (it->kind == TOKEN_WORD)
			it->rule = find_rule(in, i, &form, &used);
		it->form = form;
		it->classes = it->rule != NULL ? it->rule->classes : 0;
		/* "the word always", "a node called sort": a name is no cue */
		if (s->n > 1 && item_is_any(s, s->n - 2, IC_MENTION))
			it->classes = 0;
		i += used;
	}
}

/* A word that is a noun as often: a verb only where a verb is expected. */
static bool
is_verb_expected(const struct sentence *s, size_t i)
{
	if (i == 0 || item_is_comma(s, i - 1) ||
	    item_is_any(s, i - 1, IC_LICENSE | IC_PERM | IC_EXCUSE))
		return !item_is_any(s, i + 1, IC_NODE) || i == 0 ||
		    !item_is_any(s, i - 1, IC_JOIN);
	return item_is_any(s, i + 1, IC_PRON | IC_DET) ||
	    item_is_any(s, i - 1, IC_UNIT | IC_FREQ);
}

/* Does the word before i make i a noun, or a verb that asks for nothing? */
static bool
is_noun_place(const struct sentence *s, size_t i)
{
	const struct item *before = item_at(s, i - 1);

	if (i == 0)
		return false;
	if (before->is_verb && before->kind == TOKEN_WORD)
		return true; /* send email, show list */
	if (item_is_word(s, i - 1, "i") || item_is_word(s, i - 1, "they"))
		return !item_is_any(s, i,
		    IC_WANT); /* I get an error: told, not asked */
	return (before->classes & IC_DET) != 0 && (before->classes & IC_LICENSE) == 0;
}

static void
mark_verb(struct sentence *s, size_t i)
{
	struct item *it = &s->items[i];
	bool follows_aspect = i > 0 && item_is_any(s, i - 1, IC_ASPECT);

	if ((it->classes & IC_VERBS) == 0)
		return;
	if (it->form == FORM_GERUND && follows_aspect)
		it->is_verb = true;
	if (it->form != FORM_BASE)
		return;
	if (is_noun_place(s, i))
		return;
	if ((it->classes & IC_AMBIGUOUS) != 0 && !is_verb_expected(s, i))
		return;
	it->is_verb = true;
}

/* You, we, I */
static bool
is_speaker(const struct sentence *s, size_t i)
{
	return item_is_any(s, i, IC_PRON) && item_is_any(s, i, IC_LICENSE);
}

/* Can you, could we, not will I: a request, whatever sign ends it. */
static bool
is_request(const struct sentence *s)
{
	for (size_t i = 0; i + 1 < s->n; i++)
		if (item_is_any(s, i, IC_MODAL) && is_speaker(s, i + 1) &&
		    (item_is_word(s, i + 1, "you") || !item_is_word(s, i, "will")))
			return true;
	return false;
}

bool
sentence_begins_question(const struct sentence *s, size_t i)
{
	if (item_is_any(s, i, IC_WH))
		return true;
	if (item_is_word(s, i, "when") && item_is_any(s, i + 1, IC_AUX | IC_MODAL))
		return true;
	if (item_is_word(s, i, "do") && !s->has_question_mark &&
	    !item_is_any(s, i + 1, IC_LICENSE))
		return false; /* do it, do that */
	return item_is_any(s, i, IC_AUX | IC_SHOULD) &&
	    item_is_any(s, i + 1,
		IC_PRON | IC_DET | IC_LICENSE | IC_NOUNS | IC_EVERY) &&
	    !item_is_any(s, i + 1, IC_NEG);
}

static void
mark_question(struct sentence *s)
{
	bool begins = sentence_begins_question(s, 0);

	for (size_t i = 1; i < s->n && !begins; i++)
		begins = item_is_comma(s, i - 1) && sentence_begins_question(s, i);
	s->is_question = (begins || s->has_question_mark) && !is_request(s);
}

/* ---- place ---- */

static bool
is_clause_start(const struct sentence *s, size_t i)
{
	const struct item *it = item_at(s, i);

	if (it->is_verb ||
	    (it->classes &
		(IC_PERM | IC_AUTO | IC_COND | IC_MODAL | IC_NEG | IC_EXCUSE)) != 0)
		return true;
	if (is_speaker(s, i))
		return true; /* and we ..., and you ... */
	return (it->classes & (IC_LICENSE | IC_JOIN)) != 0 &&
	    item_at(s, i + 1)->is_verb;
}

/* Does item i end one segment and begin another? */
static bool
is_boundary(const struct sentence *s, size_t i)
{
	if (item_is_comma(s, i))
		return true;
	return item_is_any(s, i, IC_JOIN) && is_clause_start(s, i + 1);
}

/* show me, give me, then, also, please: here the writer speaks to us again. */
static bool
is_restart(const struct sentence *s, size_t i, bool after_comma)
{
	const struct item *it = item_at(s, i);

	if ((it->classes & (IC_PERM | IC_AUTO)) != 0 && i > 0 &&
	    (after_comma || item_is_any(s, i - 1, IC_JOIN)))
		return true;
	if (item_is_word(s, i, "also") || item_is_word(s, i, "please") ||
	    item_is_word(s, i, "but"))
		return true;
	if (!it->is_verb)
		return false;
	return item_is_any(s, i, IC_READ) &&
	    (item_is_any(s, i + 1, IC_PRON) || strchr(it->rule->words, ' '));
}

static bool
opens_inside(const struct sentence *s, size_t i, bool has_head, bool is_patch_head)
{
	if (!has_head || i == 0)
		return false;
	if (item_is_comma(s, i - 1)) /* add a branch: if ... */
		return is_patch_head && item_is_any(s, i, IC_COND);
	if (is_patch_head && item_is_word(s, i, "to") && item_at(s, i + 1)->is_verb)
		return true; /* add a step to fetch ... */
	return item_is_any(s, i, IC_REL) && !item_is_comma(s, i + 1);
}

/* Numbers the segments and puts relative clauses aside. */
static void
place_items(struct sentence *s)
{
	bool is_inside = false, has_head = false, is_patch_head = false;
	uint8_t segment = 0;

	for (size_t i = 0; i < s->n; i++) {
		struct item *it = &s->items[i];
		bool after_comma = i > 0 && item_is_comma(s, i - 1);

		if (is_boundary(s, i) && segment < UINT8_MAX)
			segment++;
		if (is_inside && !is_patch_head && after_comma &&
		    (it->is_verb || item_is_any(s, i, IC_JOIN)))
			is_inside = false;
		if (is_inside && is_restart(s, i, after_comma))
			is_inside = false;
		if (!is_inside)
			is_inside = opens_inside(s, i, has_head, is_patch_head);
		it->segment = segment;
		it->is_inside = is_inside;
		if (it->is_verb && !is_inside) {
			is_patch_head = has_head
			    ? is_patch_head || item_is_any(s, i, IC_EDIT)
			    : item_is_any(s, i, IC_EDIT);
			has_head = true;
		}
		has_head |= s->is_question && item_is_any(s, i, IC_WH | IC_AUX);
	}
}

/* Not, don't and never reach the next verb of their segment. */
static void
place_negations(struct sentence *s)
{
	bool is_negated = false;

	for (size_t i = 0; i < s->n; i++) {
		struct item *it = &s->items[i];

		if (i > 0 && it->segment != s->items[i - 1].segment)
			is_negated = false;
		if ((it->classes & IC_NEG) != 0)
			is_negated = true;
		it->is_negated = is_negated;
	}
}

/* ---- governors ---- */

/* every day, each 10 minutes; not "for every month", "every flight" */
static bool
is_every_unit(const struct sentence *s, size_t i)
{
	if (!item_is_any(s, i, IC_EVERY))
		return false;
	if (i > 0 && item_is_any(s, i - 1, IC_DET) && !item_is_word(s, i - 1, "on"))
		return false;
	for (size_t k = i + 1; k < i + 4 && k < s->n; k++) {
		if (item_is_any(s, k, IC_UNIT))
			return true;
		if (item_is_any(s, k, IC_NOUNS | IC_VERBS | IC_DET) &&
		    s->items[k].rule != NULL && !item_is_any(s, k, IC_DET))
			return false;
	}
	return false;
}

/* daily: an adverb at the end, or the adjective of something that is sent */
static bool
is_frequency(const struct sentence *s, size_t i)
{
	if (!item_is_any(s, i, IC_FREQ))
		return false;
	if (i + 1 >= s->n || item_is_comma(s, i + 1) ||
	    item_is_any(s, i + 1, IC_JOIN | IC_DET))
		return i > 0 && !item_is_any(s, i - 1, IC_DET);
	for (size_t k = 0; k < i; k++)
		if (s->items[k].is_verb && item_is_any(s, k, IC_ACT) &&
		    !item_is_any(s, k, IC_READ))
			return true;
	return false;
}

/* "whenever you can" is polite, not lasting */
static bool
is_courtesy(const struct sentence *s, size_t i)
{
	if (item_is_word(s, i, "if") && item_is_word(s, i + 1, "any") &&
	    item_is_comma(s, i + 2))
		return true; /* the orders, if any, ... */
	return item_is_any(s, i, IC_EXCUSE) ||
	    (item_is_word(s, i + 1, "you") &&
		item_is_any(s, i + 2, IC_MODAL | IC_WANT | IC_AUX));
}

static unsigned
governance_of(const struct sentence *s, size_t i)
{
	if (is_courtesy(s, i))
		return 0;
	if (item_is_any(s, i, IC_PERM | IC_AUTO) || is_every_unit(s, i) ||
	    is_frequency(s, i))
		return GOVERNED_PERM;
	if (item_is_any(s, i, IC_COND))
		return GOVERNED_COND;
	if (item_is_any(s, i, IC_CONDW))
		return GOVERNED_CONDW;
	return 0;
}

static bool
has_verb_before(const struct sentence *s, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (s->items[k].segment == s->items[i].segment && s->items[k].is_verb &&
		    !s->items[k].is_inside)
			return true;
	return false;
}

/* A lasting word governs the verbs of its own segment; when it leads, the later ones
 * too. */
static bool
governs(const struct sentence *s, size_t governor, size_t verb, bool is_leading)
{
	const struct item *g = &s->items[governor], *v = &s->items[verb];

	if (!v->is_verb || v->is_inside)
		return false;
	return v->segment == g->segment || (is_leading && v->segment > g->segment);
}

static void
govern(struct sentence *s)
{
	for (size_t i = 0; i < s->n; i++) {
		unsigned governance = s->items[i].is_inside ? 0 : governance_of(s, i);
		bool is_leading;

		if (governance == 0)
			continue;
		s->items[i].is_governor = true;
		is_leading = !has_verb_before(s, i);
		for (size_t k = 0; k < s->n; k++)
			if (governs(s, i, k, is_leading))
				s->items[k].governed |= governance;
	}
}

void
sentence_place(const struct intent_sentence *in, struct sentence *s)
{
	mark_items(in, s);
	for (size_t i = 0; i < s->n; i++)
		mark_verb(s, i);
	mark_question(s);
	place_items(s);
	place_negations(s);
	govern(s);
}

/* SPDX-License-Identifier: MIT */
/*
 * intent_weigh.c - what the cues of one sentence are worth for either side.
 *
 * Lasting words and the verbs that they govern count as pairs for patch; changes count
 * by their object (a node: patch, a column: execute); ungoverned data verbs and
 * questions count for execute.
 *
 * Owns:   nothing.
 * Called: by intent.c, after intent_place.c.
 * Fails:  never.
 */
#include "config.h"

#include "worker/agent/intent_sentence.h"

#include "common/cleanup.h"

#include <math.h>
#include <string.h>

/* What a cue is worth. Confidence is winner / (both + 1): 2.4 alone gives 0.7. */
static const struct {
	double pair, pair_more, perm_alone; /* always + verb; further ones; always */
	double cond_pair, condw_pair;       /* when, after + action */
	double then_bonus;                  /* if ... then ... */
	double edit_node, edit_conf, edit_alone; /* remove the node; the timeout; it */
	double read, read_more, comp, vague;     /* show; further ones; sort; process */
	double edit_data, want_data, act_alone;  /* add a column; need a list; send */
	double question, wh, question_max;       /* ?; what; both */
	double data, refine, refine_max, top_n;  /* rows; latest; all of them; top 10 */
	double described; /* factor: lasting words in a question */
} W = {
	.pair = 3.0,
	.pair_more = 1.0,
	.perm_alone = 1.2,
	.cond_pair = 2.5,
	.condw_pair = 1.5,
	.then_bonus = 1.0,
	.edit_node = 3.0,
	.edit_conf = 2.5,
	.edit_alone = 0.7,
	.read = 2.0,
	.read_more = 0.7,
	.comp = 1.5,
	.vague = 0.3,
	.edit_data = 1.5,
	.want_data = 1.5,
	.act_alone = 0.5,
	.question = 1.2,
	.wh = 1.5,
	.question_max = 2.0,
	.data = 0.5,
	.refine = 0.5,
	.refine_max = 1.5,
	.top_n = 1.2,
	.described = 0.15,
};

void
side_note(struct intent_side *side, const char *word)
{
	for (size_t i = 0; i < side->n_words; i++)
		if (strcmp(side->words[i], word) == 0)
			return;
	if (side->n_words < INTENT_WORDS_MAX)
		side->words[side->n_words++] = word;
}

static void
credit(struct intent_side *side, const struct item *it, double points)
{
	side->score += points;
	if (it->rule != NULL)
		side_note(side, it->rule->words);
}

/* The best class among the nouns that the change at i has as its object. */
static uint32_t
object_of(struct sentence *s, size_t i, size_t *at)
{
	static const uint32_t order[] = { IC_NODE, IC_CONF, IC_NOTE, IC_DATA };
	bool is_first_phrase = true;
	uint32_t best = 0;

	for (size_t k = i + 1; k < s->n; k++) {
		const struct item *it = &s->items[k];
		uint32_t nouns = it->classes & (IC_NODE | IC_CONF | IC_NOTE | IC_DATA);

		if (item_is_comma(s, k) || it->is_inside || it->is_governor ||
		    it->is_verb)
			break;
		if (best != 0 && item_is_any(s, k, IC_DET) && it->rule != NULL &&
		    !item_is_any(s, k, IC_PRON | IC_EVERY))
			is_first_phrase = false;
		for (size_t o = 0; o < ARRAY_LEN(order); o++) {
			if ((nouns & order[o]) == 0)
				continue;
			if (order[o] == IC_NODE || is_first_phrase) {
				if (best == 0 || order[o] < best) {
					best = order[o];
					*at = k;
				}
			}
			break;
		}
	}
	return best;
}

static void
weigh_edit(struct sentence *s, size_t i, bool is_lasting)
{
	struct item *it = &s->items[i];
	size_t at = i;
	uint32_t object = object_of(s, i, &at);
	bool is_want = item_is_any(s, i, IC_WANT);

	if (object == IC_DATA && is_lasting) {
		return; /* schedule the report each morning: the pair says it all */
	} else if (object == IC_DATA) {
		credit(&s->execute, it, is_want ? W.want_data : W.edit_data);
		side_note(&s->execute, s->items[at].rule->words);
	} else if (object != 0) {
		credit(&s->patch, it, object == IC_NODE ? W.edit_node : W.edit_conf);
		side_note(&s->patch, s->items[at].rule->words);
	} else if (!is_want && !item_is_any(s, i, IC_AMBIGUOUS)) {
		credit(&s->patch, it, W.edit_alone);
	}
}

/* A verb under always, every day: a pair, whatever the verb is. */
static void
weigh_pair(struct sentence *s, struct item *it, bool *has_pair)
{
	credit(&s->patch, it, *has_pair ? W.pair_more : W.pair);
	*has_pair = true;
}

static void
weigh_free(struct sentence *s, size_t i, bool *has_read)
{
	struct item *it = &s->items[i];

	if ((it->classes & IC_READ) != 0) {
		credit(&s->execute, it, *has_read ? W.read_more : W.read);
		*has_read = true;
	} else if ((it->classes & IC_COMP) != 0) {
		credit(&s->execute, it, *has_read ? W.read_more : W.comp);
	} else if ((it->classes & (IC_EDIT | IC_WANT)) != 0) {
		weigh_edit(s, i, false);
	} else if ((it->classes & IC_VAGUE) != 0) {
		credit(&s->execute, it, W.vague);
	} else if (!s->is_question) {
		credit(&s->execute, it, W.act_alone);
	}
}

static void
weigh_verb(struct sentence *s, size_t i, bool *has_pair, bool *has_read)
{
	struct item *it = &s->items[i];
	bool is_action = item_is_any(s, i, IC_ACT | IC_EDIT);

	if (i > 0 && item_is_any(s, i - 1, IC_ASPECT) && item_is_any(s, i, IC_ACT) &&
	    !it->is_negated) {
		weigh_pair(s, it, has_pair); /* stop sending, keep posting */
		return;
	}
	if ((it->governed & GOVERNED_PERM) != 0) {
		weigh_pair(s, it, has_pair);
		if (item_is_any(s, i, IC_EDIT) && !it->is_negated)
			weigh_edit(s, i, true);
		return;
	}
	if (it->is_negated)
		return;
	if (is_action && (it->governed & (GOVERNED_COND | GOVERNED_CONDW)) != 0) {
		double points =
		    (it->governed & GOVERNED_COND) ? W.cond_pair : W.condw_pair;

		credit(&s->patch, it, *has_pair ? W.pair_more : points);
		*has_pair = true;
		if (item_is_any(s, i, IC_EDIT))
			weigh_edit(s, i, true);
		return;
	}
	weigh_free(s, i, has_read);
}

static void
weigh_verbs(struct sentence *s, bool *has_pair, bool *has_read)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->items[i].is_verb && !s->items[i].is_inside)
			weigh_verb(s, i, has_pair, has_read);
}

/* Lasting words themselves: named beside their verbs, worth something alone. */
static void
weigh_governors(struct sentence *s, bool has_pair)
{
	for (size_t i = 0; i < s->n; i++) {
		struct item *it = &s->items[i];
		bool is_lasting;

		if (!it->is_governor)
			continue;
		is_lasting = item_is_any(s, i, IC_PERM | IC_AUTO | IC_EVERY | IC_FREQ);
		if (has_pair)
			credit(&s->patch, it, is_lasting ? 0.3 : 0);
		else if (is_lasting && item_at(s, i + 1)->form == FORM_BASE &&
		    !item_is_word(s, i + 1, "i"))
			credit(&s->patch, it, W.perm_alone);
		if (has_pair && item_is_word(s, i, "if"))
			for (size_t k = i; k < s->n; k++)
				if (item_is_word(s, k, "then"))
					s->patch.score += W.then_bonus;
	}
}

/* "the workflow should retry": a wish about the workflow's behaviour */
static void
weigh_wishes(struct sentence *s)
{
	for (size_t i = 0; i + 1 < s->n; i++) {
		if (!item_is_any(s, i, IC_NODE | IC_CONF) || s->items[i].is_inside)
			continue;
		if (item_is_any(s, i + 1, IC_SHOULD)) {
			credit(&s->patch, &s->items[i], W.edit_conf);
			side_note(&s->patch, s->items[i + 1].rule->words);
		}
	}
}

static void
weigh_question(struct sentence *s)
{
	double points = 0;

	if (s->has_question_mark)
		points += W.question;
	for (size_t i = 0; i < s->n; i++) {
		if (!item_is_any(s, i, IC_WH | IC_AUX) && !item_is_word(s, i, "when"))
			continue;
		if (sentence_begins_question(s, i) &&
		    (i == 0 || item_is_comma(s, i - 1))) {
			points += W.wh;
			side_note(&s->execute, s->items[i].rule->words);
		}
	}
	if (!s->is_question || s->n == 0)
		return;
	s->execute.score += fmin(points, W.question_max);
	side_note(&s->execute, "question");
	s->patch.score *= W.described;
}

/* top 10, latest, sorted by, rows: they support a data request, or are one */
static void
weigh_support(struct sentence *s)
{
	double refine = 0, data = 0;

	if (s->patch.score > 0 && s->execute.score <= 0)
		return;
	for (size_t i = 0; i < s->n; i++) {
		struct item *it = &s->items[i];

		if (it->is_inside || it->is_verb)
			continue;
		if (item_is_any(s, i, IC_REFINE)) {
			bool has_number = item_at(s, i + 1)->kind == TOKEN_NUMBER;

			refine += item_is_word(s, i, "top") && has_number ? W.top_n
									  : W.refine;
			side_note(&s->execute, it->rule->words);
		} else if (it->form == FORM_PAST && item_is_any(s, i, IC_COMP) &&
		    item_is_word(s, i + 1, "by")) {
			refine += W.refine;
			side_note(&s->execute, it->rule->words);
		} else if (item_is_any(s, i, IC_DATA)) {
			data = W.data;
		}
	}
	s->execute.score += fmin(refine, W.refine_max);
	if (s->execute.score > 0)
		s->execute.score += data;
}

void
sentence_weigh(struct sentence *s)
{
	bool has_pair = false, has_read = false;

	weigh_verbs(s, &has_pair, &has_read);
	weigh_governors(s, has_pair);
	weigh_wishes(s);
	weigh_question(s);
	weigh_support(s);
}

/* SPDX-License-Identifier: MIT */
/*
 * intent.c - scores a prompt: lasting change, one-time data question, or unclear.
 *
 * Sentence by sentence: intent_words.c cuts, intent_place.c finds out what each word is
 * where it stands, intent_weigh.c scores; here the scores become a label. Confidence is
 * the winner's share of (both + 1), so 2.4 points without contradiction give 0.7.
 *
 * Owns:   nothing.
 * Called: by the conversation before the first model call, and by agentctl intent.
 * Fails:  never.
 */
#include "config.h"

#include "worker/agent/intent.h"

#include "common/json/json.h"
#include "worker/agent/intent_sentence.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define BACKGROUND_MOST 1.0 /* points that the middle of a long text may add */
#define LEAST_POINTS 1.0    /* fewer: unclear */
#define TIE_SHARE 0.65      /* a smaller share of all points: unclear */

static void
take_words(struct intent_side *total, const struct intent_side *part)
{
	for (size_t i = 0; i < part->n_words; i++)
		side_note(total, part->words[i]);
}

/*
 * What is asked stands at the start or at the end of a prompt; a long middle is mostly
 * pasted text. The first HEAD and the last TAIL sentences count in full, all between
 * them together by BACKGROUND_MOST at most.
 */
enum {
	HEAD_SENTENCES = 12,
	TAIL_SENTENCES = 3
};

struct tally {
	size_t n;
	double tail[TAIL_SENTENCES][2];
	double middle[2];
};

static void
tally_add(struct tally *t, struct intent *out, const struct sentence *s)
{
	double *slot = t->tail[t->n % TAIL_SENTENCES];

	if (t->n++ < HEAD_SENTENCES) {
		out->patch.score += s->patch.score;
		out->execute.score += s->execute.score;
		return;
	}
	t->middle[0] += slot[0];
	t->middle[1] += slot[1];
	slot[0] = s->patch.score;
	slot[1] = s->execute.score;
}

static void
tally_end(const struct tally *t, struct intent *out)
{
	double middle = t->middle[0] + t->middle[1];
	double factor = middle > BACKGROUND_MOST ? BACKGROUND_MOST / middle : 1;

	out->patch.score += t->middle[0] * factor;
	out->execute.score += t->middle[1] * factor;
	for (size_t i = 0; i < TAIL_SENTENCES; i++) {
		out->patch.score += t->tail[i][0];
		out->execute.score += t->tail[i][1];
	}
}

static void
add_list(char *text, size_t size, const struct intent_side *side)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < side->n_words && len < size; i++) {
		int n = snprintf(text + len, size - len, "%s%s", i > 0 ? ", " : "",
		    side->words[i]);

		len += n > 0 ? (size_t)n : 0;
	}
}

static void
explain(struct intent *out)
{
	static const char *const lead[INTENT_LABEL_COUNT] = {
		[INTENT_UNCLEAR] = "too few points either way",
		[INTENT_PATCH] = "asks for a lasting change: ",
		[INTENT_EXECUTE] = "asks for data once: ",
	};
	double most = fmax(out->patch.score, out->execute.score);
	size_t size = sizeof(out->reasoning);

	(void)snprintf(out->reasoning, size, "%s", lead[out->label]);
	if (out->label == INTENT_PATCH)
		add_list(out->reasoning, size, &out->patch);
	else if (out->label == INTENT_EXECUTE)
		add_list(out->reasoning, size, &out->execute);
	else if (most >= LEAST_POINTS) {
		(void)snprintf(out->reasoning, size, "points both ways: lasting by ");
		add_list(out->reasoning, size - 80, &out->patch);
		(void)strncat(out->reasoning, "; once by ",
		    size - 1 - strlen(out->reasoning));
		add_list(out->reasoning, size, &out->execute);
	}
}

static void
decide(struct intent *out)
{
	double both = out->patch.score + out->execute.score;
	double most = fmax(out->patch.score, out->execute.score);

	out->confidence = most / (both + 1);
	out->label = INTENT_UNCLEAR;
	if (most >= LEAST_POINTS && most >= TIE_SHARE * both)
		out->label = out->patch.score > out->execute.score ? INTENT_PATCH
								   : INTENT_EXECUTE;
	explain(out);
}

void
intent_classify(const char *text, size_t n, struct intent *out)
{
	struct intent_reader reader;
	struct intent_sentence in;
	struct sentence sentence;
	struct tally tally = { 0 };

	memset(out, 0, sizeof(*out));
	intent_reader_init(&reader, text, n < INTENT_TEXT_MAX ? n : INTENT_TEXT_MAX);
	while (intent_reader_next(&reader, &in)) {
		sentence_place(&in, &sentence);
		sentence_weigh(&sentence);
		tally_add(&tally, out, &sentence);
		take_words(&out->patch, &sentence.patch);
		take_words(&out->execute, &sentence.execute);
	}
	tally_end(&tally, out);
	decide(out);
}

bool
intent_narrows(const struct intent *i)
{
	return i->label != INTENT_UNCLEAR &&
	    i->confidence * 100 >= INTENT_NARROW_PERCENT;
}

const char *
intent_label_name(enum intent_label label)
{
	static const char *const names[INTENT_LABEL_COUNT] = {
		[INTENT_UNCLEAR] = "unclear",
		[INTENT_PATCH] = "patch",
		[INTENT_EXECUTE] = "execute",
	};

	ASSERT(label < INTENT_LABEL_COUNT);
	return names[label];
}

static void
write_words(struct json_writer *w, const char *key, const struct intent_side *side)
{
	jw_key(w, key);
	jw_array_begin(w);
	for (size_t i = 0; i < side->n_words; i++)
		jw_cstr(w, side->words[i]);
	jw_array_end(w);
}

/* Three decimals are all that the scores mean. */
static void
write_number(struct json_writer *w, const char *key, double d)
{
	jw_key(w, key);
	jw_double(w, round(d * 1000) / 1000);
}

void
intent_write_json(struct buf *out, const struct intent *i)
{
	struct json_writer w;

	jw_init(&w, out);
	jw_object_begin(&w);
	jw_key(&w, "intent");
	jw_cstr(&w, intent_label_name(i->label));
	write_number(&w, "confidence", i->confidence);
	jw_key(&w, "reasoning");
	jw_cstr(&w, i->reasoning);
	jw_key(&w, "matched_keywords");
	jw_object_begin(&w);
	write_words(&w, "patch", &i->patch);
	write_words(&w, "execute", &i->execute);
	jw_object_end(&w);
	jw_key(&w, "scores");
	jw_object_begin(&w);
	write_number(&w, "patch", i->patch.score);
	write_number(&w, "execute", i->execute.score);
	jw_object_end(&w);
	jw_object_end(&w);
}

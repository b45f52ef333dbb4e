/* SPDX-License-Identifier: MIT */
/*
 * intent_rules.h - the classifier's vocabulary: every word it knows, and what it can
 * be.
 *
 * Private to the classifier. A word may belong to several classes; the scorer decides
 * by its place in the sentence. Inflected forms (-s, -es, -ies, -ed, -ing) of verbs and
 * nouns are found under their base.
 */
#ifndef WORKER_AGENT_INTENT_RULES_H
#define WORKER_AGENT_INTENT_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum intent_class {
	/* lasting */
	IC_PERM = 1u << 0,  /* always, whenever, from now on */
	IC_AUTO = 1u << 1,  /* automatically: lasting, but weaker */
	IC_EVERY = 1u << 2, /* every, each: lasting before a unit of time */
	IC_UNIT = 1u << 3,  /* day, hour, monday */
	IC_FREQ = 1u << 4,  /* daily, weekly */
	IC_COND = 1u << 5,  /* when, if, once */
	IC_CONDW = 1u << 6, /* after, before, while: also mere times */
	/* verbs */
	IC_ACT = 1u << 7,     /* send, notify: has an effect outside */
	IC_EDIT = 1u << 8,    /* add, remove: changes whatever its object is */
	IC_READ = 1u << 9,    /* show, fetch, get */
	IC_COMP = 1u << 10,   /* sort, filter, calculate */
	IC_VAGUE = 1u << 11,  /* process, handle: a data verb that says nothing */
	IC_WANT = 1u << 12,   /* need, want: asks for its object */
	IC_ASPECT = 1u << 13, /* stop, keep, start: before -ing */
	/* nouns */
	IC_NODE = 1u << 14, /* node, step, workflow: only workflows have them */
	IC_CONF = 1u << 15, /* condition, logic, timeout: workflows have them too */
	IC_NOTE = 1u << 16, /* email, notification, alert */
	IC_DATA = 1u << 17, /* rows, prices, flights */
	/* the small words that decide what the others are */
	IC_WH = 1u << 18,        /* what, which, how many */
	IC_AUX = 1u << 19,       /* is, does: a question when they come first */
	IC_MODAL = 1u << 20,     /* can, could: a request before you, we, I */
	IC_SHOULD = 1u << 21,    /* should, must */
	IC_NEG = 1u << 22,       /* not, don't, without */
	IC_DET = 1u << 23,       /* the, of, for: a noun follows, not a verb */
	IC_LICENSE = 1u << 24,   /* to, please, you, then: a verb may follow */
	IC_JOIN = 1u << 25,      /* and, but, then */
	IC_REL = 1u << 26,       /* that, which, who */
	IC_PRON = 1u << 27,      /* me, you, it */
	IC_REFINE = 1u << 28,    /* top, latest, cheapest */
	IC_MENTION = 1u << 29,   /* called, named, word: what follows is a name */
	IC_EXCUSE = 1u << 30,    /* "if possible", "as always": no condition at all */
	IC_AMBIGUOUS = 1u << 31, /* a verb that is a noun as often: list, email, sort */
};

#define IC_VERBS (IC_ACT | IC_EDIT | IC_READ | IC_COMP | IC_VAGUE | IC_WANT)
#define IC_NOUNS (IC_NODE | IC_CONF | IC_NOTE | IC_DATA | IC_UNIT)

struct intent_rule {
	const char *words; /* one word, or several with single blanks */
	uint32_t classes;
};

enum {
	INTENT_PHRASE_WORDS_MAX = 4
};

enum intent_form {
	FORM_BASE,
	FORM_THIRD,
	FORM_PAST,
	FORM_GERUND
};

/* The table, in the order of strcmp. */
const struct intent_rule *intent_rules(size_t *n);

/* The rule for exactly this text, or NULL. */
const struct intent_rule *intent_rule_exact(const char *text);

/* The same, also found by inflected forms; *form says which. */
const struct intent_rule *intent_rule_find(const char *word, enum intent_form *form);

#endif

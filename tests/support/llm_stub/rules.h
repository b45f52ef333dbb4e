/* SPDX-License-Identifier: MIT */
/* rules.h - the list of rules of a script: read, checked, matched, counted. */
#ifndef TESTS_SUPPORT_LLM_STUB_RULES_H
#define TESTS_SUPPORT_LLM_STUB_RULES_H

#include "tests/support/llm_stub/chat.h"

struct rules;
struct rule;

/* 0 with *out owned by the caller; -EINVAL with the place in err. The text is
   copied. */
int rules_read(const char *text, size_t n, struct rules **out, struct err *err);
void rules_free(struct rules *rules);

/* The next rule after that one (NULL: from the first) that holds, or NULL. */
const struct rule *rules_next(const struct rules *rules, const struct rule *after,
    const struct chat *chat);
void rules_use(struct rules *rules, const struct rule *rule);
bool rules_are_closed(const struct rules *rules); /* "otherwise": "error" */

const char *rule_name(const struct rule *rule);
const struct json *rule_reply(const struct rule *rule); /* or NULL */
const struct json *rule_fault(const struct rule *rule); /* or NULL */

#endif

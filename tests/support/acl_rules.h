/* SPDX-License-Identifier: MIT */
/* acl_rules.h - the rules for Redis' user as agent-runner.conf(5) shows them. */
#ifndef TESTS_SUPPORT_ACL_RULES_H
#define TESTS_SUPPORT_ACL_RULES_H

#include <criterion/criterion.h>
#include <string.h>

enum {
	ACL_WORDS_MAX = 128
};

/* The words of the line "user agent-runner ...", which live in page; how many. */
static inline int
acl_rules(char *page, const char *argv[ACL_WORDS_MAX])
{
	char *line = strstr(page, "\nuser agent-runner "), *save = NULL;
	int n = 0;

	cr_assert(line != NULL);
	*strstr(line, "\n.Ed") = '\0';
	for (char *w = strtok_r(line, " \n", &save); w != NULL && n < ACL_WORDS_MAX;
	     w = strtok_r(NULL, " \n", &save))
		if (strcmp(w, "\\e") != 0)
			argv[n++] = w;
	return n;
}

#endif

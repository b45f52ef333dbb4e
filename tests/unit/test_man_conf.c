/* SPDX-License-Identifier: MIT */
/* test_man_conf.c - agent-runner.conf(5) and the example file name every option. */
#include "config.h"

#include "tests/unit/source_file.h"

#include "common/conf/conf.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>
#include <unistd.h>

/* The text between ".Ss GROUP" and the next section. */
static char *
section_of(const char *page, const char *group)
{
	char head[256];
	const char *p, *end;

	(void)snprintf(head, sizeof(head), "\n%s %s\n",
	    strcmp(group, "AGENT DEFINITIONS") == 0 ? ".Sh" : ".Ss", group);
	p = strstr(page, head);
	if (p == NULL)
		return NULL;
	p += strlen(head);
	end = strstr(p, "\n.Ss");
	if (end == NULL || (strstr(p, "\n.Sh") != NULL && strstr(p, "\n.Sh") < end))
		end = strstr(p, "\n.Sh");
	return strndup(p, end != NULL ? (size_t)(end - p) : strlen(p));
}

static const char *
group_of(const char *name, char *group, size_t size)
{
	static const char *const records[] = { "agents.", "llm.providers.",
		"llm.prices.", "auth_profiles." };
	const char *dot = strchr(name, '.');

	for (size_t i = 0; i < ARRAY_LEN(records); i++)
		if (strncmp(name, records[i], strlen(records[i])) == 0) {
			(void)snprintf(group, size, "%.*s", (int)strlen(records[i]) - 1,
			    records[i]);
			if (i == 0)
				(void)snprintf(group, size, "AGENT DEFINITIONS");
			return name + strlen(records[i]);
		}
	if (dot == NULL) {
		(void)snprintf(group, size, "Top level");
		return name;
	}
	(void)snprintf(group, size, "%.*s", (int)(dot - name), name);
	return dot + 1;
}

Test(man_conf, every_option_is_on_the_page_with_its_default)
{
	CLEANUP(freep) char *page = read_source("man/agent-runner.conf.5");

	for (size_t i = 0; i < conf_option_count(); i++) {
		struct conf_option_info o = conf_option_at(i);
		char group[128], item[160], def[256];
		const char *leaf = group_of(o.name, group, sizeof(group));
		CLEANUP(freep) char *section = section_of(page, group);
		const char *p;

		cr_assert(section != NULL, "no section '%s'", group);
		(void)snprintf(item, sizeof(item), ".It Ic %s Pq", leaf);
		p = strstr(section, item);
		cr_expect(p != NULL, "%s is not on the page", o.name);
		(void)snprintf(def, sizeof(def), ".Ql %s .", o.def);
		if (p != NULL && o.def[0] != '\0')
			cr_expect(strstr(p, def) != NULL, "%s: default %s", o.name,
			    o.def);
	}
}

/* "    # name = value;" becomes an option; "#name = ..." is another value's example and
   stays a comment. */
static char *
uncommented(const char *text)
{
	CLEANUP_BUF struct buf out = BUF_INIT;

	while (*text != '\0') {
		size_t n = strcspn(text, "\n") + 1, blanks = strspn(text, " ");
		const char *p = text + blanks;
		size_t word = p[0] == '#' && p[1] == ' '
		    ? strspn(p + 2, "abcdefghijklmnopqrstuvwxyz_")
		    : 0;

		if (word > 0 &&
		    (strncmp(p + 2 + word, " = ", 3) == 0 || p[2 + word] == ':'))
			buf_add(&out, p + 2, n - blanks - 2);
		else
			buf_add(&out, text, n);
		text += n;
	}
	return buf_take(&out, NULL);
}

static struct conf *
load_text(const char *text)
{
	char path[] = "/tmp/test-man-conf-XXXXXX";
	struct conf *conf = NULL;
	struct err e = ERR_INIT;
	int fd = mkstemp(path);

	cr_assert(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	(void)close(fd);
	cr_expect(eq(int, conf_load(path, &conf, &e), 0), "%s", e.text);
	(void)unlink(path);
	cr_assert(conf != NULL);
	return conf;
}

/* Does a line of the text, within the braces of group, begin with the name? */
static bool
has_line(const char *text, const char *group, const char *name)
{
	char head[256], line[160];
	const char *p = text, *end = text + strlen(text);

	if (strcmp(group, "Top level") != 0) {
		(void)snprintf(head, sizeof(head), "\n%s: {\n", group);
		p = strstr(text, head);
		if (p == NULL)
			return false;
		end = strstr(p, "\n};");
	}
	for (; p != NULL && p < end; p = strchr(p + 1, '\n')) {
		const char *q = p + 1 + strspn(p + 1, " #");

		(void)snprintf(line, sizeof(line), "%s = ", name);
		if (strncmp(q, line, strlen(line)) == 0)
			return true;
		(void)snprintf(line, sizeof(line), "%.*s: {", (int)strcspn(name, "."),
		    name);
		if (strchr(name, '.') != NULL && strncmp(q, line, strlen(line)) == 0 &&
		    strstr(q, strchr(name, '.') + 1) != NULL)
			return true;
	}
	return false;
}

Test(man_conf, the_example_shows_every_option_with_its_default)
{
	CLEANUP(freep) char *text = read_source("etc/agent-runner.conf");
	CLEANUP(freep) char *options = uncommented(text);
	CLEANUP(conf_freep) struct conf *example = load_text(options);
	CLEANUP(conf_freep) struct conf *plain = load_text("");
	CLEANUP_BUF struct buf changes = BUF_INIT;

	(void)conf_compare(plain, example, &changes, NULL);
	cr_expect_str_eq(buf_str(&changes), "");
	for (size_t i = 0; i < conf_option_count(); i++) {
		struct conf_option_info o = conf_option_at(i);
		char group[128];
		const char *leaf = group_of(o.name, group, sizeof(group));

		if (strcmp(group, "auth_profiles") == 0 ||
		    strcmp(group, "AGENT DEFINITIONS") == 0 ||
		    strcmp(group, "llm.prices") == 0)
			continue;
		if (strcmp(group, "llm.providers") == 0)
			(void)snprintf(group, sizeof(group), "llm");
		cr_expect(has_line(text, group, leaf), "%s is not in the example",
		    o.name);
	}
}

Test(man_conf, the_example_agent_shows_every_option)
{
	CLEANUP(freep) char *text = read_source("etc/agents.d/workflow.conf");

	for (size_t i = 0; i < conf_option_count(); i++) {
		struct conf_option_info o = conf_option_at(i);
		char group[128], line[160];
		const char *leaf = group_of(o.name, group, sizeof(group));

		if (strcmp(group, "AGENT DEFINITIONS") != 0)
			continue;
		if (strncmp(leaf, "limits.", 7) == 0)
			leaf += 7;
		(void)snprintf(line, sizeof(line), "%s = ", leaf);
		cr_expect(strstr(text, line) != NULL, "%s is not in the example",
		    o.name);
	}
}

Test(man_conf, the_example_file_is_valid_and_changes_nothing)
{
	const char *srcdir = getenv("srcdir");
	struct conf *example = NULL, *plain = NULL;
	struct err e = ERR_INIT;
	char path[512];
	CLEANUP_BUF struct buf a = BUF_INIT;
	CLEANUP_BUF struct buf b = BUF_INIT;

	(void)snprintf(path, sizeof(path), "%s/etc/agent-runner.conf",
	    srcdir != NULL ? srcdir : ".");
	cr_assert(eq(int, conf_load(path, &example, &e), 0), "%s", e.text);
	cr_assert(eq(int, conf_load(NULL, &plain, &e), 0), "%s", e.text);
	for (size_t i = 0; i < conf_option_count(); i++)
		(void)conf_option_at(i);
	conf_write_role(&a, example, ROLE_SCHEDULER);
	conf_write_role(&b, plain, ROLE_SCHEDULER);
	cr_expect_str_eq(buf_str(&a), buf_str(&b));
	conf_free(example);
	conf_free(plain);
}

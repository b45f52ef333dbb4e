/* SPDX-License-Identifier: MIT */
/*
 * test_man_metrics.c - agent-runner-metrics(7) tells what /metrics shows and nothing
 * else, shows the alerts as the file of rules has them, and promtool likes both.
 */
#include "config.h"

#include "tests/unit/source_file.h"

#include "common/conf/conf.h"
#include "gateway/metrics_text.h"

#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#define PAGE "man/agent-runner-metrics.7"
#define RULES "etc/agent-runner.rules.yml"
#define PREFIX "agent_runner_"

/* What the gateway answers when everything has happened once. */
static char *
exposition(void)
{
	static struct control_metrics metrics;
	CLEANUP(conf_freep) struct conf *conf = NULL;
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct err e = ERR_INIT;

	cr_assert(conf_load(NULL, &conf, &e) == 0, "%s", e.text);
	metrics.restarts[ROLE_WORKER][9] = 1;
	metrics_text_write(&out, conf, &metrics);
	return buf_take(&out, NULL);
}

/* The names of the labels of the first sample, "le" aside, as the page writes them. */
static void
labels_of(const char *text, const char *name, char *out, size_t max)
{
	char head[128];
	const char *p, *end;
	size_t n = 0;

	out[0] = '\0';
	(void)snprintf(head, sizeof(head), "\n" PREFIX "%s{", name);
	p = strstr(text, head);
	if (p == NULL) {
		(void)snprintf(head, sizeof(head), "\n" PREFIX "%s_bucket{", name);
		p = strstr(text, head);
	}
	if (p == NULL)
		return;
	p += strlen(head);
	end = strchr(p, '\n');
	for (const char *eq; (eq = strstr(p, "=\"")) != NULL && eq < end;) {
		if (strncmp(p, "le=", 3) != 0)
			n += (size_t)snprintf(out + n, max - n, "%s%.*s",
			    n > 0 ? " , " : "", (int)(eq - p), p);
		p = strchr(eq + 2, '"');
		p += strspn(p, "\",");
	}
}

Test(man_metrics, every_metric_is_on_the_page_with_type_and_labels)
{
	CLEANUP(freep) char *page = read_source(PAGE);
	CLEANUP(freep) char *text = exposition();
	unsigned n_shown = 0, n_told = 0;

	for (const char *p = text; (p = strstr(p, "# TYPE " PREFIX)) != NULL;) {
		char name[64], type[16], labels[64], item[256];

		p += strlen("# TYPE " PREFIX);
		cr_assert(sscanf(p, "%63s %15s", name, type) == 2);
		labels_of(text, name, labels, sizeof(labels));
		(void)snprintf(item, sizeof(item), "\n.It Ic %s Pq %s%s%s%s\n", name,
		    type, labels[0] != '\0' ? " ; label" : "",
		    labels[0] == '\0'                 ? ""
			: strchr(labels, ',') != NULL ? "s "
						      : " ",
		    labels);
		cr_expect(strstr(page, item) != NULL, "not on the page: %s", item + 1);
		n_shown++;
	}
	cr_expect(n_shown > METRIC_COUNT);
	for (const char *p = page; (p = strstr(p, "\n.It Ic ")) != NULL; p++)
		n_told += memmem(p + 8, strcspn(p + 8, "\n"), " Pq ", 4) != NULL;
	cr_expect(n_told == n_shown, "%u metrics are shown, %u told", n_shown, n_told);
}

/* Every name with our prefix in an expression is one that is shown. */
static void
expect_names(const char *of, const char *in)
{
	CLEANUP(freep) char *text = exposition();
	unsigned n = 0;

	for (const char *p = in; (p = strstr(p, PREFIX)) != NULL; n++) {
		size_t len =
		    strspn(p, "abcdefghijklmnopqrstuvwxyz_ABCDEFGHIJKLMNOPQRSTUVWXYZ");
		char sample[128];

		if (len == strlen(PREFIX)) { /* the page speaks of the prefix itself */
			p += len;
			continue;
		}
		(void)snprintf(sample, sizeof(sample), "\n%.*s", (int)len, p);
		cr_expect(strstr(text, sample) != NULL, "%s: %s is not shown", of,
		    sample + 1);
		p += len;
	}
	cr_expect(n > 10, "%s", of);
}

Test(man_metrics, expressions_use_what_is_shown)
{
	CLEANUP(freep) char *page = read_source(PAGE);
	CLEANUP(freep) char *rules = read_source(RULES);

	expect_names(PAGE, page);
	expect_names(RULES, rules);
}

/* The lines of ".Dl" from p on as one; returns where they end. */
static const char *
expression(const char *p, struct buf *out)
{
	buf_clear(out);
	for (; strncmp(p, ".Dl ", 4) == 0; p = strchr(p, '\n') + 1) {
		if (out->len > 0)
			buf_addc(out, ' ');
		buf_add(out, p + 4, strcspn(p + 4, "\n"));
	}
	return p;
}

/* "sum(increase( x" of a broken line and "sum(increase(x" are the same */
static void
without_blanks(struct buf *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->len; i++)
		if (b->data[i] != ' ')
			b->data[n++] = b->data[i];
	b->len = n;
	b->data[n] = '\0';
}

Test(man_metrics, the_alerts_are_those_of_the_file)
{
	CLEANUP(freep) char *page = read_source(PAGE);
	CLEANUP(freep) char *rules = read_source(RULES);
	CLEANUP_BUF struct buf told = BUF_INIT;
	CLEANUP_BUF struct buf is = BUF_INIT;
	unsigned n = 0, n_told = 0;

	for (const char *p = rules; (p = strstr(p, "- alert: ")) != NULL; n++) {
		char name[64], item[128];
		const char *at, *expr = strstr(p, "expr: ") + 6;

		cr_assert(sscanf(p, "- alert: %63s", name) == 1);
		(void)snprintf(item, sizeof(item), "\n.It Ic %s\n", name);
		at = strstr(page, item);
		cr_expect(at != NULL, "%s is not on the page", name);
		p += 9;
		if (at == NULL)
			continue;
		(void)expression(at + strlen(item), &told);
		buf_clear(&is);
		buf_add(&is, expr, strcspn(expr, "\n"));
		without_blanks(&told);
		without_blanks(&is);
		cr_expect(strcmp(buf_str(&told), buf_str(&is)) == 0, "%s: %s", name,
		    buf_str(&told));
	}
	for (const char *p = page; (p = strstr(p, "\n.It Ic AgentRunner")) != NULL; p++)
		n_told++;
	cr_expect(n == n_told && n > 10, "%u in the file, %u on the page", n, n_told);
}

/* promtool ... FILE; its words when it is not content. */
static void
expect_promtool(const char *what, const char *file)
{
	char command[600], said[4096];
	size_t n;
	FILE *p;

	(void)snprintf(command, sizeof(command), "promtool %s %s 2>&1", what, file);
	p = popen(command, "r");
	cr_assert(p != NULL);
	n = fread(said, 1, sizeof(said) - 1, p);
	said[n] = '\0';
	cr_expect(pclose(p) == 0, "%s", said);
}

static void
need_promtool(void)
{
	if (system("command -v promtool >/dev/null 2>&1") != 0)
		cr_skip_test("promtool is not installed");
}

Test(man_metrics, promtool_reads_every_expression_of_the_page)
{
	CLEANUP(freep) char *page = read_source(PAGE);
	CLEANUP_BUF struct buf expr = BUF_INIT;
	char name[] = "/tmp/test-man-metrics-XXXXXX";
	unsigned n = 0;
	FILE *f;
	int fd;

	need_promtool();
	fd = mkstemp(name);
	cr_assert(fd >= 0);
	f = fdopen(fd, "w");
	cr_assert(f != NULL);
	fputs("groups:\n- name: page\n  rules:\n", f);
	for (const char *p = page; (p = strstr(p, "\n.Dl ")) != NULL; n++) {
		p = expression(p + 1, &expr) - 1;
		fprintf(f, "  - record: page:%u\n    expr: |\n      %s\n", n,
		    buf_str(&expr));
	}
	cr_expect(n > 20);
	cr_assert(fclose(f) == 0);
	expect_promtool("check rules", name);
	(void)unlink(name);
}

/* Each alert is silent while all is well and speaks when it should. */
Test(man_metrics, alerts_fire_when_they_should_and_only_then)
{
	const char *srcdir = getenv("srcdir");
	char path[512];

	need_promtool();
	(void)snprintf(path, sizeof(path), "%s/tests/unit/alerts.yml",
	    srcdir != NULL ? srcdir : ".");
	expect_promtool("test rules", path);
}

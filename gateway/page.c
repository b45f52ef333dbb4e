/* SPDX-License-Identifier: MIT */
/*
 * page.c - the status page: what a human wants to see first, in plain HTML.
 *
 * Owns:   nothing.
 * Called: by the HTTP server for GET /.
 * Fails:  never; what is not known is left out.
 */
#include "config.h"

#include "gateway/health.h"

#include "common/clock.h"
#include "common/conf/targets.h"

#include <inttypes.h>
#include <string.h>

static const char head[] =
    "<!DOCTYPE html>\n"
    "<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
    "<meta http-equiv=\"refresh\" content=\"5\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n"
    "<title>agent-runner</title><style>\n"
    "body{font:16px/1.5 sans-serif;margin:2em auto;max-width:56em;padding:0 1em;"
    "color:#222;background:#fff}\n"
    "table{border-collapse:collapse;margin:1em 0}th,td{text-align:left;"
    "padding:.2em 1.2em .2em 0;border-bottom:1px solid #ccc}\n"
    ".n{text-align:right}.bad{color:#a00}.good{color:#060}\n"
    "@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}"
    "th,td{border-color:#444}.bad{color:#f88}.good{color:#8d8}}\n"
    "</style></head><body>\n";

static void
add_escaped(struct buf *out, const char *text)
{
	for (; *text != '\0'; text++) {
		switch (*text) {
		case '&':
			buf_adds(out, "&amp;");
			break;
		case '<':
			buf_adds(out, "&lt;");
			break;
		case '>':
			buf_adds(out, "&gt;");
			break;
		case '"':
			buf_adds(out, "&quot;");
			break;
		default:
			buf_addc(out, *text);
		}
	}
}

static void
add_duration(struct buf *out, uint64_t ms)
{
	uint64_t s = ms / 1000;

	if (s >= 86400)
		buf_addf(out, "%" PRIu64 " d %" PRIu64 " h", s / 86400,
		    s % 86400 / 3600);
	else if (s >= 3600)
		buf_addf(out, "%" PRIu64 " h %" PRIu64 " min", s / 3600, s % 3600 / 60);
	else if (s >= 60)
		buf_addf(out, "%" PRIu64 " min %" PRIu64 " s", s / 60, s % 60);
	else
		buf_addf(out, "%" PRIu64 " s", s);
}

static void
add_children(struct buf *out, const struct control_status *status)
{
	buf_adds(out,
	    "<h2>Processes</h2><table><tr><th>role</th><th class=\"n\">slot</th>"
	    "<th>state</th><th class=\"n\">pid</th><th class=\"n\">running</th>"
	    "<th class=\"n\">done</th><th>up</th><th class=\"n\">restarts</th></tr>\n");
	for (uint32_t i = 0; i < status->n_children; i++) {
		const struct control_child *c = &status->children[i];
		bool is_bad = c->state == CHILD_BROKEN || (c->pid > 0 && !c->is_alive);

		buf_addf(out,
		    "<tr><td>%s</td><td class=\"n\">%u</td><td%s>%s</td>"
		    "<td class=\"n\">%d</td><td class=\"n\">%u</td>"
		    "<td class=\"n\">%" PRIu64 "</td><td>",
		    c->role < ROLE_COUNT ? role_name((enum role)c->role) : "?", c->slot,
		    is_bad ? " class=\"bad\"" : "",
		    control_state_name((enum child_state)c->state), c->pid,
		    c->jobs_in_flight, c->jobs_done);
		add_duration(out, c->uptime_ms);
		buf_addf(out, "</td><td class=\"n\">%u</td></tr>\n", c->restarts);
	}
	buf_adds(out, "</table>\n");
}

static const struct {
	const char *name;
	enum metric metric;
} numbers[] = {
	{ "queued", METRIC_QUEUE_QUEUED },
	{ "held by workers", METRIC_QUEUE_HELD },
	{ "delayed", METRIC_QUEUE_DELAYED },
	{ "parked", METRIC_QUEUE_PARKED },
	{ "alone", METRIC_QUEUE_ALONE },
	{ "dead letters", METRIC_QUEUE_DEAD },
	{ "jobs taken", METRIC_JOBS_TAKEN },
	{ "tool calls", METRIC_TOOL_CALLS },
};

static void
add_numbers(struct buf *out, const struct control_metrics *metrics)
{
	buf_adds(out, "<h2>Jobs</h2><table>\n");
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		buf_addf(out, "<tr><td>%s</td><td class=\"n\">%" PRIu64 "</td></tr>\n",
		    numbers[i].name,
		    metrics->cells[metric_info(numbers[i].metric)->first_cell]);
	buf_adds(out, "</table>\n");
}

static uint64_t
number_at(const struct control_metrics *metrics, enum metric m, unsigned label)
{
	return metrics->cells[metric_info(m)->first_cell + label];
}

/* All but "other", which no provider of the configuration is. */
static void
add_models(struct buf *out, const struct conf *conf,
    const struct control_metrics *metrics)
{
	static const char *const states[] = { "asked", "being tried", "resting" };
	struct conf_target target;

	buf_adds(out,
	    "<h2>Models</h2><table><tr><th>provider</th><th>model</th><th>state</th>"
	    "<th class=\"n\">calls</th><th class=\"n\">failed</th></tr>\n");
	for (unsigned i = 0; i < METRIC_TARGETS_MAX - 1; i++) {
		uint64_t state = number_at(metrics, METRIC_LLM_BREAKER, i);

		if (!conf_target_at(conf, i, &target))
			continue;
		buf_adds(out, "<tr><td>");
		add_escaped(out, target.provider);
		buf_adds(out, "</td><td>");
		add_escaped(out, target.model);
		buf_addf(out,
		    "</td><td%s>%s</td><td class=\"n\">%" PRIu64
		    "</td><td class=\"n\">%" PRIu64 "</td></tr>\n",
		    state > 0 ? " class=\"bad\"" : "",
		    state < ARRAY_LEN(states) ? states[state] : "?",
		    number_at(metrics, METRIC_LLM_CALLS, i),
		    number_at(metrics, METRIC_LLM_ERRORS, i));
	}
	buf_adds(out, "</table>\n");
}

static void
add_reason(void *page, const char *reason)
{
	struct buf *out = page;

	buf_adds(out, "<li>");
	add_escaped(out, reason);
	buf_adds(out, "</li>\n");
}

void
health_write_page(struct buf *out, const struct conf *conf,
    const struct health_facts *facts)
{
	CLEANUP_BUF struct buf reasons = BUF_INIT;
	bool is_ready = health_each_reason(facts, add_reason, &reasons);

	buf_adds(out, head);
	buf_adds(out, "<h1>");
	add_escaped(out, conf->service.name);
	buf_adds(out, "</h1><p>agent-runner " PACKAGE_VERSION " on ");
	add_escaped(out, conf->service.node);
	if (facts->status != NULL) {
		buf_adds(out, ", up ");
		add_duration(out, facts->status->uptime_ms);
		if (facts->status->is_unprivileged)
			buf_adds(out, ", started without root");
	}
	buf_addf(out, ". <strong class=\"%s\">%s</strong></p>\n",
	    is_ready ? "good" : "bad", is_ready ? "Ready" : "Not ready");
	if (!is_ready)
		buf_addf(out, "<ul>\n%s</ul>\n", buf_str(&reasons));
	if (facts->status != NULL && facts->status->degraded[0] != '\0') {
		buf_adds(out, "<p>The sandbox is degraded: ");
		add_escaped(out, facts->status->degraded);
		buf_adds(out, ".</p>\n");
	}
	if (facts->status != NULL)
		add_children(out, facts->status);
	if (facts->metrics != NULL) {
		add_models(out, conf, facts->metrics);
		add_numbers(out, facts->metrics);
	}
	buf_adds(out,
	    "<p><a href=\"/health?ready=1\">health</a> <a href=\"/metrics\">metrics</a>"
	    "</p></body></html>\n");
}

/* SPDX-License-Identifier: MIT */
/*
 * metrics_text.c - walks the table of metrics and spells out names, labels and units.
 *
 * Owns:   nothing.
 * Called: by the HTTP server for /metrics.
 * Fails:  never, but for the buffer's memory.
 */
#include "config.h"

#include "gateway/metrics_text.h"

#include "common/conf/targets.h"
#include "common/error_types.h" /* names only: the numbers are label values */

#include <inttypes.h>
#include <string.h>

#define PREFIX "agent_runner_"

/* Cells are whole numbers; these are counted in fractions of the unit that is shown. */
static const struct {
	enum metric metric;
	double per_unit;
} scales[] = {
	{ METRIC_COST_MICROUSD, 1e6 },
	{ METRIC_QUEUE_OLDEST_MS, 1e3 },
};

static const char *const type_names[] = {
	[METRIC_COUNTER] = "counter",
	[METRIC_GAUGE] = "gauge",
	[METRIC_LEVEL] = "gauge",
	[METRIC_HISTOGRAM] = "histogram",
};

static double
scale_of(enum metric m)
{
	for (size_t i = 0; i < ARRAY_LEN(scales); i++)
		if (scales[i].metric == m)
			return scales[i].per_unit;
	return 1;
}

static void
add_head(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_addf(out, "# HELP " PREFIX "%s %s.\n# TYPE " PREFIX "%s %s\n", name, help,
	    name, type);
}

/* name="value" with the escapes of the format */
static void
add_label(struct buf *out, const char *name, const char *value)
{
	if (out->len > 0)
		buf_addc(out, ',');
	buf_addf(out, "%s=\"", name);
	for (; *value != '\0'; value++) {
		if (*value == '\\' || *value == '"')
			buf_addc(out, '\\');
		if (*value == '\n')
			buf_adds(out, "\\n");
		else
			buf_addc(out, *value);
	}
	buf_addc(out, '"');
}

static bool
status_labels(struct buf *labels, const struct conf *conf UNUSED, unsigned i)
{
	if (i >= ERROR_TYPE_COUNT)
		return false;
	add_label(labels, "status", i == ERROR_TYPE_NONE ? "completed" : "failed");
	add_label(labels, "error_type", error_type_name((enum error_type)i));
	return true;
}

static bool
target_labels(struct buf *labels, const struct conf *conf, unsigned i)
{
	struct conf_target target;

	if (!conf_target_at(conf, i, &target))
		return false;
	add_label(labels, "provider", target.provider);
	add_label(labels, "model", target.model);
	return true;
}

/* What the label of the table is spelled out to; false: no such value. */
static const struct {
	const char *label;
	bool (*spell)(struct buf *labels, const struct conf *conf, unsigned i);
} spellings[] = {
	{ "status", status_labels },
	{ "target", target_labels },
};

static bool
spell_labels(struct buf *labels, const struct conf *conf,
    const struct metric_info *info, unsigned i)
{
	char number[16];

	buf_clear(labels);
	if (info->label == NULL)
		return true;
	for (size_t s = 0; s < ARRAY_LEN(spellings); s++)
		if (strcmp(spellings[s].label, info->label) == 0)
			return spellings[s].spell(labels, conf, i);
	(void)snprintf(number, sizeof(number), "%u", i);
	add_label(labels, info->label, number);
	return true;
}

static void
add_value(struct buf *out, const struct metric_info *info, const char *suffix,
    const struct buf *labels, double v)
{
	buf_addf(out, PREFIX "%s%s", info->name, suffix);
	if (labels->len > 0)
		buf_addf(out, "{%s}", buf_str(labels));
	buf_addf(out, " %.15g\n", v);
}

static void
add_histogram(struct buf *out, const struct metric_info *info, struct buf *labels,
    const uint64_t *cells)
{
	size_t base = labels->len;
	uint64_t sum = 0;
	char bound[32];

	for (unsigned b = 0; b < METRIC_BUCKETS; b++) {
		sum += cells[b];
		if (b < METRIC_BUCKETS - 1)
			(void)snprintf(bound, sizeof(bound), "%g",
			    metric_bucket_sec[b]);
		else
			(void)snprintf(bound, sizeof(bound), "+Inf");
		add_label(labels, "le", bound);
		add_value(out, info, "_bucket", labels, (double)sum);
		labels->len = base;
		if (labels->data != NULL)
			labels->data[base] = '\0';
	}
	add_value(out, info, "_sum", labels, (double)cells[METRIC_BUCKETS] / 1e6);
	add_value(out, info, "_count", labels, (double)sum);
}

static void
add_metric(struct buf *out, const struct conf *conf, const uint64_t *cells,
    enum metric m)
{
	CLEANUP_BUF struct buf labels = BUF_INIT;
	const struct metric_info *info = metric_info(m);
	bool is_histogram = info->type == METRIC_HISTOGRAM;
	unsigned step = is_histogram ? (unsigned)METRIC_HISTOGRAM_CELLS : 1;

	add_head(out, info->name, type_names[info->type], info->help);
	for (unsigned i = 0; i < info->width; i++) {
		const uint64_t *cell = &cells[info->first_cell + i * step];

		if (!spell_labels(&labels, conf, info, i))
			continue;
		if (is_histogram)
			add_histogram(out, info, &labels, cell);
		else
			add_value(out, info, "", &labels, (double)*cell / scale_of(m));
	}
}

static void
add_restarts(struct buf *out, const struct control_metrics *metrics)
{
	add_head(out, "restarts_total", "counter",
	    "Ends of children by role and signal (0: they ended by themselves)");
	for (int role = 0; role < ROLE_COUNT; role++)
		for (int signal = 0; signal < CONTROL_SIGNALS; signal++)
			if (metrics->restarts[role][signal] > 0)
				buf_addf(out,
				    PREFIX "restarts_total{role=\"%s\",signal=\"%d\"} "
					   "%" PRIu32 "\n",
				    role_name((enum role)role), signal,
				    metrics->restarts[role][signal]);
}

static void
add_seconds(struct buf *out, const char *name, const char *help, int64_t ms)
{
	add_head(out, name, "gauge", help);
	buf_addf(out, PREFIX "%s %" PRId64 ".%03d\n", name, ms / 1000,
	    (int)(ms % 1000));
}

void
metrics_text_write(struct buf *out, const struct conf *conf,
    const struct control_metrics *metrics)
{
	CLEANUP_BUF struct buf labels = BUF_INIT;
	char version[sizeof(metrics->version) + 1];

	for (int m = 0; m < METRIC_COUNT; m++)
		add_metric(out, conf, metrics->cells, (enum metric)m);
	add_restarts(out, metrics);
	add_head(out, "reload_success", "gauge", "1 when the last reload was accepted");
	buf_addf(out, PREFIX "reload_success %u\n", metrics->reload_ok);
	add_seconds(out, "reload_timestamp_seconds",
	    "When the configuration was last read", metrics->reloaded_at_ms);
	add_seconds(out, "start_timestamp_seconds", "When the daemon was started",
	    metrics->started_at_ms);
	(void)snprintf(version, sizeof(version), "%.*s", (int)sizeof(metrics->version),
	    metrics->version);
	add_head(out, "build_info", "gauge", "1, with the version as a label");
	add_label(&labels, "version", version);
	buf_addf(out, PREFIX "build_info{%s} 1\n", buf_str(&labels));
}

/* SPDX-License-Identifier: MIT */
/*
 * status.c - agentctl status: the daemon's processes and the queue's counts.
 *
 * Owns:   nothing.
 * Called: by main.c.
 * Fails:  what can be reached is shown; what is away makes the status CTL_UNAVAILABLE.
 */
#include "config.h"

#include "common/clock.h"
#include "common/conf/targets.h"
#include "common/role/control.h"
#include "ctl/ctl.h"
#include "ctl/table.h"

#include <errno.h>
#include <string.h>

enum {
	ASK_MS = 5000
};

struct view {
	struct control_status *daemon;   /* NULL: away */
	struct control_metrics *metrics; /* NULL: away */
	struct queue_answer queue;
	bool has_queue;
};

/* ---- for people ---- */

static void
show_daemon(const struct ctl *ctl, struct buf *out, const struct control_status *s)
{
	char paused[96], refused[CONTROL_TEXT_MAX + 16];
	char pid[16], since[CLOCK_ISO_MAX], uptime[32], reloads[64], line[96];
	struct ctl_fact facts[] = {
		{ "version", s->version },
		{ "node", s->node },
		{ "pid", pid },
		{ "up", line },
		{ "user",
		    s->is_unprivileged ? "the caller's (started without root)" : NULL },
		{ "degraded", s->degraded[0] != '\0' ? s->degraded : NULL },
		{ "draining", s->is_draining ? "yes" : NULL },
		{ "reloads", s->reloads_ok + s->reloads_failed > 0 ? reloads : NULL },
		{ "reloading", s->is_reloading ? "yes" : NULL },
		{ "last reload", s->reload_result < 0 ? refused : NULL },
		{ "paused", s->paused_ms > 0 ? paused : NULL },
	};

	(void)snprintf(pid, sizeof(pid), "%d", s->pid);
	(void)snprintf(line, sizeof(line), "%s, since %s",
	    ctl_duration((int64_t)s->uptime_ms, uptime),
	    clock_iso(s->started_at_ms, since));
	(void)snprintf(refused, sizeof(refused), "refused: %s", s->reload_text);
	(void)snprintf(paused, sizeof(paused),
	    "for %llu s: job after job took its worker down",
	    (unsigned long long)(s->paused_ms + 999) / 1000);
	(void)snprintf(reloads, sizeof(reloads), "%u accepted, %u refused",
	    s->reloads_ok, s->reloads_failed);
	ctl_show_facts(ctl, out, facts, ARRAY_LEN(facts));
}

static void
show_children(const struct ctl *ctl, struct buf *out, const struct control_status *s)
{
	static const char *const heads[] = { "role", "slot", "state", "pid", "jobs",
		"done", "restarts", "up", "alive" };
	CLEANUP(table_freep) struct table *t = table_new();
	char up[32];

	for (size_t i = 0; i < ARRAY_LEN(heads); i++)
		table_column(t, heads[i]);
	for (uint32_t i = 0; i < s->n_children && i < CONTROL_CHILDREN_MAX; i++) {
		const struct control_child *c = &s->children[i];

		if (c->state == CHILD_EMPTY || c->role >= ROLE_COUNT ||
		    c->state >= CHILD_STATE_COUNT)
			continue;
		table_text(t, role_name((enum role)c->role));
		table_int(t, c->slot);
		table_text(t, control_state_name((enum child_state)c->state));
		table_int(t, c->pid);
		table_int(t, c->jobs_in_flight);
		table_int(t, (int64_t)c->jobs_done);
		table_int(t, c->restarts);
		table_text(t, ctl_duration((int64_t)c->uptime_ms, up));
		table_text(t, c->is_alive ? "yes" : "no");
	}
	buf_addc(out, '\n');
	table_write(out, t, ctl->width, ctl->has_colour);
}

/* How a breaker's state reads, by its number in the metrics. */
static const char *const provider_states[] = { "asked", "being tried", "resting" };

static const char *
provider_state(const struct control_metrics *m, unsigned target)
{
	uint64_t state = m->cells[metric_info(METRIC_LLM_BREAKER)->first_cell + target];

	return state < ARRAY_LEN(provider_states) ? provider_states[state] : "unknown";
}

static void
show_providers(const struct ctl *ctl, struct buf *out, const struct control_metrics *m)
{
	CLEANUP(table_freep) struct table *t = table_new();
	struct conf_target target;

	table_column(t, "provider");
	table_column(t, "model");
	table_column(t, "state");
	for (unsigned i = 0; i < METRIC_TARGETS_MAX - 1; i++) {
		if (!conf_target_at(ctl->conf, i, &target))
			break;
		table_text(t, target.provider);
		table_text(t, target.model);
		table_text(t, provider_state(m, i));
	}
	buf_addc(out, '\n');
	table_write(out, t, ctl->width, ctl->has_colour);
}

/* ---- for programs ---- */

static void
put_int(struct json_writer *w, const char *name, int64_t i)
{
	jw_key(w, name);
	jw_int(w, i);
}

static void
put_text(struct json_writer *w, const char *name, const char *text)
{
	jw_key(w, name);
	jw_cstr(w, text);
}

static void
write_child(struct json_writer *w, const struct control_child *c)
{
	jw_object_begin(w);
	put_text(w, "role", role_name((enum role)c->role));
	put_int(w, "slot", c->slot);
	put_text(w, "state", control_state_name((enum child_state)c->state));
	put_int(w, "pid", c->pid);
	put_int(w, "generation", c->generation);
	put_int(w, "jobs_in_flight", c->jobs_in_flight);
	put_int(w, "jobs_done", (int64_t)c->jobs_done);
	put_int(w, "restarts", c->restarts);
	put_int(w, "uptime_ms", (int64_t)c->uptime_ms);
	jw_key(w, "is_alive");
	jw_bool(w, c->is_alive != 0);
	jw_object_end(w);
}

static void
write_daemon(struct json_writer *w, const struct control_status *s)
{
	jw_object_begin(w);
	put_text(w, "version", s->version);
	put_text(w, "node", s->node);
	put_text(w, "boot", s->boot);
	put_int(w, "pid", s->pid);
	put_int(w, "generation", s->generation);
	put_int(w, "uptime_ms", (int64_t)s->uptime_ms);
	put_int(w, "started_at_ms", s->started_at_ms);
	jw_key(w, "is_draining");
	jw_bool(w, s->is_draining != 0);
	jw_key(w, "is_unprivileged");
	jw_bool(w, s->is_unprivileged != 0);
	put_text(w, "degraded", s->degraded);
	put_int(w, "reloads_ok", s->reloads_ok);
	put_int(w, "reloads_failed", s->reloads_failed);
	jw_key(w, "is_reloading");
	jw_bool(w, s->is_reloading != 0);
	put_int(w, "reload_result", s->reload_result);
	put_text(w, "reload_text", s->reload_text);
	put_int(w, "paused_ms", (int64_t)s->paused_ms);
	jw_key(w, "children");
	jw_array_begin(w);
	for (uint32_t i = 0; i < s->n_children && i < CONTROL_CHILDREN_MAX; i++)
		if (s->children[i].role < ROLE_COUNT &&
		    s->children[i].state < CHILD_STATE_COUNT)
			write_child(w, &s->children[i]);
	jw_array_end(w);
	jw_object_end(w);
}

static void
write_providers(struct json_writer *w, const struct conf *conf,
    const struct control_metrics *m)
{
	struct conf_target target;

	jw_array_begin(w);
	for (unsigned i = 0; m != NULL && i < METRIC_TARGETS_MAX - 1; i++) {
		if (!conf_target_at(conf, i, &target))
			break;
		jw_object_begin(w);
		put_text(w, "provider", target.provider);
		put_text(w, "model", target.model);
		put_text(w, "state", provider_state(m, i));
		jw_object_end(w);
	}
	jw_array_end(w);
}

static void
write_view(const struct ctl *ctl, struct buf *out, const struct view *v)
{
	struct json_writer w;

	jw_init(&w, out);
	jw_object_begin(&w);
	jw_key(&w, "daemon");
	if (v->daemon != NULL)
		write_daemon(&w, v->daemon);
	else
		jw_null(&w);
	jw_key(&w, "providers");
	write_providers(&w, ctl->conf, v->metrics);
	jw_key(&w, "queue");
	if (v->has_queue)
		ctl_write_queue(&w, &v->queue);
	else
		jw_null(&w);
	jw_object_end(&w);
	buf_addc(out, '\n');
}

/* ---- the command ---- */

static int
ask_daemon(struct ctl *ctl, struct control_status **out)
{
	CLEANUP(freep) struct control_status *s = calloc(1, sizeof(*s));
	struct err err = ERR_INIT;
	char path[108];
	int r = s == NULL ? -ENOMEM : control_path(ctl->conf->service.run_dir, path);

	if (r < 0)
		return ctl_fail(CTL_CONFIG,
		    "service.run_dir is too long for a socket's name");
	r = control_status(path, ASK_MS, s, &err);
	if (r < 0)
		return ctl_fail(CTL_UNAVAILABLE, "the daemon is away: %s",
		    err_text(&err));
	s->version[sizeof(s->version) - 1] = '\0';
	s->node[sizeof(s->node) - 1] = '\0';
	s->boot[sizeof(s->boot) - 1] = '\0';
	s->reload_text[sizeof(s->reload_text) - 1] = '\0';
	*out = TAKE_PTR(s);
	return CTL_OK;
}

static void
ask_metrics(struct ctl *ctl, struct control_metrics **out)
{
	CLEANUP(freep) struct control_metrics *m = calloc(1, sizeof(*m));
	char path[108];

	if (m != NULL && control_path(ctl->conf->service.run_dir, path) == 0 &&
	    control_metrics(path, ASK_MS, m, NULL) == 0)
		*out = TAKE_PTR(m);
}

int
ctl_status(struct ctl *ctl)
{
	CLEANUP(redis_reply_freep) struct redisReply *reply = NULL;
	CLEANUP(freep) struct control_status *daemon_status = NULL;
	CLEANUP(freep) struct control_metrics *metrics = NULL;
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct view v = { 0 };
	struct queue_command c;
	int r, daemon_r, queue_r;

	r = ctl_need_conf_anyway(ctl);
	if (r != CTL_OK)
		return r;
	daemon_r = ask_daemon(ctl, &daemon_status);
	v.daemon = daemon_status;
	if (daemon_r == CTL_OK)
		ask_metrics(ctl, &metrics);
	v.metrics = metrics;
	queue_r = ctl_need_redis(ctl);
	if (queue_r == CTL_OK) {
		queue_cmd_stats(&c, &ctl->queue);
		queue_r = ctl_queue(ctl, &c, &reply, &v.queue);
	}
	v.has_queue = queue_r == CTL_OK;
	if (ctl->is_json)
		write_view(ctl, &out, &v);
	if (!ctl->is_json && v.daemon != NULL) {
		show_daemon(ctl, &out, v.daemon);
		show_children(ctl, &out, v.daemon);
	}
	if (!ctl->is_json && v.metrics != NULL)
		show_providers(ctl, &out, v.metrics);
	if (!ctl->is_json && v.has_queue)
		ctl_show_queue(ctl, &out, &v.queue);
	r = ctl_put(&out);
	return daemon_r != CTL_OK ? daemon_r : queue_r != CTL_OK ? queue_r : r;
}

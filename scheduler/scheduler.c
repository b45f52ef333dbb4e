/* SPDX-License-Identifier: MIT */
/*
 * scheduler.c - one turn of the queue's keeper.
 *
 * Owns:   the observer, the present set, the times at which things are due.
 * Called: by main.c each second, sooner when a set arrives or a job is due.
 * Fails:  with the client's errors; the next turn starts again from what Redis holds.
 */
#include "config.h"

#include "scheduler/scheduler.h"

#include "common/clock.h"
#include "common/fault_point.h"
#include "common/log.h"
#include "common/queue/queue_dead.h"
#include "common/queue/queue_rights.h"
#include "common/queue/queue_stats.h"
#include "scheduler/observer.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

enum {
	TURN_MS = 1000,
	TRIM_MS = 60000,
	EVICTION_MS = 5000,
	CALLS_MAX = 50 /* of one script in one turn; the next turn goes on */
};

struct scheduler {
	struct scheduler_options o;
	struct observer *observer;
	struct live_set set;
	/* arrived, not yet in use: names may still be borrowed */
	struct live_set next_set;
	bool has_set, has_next_set;
	uint64_t checked_epoch; /* the connection whose server was found fit */
	uint64_t beat_due_ms, trim_due_ms, eviction_due_ms;
	bool may_evict;         /* has been told */
	uint64_t head_since_ms; /* the head of the queue has been the same since */
	char head_digest[44];
	int64_t paused_ms;  /* since then, as the log was told; 0: it is not */
	bool is_redis_away; /* has been told */
};

int
scheduler_new(const struct scheduler_options *o, struct scheduler **out)
{
	CLEANUP(scheduler_freep) struct scheduler *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return -ENOMEM;
	s->o = *o;
	s->observer = observer_new((uint64_t)o->setup->lease_sec * 1000);
	if (s->observer == NULL)
		return -ENOMEM;
	*out = TAKE_PTR(s);
	return 0;
}

void
scheduler_free(struct scheduler *s)
{
	if (s == NULL)
		return;
	observer_free(s->observer);
	live_set_release(&s->set);
	live_set_release(&s->next_set);
	free(s);
}

void
scheduler_freep(struct scheduler **s)
{
	scheduler_free(*s);
}

void
scheduler_set(struct scheduler *s, struct live_set *set)
{
	live_set_release(&s->next_set);
	s->next_set = *set;
	*set = (struct live_set){ 0 };
	s->has_next_set = true;
}

/* Hears what the supervisor sent and goes by it from now on. Nothing of the former set
   may be in use. */
static void
listen_and_adopt(struct scheduler *s)
{
	s->o.listen(s->o.arg);
	if (!s->has_next_set)
		return;
	live_set_release(&s->set);
	s->set = s->next_set;
	s->next_set = (struct live_set){ 0 };
	s->has_next_set = false;
	s->has_set = true;
	s->beat_due_ms = 0; /* newcomers get a beat at once */
}

/* A short lease wants more turns: beats are due each sixth of it, and an observer that
   does not look for a third of it begins its watch anew. */
static uint64_t
turn_ms(const struct scheduler *s)
{
	uint64_t sixth = (uint64_t)s->o.setup->lease_sec * 1000 / 6;

	return sixth < TURN_MS ? sixth : TURN_MS;
}

static void
gauge(struct scheduler *s, enum metric m, int64_t v)
{
	if (s->o.metrics != NULL)
		metric_set(s->o.metrics, m, 0, v > 0 ? (uint64_t)v : 0);
}

/* ---- is this server fit, after each new connection ---- */

static int
check_server(struct scheduler *s, struct err *err)
{
	struct err warning = ERR_INIT;
	int r = redis_sync_connect(s->o.redis, err);

	if (r < 0 || redis_sync_epoch(s->o.redis) == s->checked_epoch)
		return r;
	/* refused at the start; later that would only stop the beats, so it is told */
	r = queue_check_server(s->o.redis, s->o.allow_eviction || s->checked_epoch != 0,
	    &warning, err);
	if (r == 0)
		r = queue_check_rights(s->o.redis, s->o.setup, err);
	if (r == 0)
		r = queue_meta_check(s->o.redis, s->o.setup, "", err);
	if (r < 0)
		return r;
	if (s->checked_epoch == 0 && warning.text[0] != '\0')
		log_warning("%s", warning.text);
	s->checked_epoch = redis_sync_epoch(s->o.redis);
	s->eviction_due_ms = 0;
	return 0;
}

/* Somebody may change the policy at any time. */
static int
watch_eviction(struct scheduler *s, uint64_t now_ms, struct err *err)
{
	struct err why = ERR_INIT;
	int r;

	if (s->o.allow_eviction || now_ms < s->eviction_due_ms)
		return 0;
	r = queue_check_eviction(s->o.redis, &why);
	if (r < 0 && r != -EINVAL)
		return err_set(err, r, "%s", err_text(&why));
	if (r == -EINVAL && !s->may_evict)
		log_error("%s", err_text(&why));
	else if (r == 0 && s->may_evict)
		log_info("%s no longer throws jobs away", redis_sync_name(s->o.redis));
	s->may_evict = r == -EINVAL;
	gauge(s, METRIC_REDIS_MAY_EVICT, s->may_evict);
	s->eviction_due_ms = now_ms + EVICTION_MS;
	return 0;
}

/* ---- recovery ---- */

static void
tell_recovery(const struct queue_recover *r, const struct queue_answer *a,
    int64_t moved)
{
	if (moved == 0 && r->blame == QUEUE_BLAME_NONE) {
		log_debug("holder %s has ended and held nothing", r->holder);
		return;
	}
	if (!a->recover.is_newly_fenced && moved == 0)
		return;
	log_info("holder %s: %s%.*s%s; %lld jobs are back in the queue", r->holder,
	    r->evidence.n > 0 ? "" : "recovered", (int)r->evidence.n, r->evidence.p,
	    a->recover.left > 0 ? ", more to come" : "", (long long)moved);
}

/* Calls the script until the list is empty, or for the rest of this turn's share. */
static int
recover(struct scheduler *s, const struct queue_recover *what, struct err *err)
{
	struct queue_answer last = { 0 };
	int64_t moved = 0;

	for (int i = 0; i < CALLS_MAX; i++) {
		CLEANUP(redis_reply_freep) struct redisReply *reply = NULL;
		struct queue_command c;
		struct queue_answer a;
		int r;

		queue_cmd_recover(&c, s->o.setup, what);
		FAULT_POINT(RECOVER_SEND);
		r = queue_run(s->o.redis, &c, &reply, &a, err);
		if (r < 0)
			return r;
		FAULT_POINT(RECOVER_REPLY);
		if (a.word !=
		    QUEUE_OK) /* alive after all, or another host was faster */
			return 0;
		moved += a.recover.to_jobs + a.recover.to_alone + a.recover.to_dead;
		a.recover.is_newly_fenced |= last.recover.is_newly_fenced;
		last = a;
		if (a.recover.left == 0)
			break;
		s->o.listen(s->o.arg);
	}
	if (moved > 0 && s->o.metrics != NULL)
		metric_add(s->o.metrics, METRIC_JOBS_RECOVERED, 0, (uint64_t)moved);
	tell_recovery(what, &last, moved);
	return 0;
}

static enum queue_blame
blame_from(const char *name)
{
	for (unsigned b = 0; b < QUEUE_BLAME_COUNT; b++)
		if (strcmp(name, queue_blame_name((enum queue_blame)b)) == 0)
			return (enum queue_blame)b;
	return QUEUE_BLAME_UNKNOWN;
}

static struct queue_recover
recovery_of(const struct scheduler *s, const char *holder, enum verdict verdict,
    const char *beat)
{
	const struct live_set_death *death =
	    s->has_set ? live_set_death_of(&s->set, holder) : NULL;
	struct queue_recover r = { .holder = holder,
		.is_told = verdict != VERDICT_EXPIRED,
		.seen_beat = beat,
		.blame = QUEUE_BLAME_UNKNOWN,
		.may_bury = true };

	switch (verdict) {
	case VERDICT_FORMER:
		r.evidence = queue_text("the daemon on its host was started anew");
		break;
	case VERDICT_EXPIRED:
		r.evidence = queue_text("its beat has stopped");
		break;
	default:
		r.evidence = queue_text("its worker has stopped answering");
		break;
	}
	if (r.is_told && death != NULL) {
		r.blame = blame_from(death->blame);
		r.culprit = queue_text(death->job_id);
		r.evidence = queue_text(death->evidence);
	}
	return r;
}

static int
recover_dead(struct scheduler *s, struct err *err)
{
	const char *holder, *beat;
	enum verdict verdict;
	size_t cursor = 0;

	while ((holder = observer_next_dead(s->observer, s->has_set ? &s->set : NULL,
		    &cursor, &verdict, &beat)) != NULL) {
		struct queue_recover what = recovery_of(s, holder, verdict, beat);
		int r = recover(s, &what, err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* What a blocked claim of a dead client brought into a fenced holder's list. */
static int
sweep(struct scheduler *s, const struct queue_list *leftovers, struct err *err)
{
	for (size_t i = 0; i < leftovers->n; i++) {
		struct queue_recover what = { .holder = queue_list_text(leftovers, i).p,
			.is_told = true,
			.blame = QUEUE_BLAME_NONE,
			.evidence = queue_text("what it left was swept"),
			.may_bury = true };
		int r = recover(s, &what, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int
observe(struct scheduler *s, const struct queue_list *holders, uint64_t now_ms)
{
	int r = 0;

	observer_round(s->observer, redis_sync_epoch(s->o.redis), now_ms);
	for (size_t i = 0; r == 0 && i + 1 < holders->n; i += 2)
		r = observer_see(s->observer, queue_list_text(holders, i).p,
		    queue_list_text(holders, i + 1).p);
	if (r == 0)
		observer_end(s->observer);
	return r;
}

static int
look_after_holders(struct scheduler *s, uint64_t now_ms, struct err *err)
{
	CLEANUP(redis_reply_freep) struct redisReply *reply = NULL;
	struct queue_command c;
	struct queue_answer a;
	int r;

	queue_cmd_survey(&c, s->o.setup);
	r = queue_run(s->o.redis, &c, &reply, &a, err);
	if (r < 0)
		return r;
	if (observe(s, &a.survey.holders, now_ms) < 0)
		return err_set(err, -ENOMEM, "no memory for the holders' beats");
	listen_and_adopt(s);
	r = recover_dead(s, err);
	return r < 0 ? r : sweep(s, &a.survey.leftovers, err);
}

/* ---- beats ---- */

static int
draw_beat(uint64_t *beat)
{
	if (getrandom(beat, sizeof(*beat), 0) != sizeof(*beat))
		return -EIO;
	*beat >>= 16; /* a ZSET's score is exact below 2^53 */
	return 0;
}

static int
beat(struct scheduler *s, uint64_t now_ms, struct err *err)
{
	CLEANUP(redis_reply_freep) struct redisReply *reply = NULL;
	CLEANUP_BUF struct buf names = BUF_INIT;
	struct queue_command c;
	struct queue_answer a;
	uint64_t value;
	int r;

	if (!s->has_set || now_ms < s->beat_due_ms)
		return 0;
	for (size_t i = 0; i < s->set.n_live; i++)
		buf_addf(&names, "%s\n", s->set.live[i]);
	if (buf_status(&names) < 0 || draw_beat(&value) < 0)
		return err_set(err, -ENOMEM, "no beat");
	queue_cmd_beat(&c, s->o.setup, value, names.data, names.len);
	FAULT_POINT(BEAT_SEND);
	r = queue_run(s->o.redis, &c, &reply, &a, err);
	if (r < 0)
		return r;
	FAULT_POINT(BEAT_REPLY);
	for (size_t i = 0; i < a.beat.fenced.n; i++)
		log_warning(
		    "holder %s is fenced though its worker lives: it will drop its "
		    "jobs and start anew",
		    queue_list_text(&a.beat.fenced, i).p);
	s->beat_due_ms = now_ms + (uint64_t)s->o.setup->lease_sec * 1000 / 6;
	return 0;
}

/* ---- delayed jobs, gauges, dead letters ---- */

static int
promote(struct scheduler *s, uint64_t *wait_ms, struct err *err)
{
	for (int i = 0; i < CALLS_MAX; i++) {
		CLEANUP(redis_reply_freep) struct redisReply *reply = NULL;
		struct queue_command c;
		struct queue_answer a;
		int r;

		queue_cmd_promote(&c, s->o.setup);
		FAULT_POINT(PROMOTE_SEND);
		r = queue_run(s->o.redis, &c, &reply, &a, err);
		if (r < 0)
			return r;
		FAULT_POINT(PROMOTE_REPLY);
		*wait_ms = turn_ms(s);
		if (a.promote.next_ms >= 0 && (uint64_t)a.promote.next_ms < *wait_ms)
			*wait_ms = (uint64_t)a.promote.next_ms;
		if (*wait_ms > 0)
			break;
		s->o.listen(s->o.arg);
	}
	return 0;
}

/* The head's own created_at tells its age; else how long it has been the head. */
static int64_t
oldest_ms(struct scheduler *s, const struct queue_stats *stats, uint64_t now_ms)
{
	if (strcmp(stats->head_digest, s->head_digest) != 0) {
		memcpy(s->head_digest, stats->head_digest, sizeof(s->head_digest));
		s->head_since_ms = now_ms;
	}
	if (stats->queued == 0)
		return 0;
	return stats->oldest_ms >= 0 ? stats->oldest_ms
				     : (int64_t)(now_ms - s->head_since_ms);
}

/* Told once when it begins and once when it ends. */
static void
tell_pause(struct scheduler *s, const struct queue_stats *stats)
{
	char since[CLOCK_ISO_MAX];

	gauge(s, METRIC_QUEUE_PAUSED, stats->paused_ms > 0);
	if (stats->paused_ms == s->paused_ms)
		return;
	if (stats->paused_ms > 0)
		log_warning("the queue is paused since %s by %s: no job is begun until "
			    "'agentctl queue resume'",
		    clock_iso(stats->paused_ms, since), stats->paused_by);
	else
		log_info("the queue goes on; it was paused since %s",
		    clock_iso(s->paused_ms, since));
	s->paused_ms = stats->paused_ms;
}

static int
show_gauges(struct scheduler *s, uint64_t now_ms, struct err *err)
{
	struct queue_stats stats;
	int r = queue_stats_read(s->o.redis, s->o.setup, &stats, err);

	if (r < 0)
		return r;
	gauge(s, METRIC_QUEUE_QUEUED, stats.queued);
	gauge(s, METRIC_QUEUE_HELD, stats.held);
	gauge(s, METRIC_QUEUE_DELAYED, stats.delayed);
	gauge(s, METRIC_QUEUE_PARKED, stats.parked);
	gauge(s, METRIC_QUEUE_ALONE, stats.alone);
	gauge(s, METRIC_QUEUE_DEAD, stats.dead);
	gauge(s, METRIC_QUEUE_OLDEST_MS, oldest_ms(s, &stats, now_ms));
	tell_pause(s, &stats);
	if (now_ms < s->trim_due_ms)
		return 0;
	s->trim_due_ms = now_ms + TRIM_MS;
	return queue_dead_trim(s->o.redis, s->o.setup, err);
}

/* ---- the turn ---- */

static int
work(struct scheduler *s, uint64_t now_ms, uint64_t *wait_ms, struct err *err)
{
	int r = check_server(s, err);

	if (r == 0)
		r = look_after_holders(s, now_ms, err);
	if (r == 0)
		r = beat(s, now_ms, err);
	if (r == 0)
		r = promote(s, wait_ms, err);
	if (r == 0)
		r = show_gauges(s, now_ms, err);
	if (r == 0)
		r = watch_eviction(s, now_ms, err);
	return r;
}

int
scheduler_turn(struct scheduler *s, uint64_t now_ms, uint64_t *wait_ms, struct err *err)
{
	struct err why = ERR_INIT;
	uint64_t back_off_ms;
	int r;

	*wait_ms = turn_ms(s);
	listen_and_adopt(s);
	r = work(s, now_ms, wait_ms, &why);
	gauge(s, METRIC_REDIS_UP, r == 0);
	if (r == 0) {
		if (s->is_redis_away)
			log_info("%s is back", redis_sync_name(s->o.redis));
		s->is_redis_away = false;
		return 0;
	}
	back_off_ms = redis_sync_wait_ms(s->o.redis);
	*wait_ms = back_off_ms < TURN_MS ? back_off_ms + 1 : turn_ms(s);
	if (!s->is_redis_away)
		log_error("%s; trying again until it answers", err_text(&why));
	s->is_redis_away = true;
	return err_set(err, r, "%s", err_text(&why));
}

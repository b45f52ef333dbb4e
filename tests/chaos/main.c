/* SPDX-License-Identifier: MIT */
/*
 * main.c - a chaos run: jobs and blows, a drain, the verdict.
 *
 * Exit status 0: the books balance. The seed is printed first; the same seed draws the
 * same blows in the same order.
 *
 * Owns:   the run.
 * Called: by scripts/chaos, and by make check for a short run.
 * Fails:  with the verdict, or through the harness with everybody's last words.
 */
#include "config.h"

#include "tests/chaos/chaos.h"

#include "common/clock.h"
#include "common/exit_status.h"
#include "tests/support/service.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	COPY_ONE_OF = 7,
	PROGRESS_EVERY_MS = 15000,
	FEED_EVERY_MS = 500
};

struct draws
draws_of(uint64_t seed, uint64_t stream, uint64_t index)
{
	return (struct draws){ seed * 0x9e3779b97f4a7c15u ^ stream << 56 ^
		index * 0xd1342543de82ef95u };
}

unsigned
draw(struct draws *d, unsigned n)
{
	uint64_t z = d->state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (unsigned)((z ^ z >> 31) >> 32) % (n > 0 ? n : 1);
}

static void
begin(struct chaos *c)
{
	struct harness *h = c->h = harness_new();

	harness_use_postgres(h);
	harness_use_redis_proxy(h);
	harness_set(h, "service.workers", "3");
	harness_set(h, "queue.lease_sec", "3");
	harness_set(h, "queue.completion_queue", "\"all:done\"");
	harness_set(h, "service.log.level", "\"info\"");
	jobs_configure(c);
	blows_begin(c);
	harness_start(h);
	jobs_script(h);
}

static void
tell_progress(struct chaos *c, uint64_t now_ms)
{
	static uint64_t next_ms;

	if (now_ms < next_ms)
		return;
	if (next_ms != 0)
		(void)fprintf(stderr,
		    "chaos: %u jobs submitted, %lld results published\n", c->n_jobs,
		    harness_redis_int(c->h, "LLEN all:done"));
	next_ms = now_ms + PROGRESS_EVERY_MS;
}

static unsigned
due_jobs(const struct chaos_options *o, uint64_t elapsed_ms)
{
	uint64_t due = elapsed_ms * o->rate / 1000;

	return o->jobs > 0 && due > o->jobs ? o->jobs : (unsigned)due;
}

static bool
is_over(const struct chaos *c, uint64_t elapsed_ms)
{
	if (c->o->seconds > 0)
		return elapsed_ms >= (uint64_t)c->o->seconds * 1000;
	return c->n_jobs >= c->o->jobs;
}

static void
rage(struct chaos *c)
{
	uint64_t began = clock_mono_ms();

	for (uint64_t now; !is_over(c, (now = clock_mono_ms()) - began);
	     harness_sleep(5)) {
		jobs_submit(c, due_jobs(c->o, now - began));
		blows_tick(c, now);
		watch_tick(c, now);
		tell_progress(c, now);
		harness_clear(c->h);
	}
	blows_end(c);
	jobs_submit_refused(c);
}

/* Plain jobs go on meanwhile: when nothing but poison is left, the service takes the
   release for the culprit, and buries nothing until a job is finished. */
static bool
is_drained(struct harness *h, void *arg)
{
	static uint64_t next_ms;
	struct chaos *c = arg;
	uint64_t now = clock_mono_ms();

	if (now >= next_ms) {
		jobs_submit(c, c->n_jobs + 1);
		next_ms = now + FEED_EVERY_MS;
	}
	return books_is_drained(h, c);
}

static void
drain(struct chaos *c)
{
	uint64_t ms = (uint64_t)c->o->drain_sec * 1000;

	jobs_stay_plain(c);
	harness_wait_until(c->h, is_drained, c, ms, "every job has a result");
	harness_wait_until(c->h, books_is_settled, c, ms, "nothing left in Redis");
	for (unsigned i = 0; i < c->n_jobs; i += COPY_ONE_OF) /* of what is finished */
		(void)job_push(c, i);
	harness_wait_until(c->h, books_is_settled, c, ms, "the copies are gone");
}

static bool
run(const struct chaos_options *o)
{
	struct chaos c = { .o = o };
	struct verdict v = { .why = BUF_INIT };
	bool is_right;

	(void)printf("seed %" PRIu64 "\n", o->seed);
	(void)fflush(stdout);
	begin(&c);
	rage(&c);
	(void)printf("%u jobs, %u refused at first by a Redis in trouble\n", c.n_jobs,
	    c.refused);
	blows_print(&c);
	(void)fflush(stdout);
	drain(&c);
	books_balance(&c, &v);
	books_print(&v);
	if (o->watches)
		watch_print();
	chaos_expect_no_faults(c.h);
	harness_stop(c.h);
	harness_free(c.h);
	is_right = books_are_in_order(&v);
	(void)printf("verdict: %s (seed %" PRIu64 ")\n",
	    is_right ? "the books balance" : "SOMETHING IS WRONG", o->seed);
	buf_release(&v.why);
	free(c.pushes);
	free(c.blows);
	return is_right;
}

/* ---- the command line ---- */

static const struct option long_options[] = {
	{ "seed", required_argument, NULL, 's' },
	{ "seconds", required_argument, NULL, 't' },
	{ "jobs", required_argument, NULL, 'j' },
	{ "rate", required_argument, NULL, 'r' },
	{ "every", required_argument, NULL, 'e' },
	{ "only", required_argument, NULL, 'o' },
	{ "drain", required_argument, NULL, 'd' },
	{ "watch", no_argument, NULL, 'w' },
	{ "list", no_argument, NULL, 'l' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static void
usage(FILE *out)
{
	(void)fprintf(out,
	    "usage: chaos [OPTION...]\n"
	    "  --seed N       draws the blows (default: the time)\n"
	    "  --seconds N    of blows (default 20)\n"
	    "  --jobs N       so many jobs; the blows end when all are submitted\n"
	    "  --rate N       jobs a second (default 20)\n"
	    "  --every MS     mean time between blows (default 450)\n"
	    "  --only A,B     only these blows; --list tells their names\n"
	    "  --drain SEC    how long the end may take (default 240)\n"
	    "  --watch        memory and descriptors of long-lived processes\n");
}

static uint64_t
number(const char *name, const char *text)
{
	return service_number("chaos", name, text);
}

int
main(int argc, char **argv)
{
	struct chaos_options o = { .seed = (uint64_t)time(NULL),
		.rate = 20,
		.every_ms = 450,
		.drain_sec = 240 };
	int c;

	while ((c = getopt_long(argc, argv, "h", long_options, NULL)) != -1)
		switch (c) {
		case 's':
			o.seed = number("--seed", optarg);
			break;
		case 't':
			o.seconds = (unsigned)number("--seconds", optarg);
			break;
		case 'j':
			o.jobs = (unsigned)number("--jobs", optarg);
			break;
		case 'r':
			o.rate = (unsigned)number("--rate", optarg);
			break;
		case 'e':
			o.every_ms = (unsigned)number("--every", optarg);
			break;
		case 'o':
			o.only = optarg;
			break;
		case 'd':
			o.drain_sec = (unsigned)number("--drain", optarg);
			break;
		case 'w':
			o.watches = true;
			break;
		case 'l':
			blows_list();
			return EXIT_STATUS_OK;
		case 'h':
			usage(stdout);
			return EXIT_STATUS_OK;
		default:
			usage(stderr);
			return EXIT_STATUS_USAGE;
		}
	if (optind < argc || o.rate == 0) {
		usage(stderr);
		return EXIT_STATUS_USAGE;
	}
	if (o.seconds == 0 && o.jobs == 0)
		o.seconds = 20;
	return run(&o) ? EXIT_STATUS_OK : EXIT_STATUS_FAILURE;
}

/* SPDX-License-Identifier: MIT */
/*
 * answer.h - one request of compute_proto.h to its answer, in the process that runs it.
 */
#ifndef COMPUTE_ANSWER_H
#define COMPUTE_ANSWER_H

#include "compute/output.h"
#include "compute/run.h"

struct task_text {
	const char *meta; /* JSON */
	size_t meta_len;
	const char *data;
	size_t data_len;
};

struct task {
	struct task_text run;                        /* COMPUTE_RUN */
	struct task_text inputs[COMPUTE_INPUTS_MAX]; /* COMPUTE_INPUT */
	size_t n_inputs;
	bool may_run_programs;
	struct progress *progress; /* or NULL */
};

/*
 * Runs the task: the answer's meta in *meta, the result in *out (nothing there when the
 * run failed). Returns 0 for a result, 1 for a failure that meta tells, or -ENOMEM when
 * not even that could be written.
 */
int answer_task(const struct task *t, struct buf *meta, struct output *out);

/* The meta of a failure without a run, for the one who explains a child's death. */
void answer_failure(struct buf *meta, const struct failure *f,
    const struct json *trace);

#endif

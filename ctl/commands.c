/* SPDX-License-Identifier: MIT */
/*
 * commands.c - the table of agentctl's commands.
 *
 * Owns:   nothing.
 * Called: by the parser, the help and main.c.
 * Fails:  never.
 */
#include "config.h"

#include "ctl/command.h"

#include "ctl/ctl.h"

/* clang-format off */
static const struct ctl_option global_options[] = {
	{ OPT_CONFIG,  "config",  'c', VALUE_FILE, "FILE", "read this configuration", false },
	{ OPT_JSON,    "json",    0,   VALUE_NONE, NULL,   "print JSON for programs", false },
	{ OPT_HELP,    "help",    'h', VALUE_NONE, NULL,   "show help, also for a command", false },
	{ OPT_VERSION, "version", 'V', VALUE_NONE, NULL,   "show the version", false },
	{ .name = NULL },
};

#define JOB_OPTIONS                                                                                                            \
	{ OPT_AGENT,         "agent",         'a', VALUE_TEXT,    "NAME",  "the agent that runs the job (default: workflow)", false }, \
	{ OPT_OWNER,         "owner",         'o', VALUE_TEXT,    "OWNER", "whose job it is", false },                                \
	{ OPT_SESSION,       "session",       's', VALUE_TEXT,    "ID",    "the session that the job continues", false },             \
	{ OPT_TIMEOUT,       "timeout",       't', VALUE_SECONDS, "SEC",   "how long the job may run (default: 300)", false },        \
	{ OPT_OUTPUT_SCHEMA, "output-schema", 0,   VALUE_FILE,    "FILE",  "JSON Schema that the answer must satisfy", false },       \
	{ OPT_JOB_ID,        "job-id",        0,   VALUE_TEXT,    "ID",    "the job's id (default: a random UUID)", false },          \
	{ OPT_WORKFLOW,      "workflow",      'w', VALUE_FILE,    "FILE",  "the current workflow, as JSON", false },                  \
	{ OPT_FIELD,         "field",         'f', VALUE_TEXT,    "K=V",   "another field of the job message; may be repeated", false }

static const struct ctl_option run_options[] = {
	JOB_OPTIONS,
	{ OPT_WAIT, "wait", 0, VALUE_SECONDS, "SEC", "give up after SEC (default: timeout + 60)", false },
	{ .name = NULL },
};
static const struct ctl_option submit_options[] = { JOB_OPTIONS, { .name = NULL } };
static const struct ctl_option wait_options[] = {
	{ OPT_TIMEOUT, "timeout", 't', VALUE_SECONDS, "SEC", "give up waiting after SEC (default: 0, never)", false },
	{ .name = NULL },
};
static const struct ctl_option pause_options[] = {
	{ OPT_AWAIT,   "wait",    'w', VALUE_NONE,    NULL,  "return when no job runs any more", false },
	{ OPT_TIMEOUT, "timeout", 't', VALUE_SECONDS, "SEC", "give up waiting after SEC (default: 0, never)", false },
	{ .name = NULL },
};
static const struct ctl_option result_options[] = {
	{ OPT_RAW,    "raw",    'r', VALUE_NONE, NULL,   "the stored value, byte for byte", false },
	{ OPT_OUTPUT, "output", 0,   VALUE_FILE, "FILE", "write the value to FILE (implies --raw)", false },
	{ .name = NULL },
};
static const struct ctl_option pipeline_options[] = {
	{ OPT_INPUT, "input", 'i', VALUE_FILE, "FILE", "JSON, CSV or NDJSON that the first step gets", false },
	{ .name = NULL },
};
static const struct ctl_option fsck_options[] = {
	{ OPT_REPAIR, "repair", 0, VALUE_NONE, NULL, "put right what can be put right safely", false },
	{ .name = NULL },
};
static const struct ctl_option purge_options[] = {
	{ OPT_OLDER,   "older",   0,   VALUE_AGE,  "AGE",    "results made longer ago: 30d, 12h, 45m, 10s", false },
	{ OPT_OWNER,   "owner",   'o', VALUE_TEXT, "OWNER",  "only this owner's", false },
	{ OPT_STATUS,  "status",  0,   VALUE_TEXT, "STATUS", "only completed or only failed ones", false },
	{ OPT_DRY_RUN, "dry-run", 'n', VALUE_NONE, NULL,     "only tell what would be removed", false },
	{ OPT_YES,     "yes",     'y', VALUE_NONE, NULL,     "do not ask", false },
	{ .name = NULL },
};
static const struct ctl_option all_options[] = {
	{ OPT_ALL, "all", 0, VALUE_NONE, NULL, "every dead letter", false },
	{ .name = NULL },
};
static const struct ctl_option owner_options[] = {
	{ OPT_OWNER, "owner", 'o', VALUE_TEXT, "OWNER", "whose it is (default: nobody's)", false },
	{ .name = NULL },
};
static const struct ctl_option list_options[] = {
	{ OPT_OWNER, "owner", 'o', VALUE_TEXT, "OWNER", "what this owner is offered (default: all)", false },
	{ .name = NULL },
};
static const struct ctl_option publish_options[] = {
	{ OPT_OWNER, "owner", 'o', VALUE_TEXT, "OWNER", "whose it is (default: nobody's)", false },
	{ OPT_UNDO,  "undo",  0,   VALUE_NONE, NULL,    "offer it to its owner alone again", false },
	{ .name = NULL },
};
static const struct ctl_option help_options[] = {
	{ OPT_ALL_NAMES, "all-names", 0, VALUE_NONE, NULL, "list all names, for tests", true },
	{ .name = NULL },
};
static const struct ctl_option no_options[] = { { .name = NULL } };

static const struct command commands[] = {
	{ "run", "PROMPT|-", 1, CTL_WORDS_MAX, run_options, ctl_run,
	  "submit a job and wait for its result",
	  "Prints the result's data: a table when it is a list of objects, else JSON. The\n"
	  "result's reference and the job's figures go to standard error. Interrupting the\n"
	  "wait leaves the job running.", false },
	{ "submit", "PROMPT|-", 1, CTL_WORDS_MAX, submit_options, ctl_submit,
	  "submit a job and print its id", NULL, false },
	{ "wait", "JOB_ID", 1, 1, wait_options, ctl_wait,
	  "wait for a job's result and print it",
	  "The result message stays on its list for the program that expects it.", false },
	{ "result", "REF|JOB_ID", 1, 1, result_options, ctl_result,
	  "print a stored result", NULL, false },
	{ "job", "JOB_ID", 1, 1, no_options, ctl_job,
	  "show where a job is", NULL, false },
	{ "cancel", "JOB_ID...", 1, CTL_WORDS_MAX, no_options, ctl_cancel,
	  "cancel jobs",
	  "A running job stops within two seconds, a waiting one ends without running; its\n"
	  "result is a failed one of type cancelled. With --json a line for each job.", false },
	{ "queue pause", "", 0, 0, pause_options, ctl_queue_pause,
	  "begin no more jobs, on any host",
	  "Running jobs finish. The pause outlives restarts, of Redis too.", false },
	{ "queue resume", "", 0, 0, no_options, ctl_queue_resume,
	  "begin jobs again", NULL, false },
	{ "queue", "", 0, 0, no_options, ctl_queue_show,
	  "show how many jobs are where",
	  "See also 'agentctl queue pause' and 'agentctl queue resume'.", false },
	{ "status", "", 0, 0, no_options, ctl_status,
	  "show the daemon's processes and the queue's counts", NULL, false },
	{ "intent", "TEXT|-", 1, CTL_WORDS_MAX, no_options, ctl_intent,
	  "classify a prompt: patch, execute or unclear",
	  "Prints the label and its confidence. Below 0.70 the model is offered all tools.", false },
	{ "pipeline", "FILE|-", 1, 1, pipeline_options, ctl_pipeline,
	  "run a pipeline here, without a model",
	  "FILE holds the list of steps, or the arguments of execute_pipeline, as JSON.\n"
	  "Steps run in the same jail and behind the same network guard as a job's.", false },
	{ "agents", "[NAME]", 0, 1, no_options, ctl_agents,
	  "list the agent definitions, or show one", NULL, false },
	{ "purge", "", 0, 0, purge_options, ctl_purge,
	  "remove old results for good",
	  "Large values and journal records that nothing names any more go, too, once\n"
	  "they are two days old. Asks first when standard input is a terminal.", false },
	{ "budget", "[OWNER]", 0, 1, no_options, ctl_budget,
	  "show what owners have spent today of their budgets",
	  "Counted are jobs that run under limits.owner_usd_per_day or\n"
	  "limits.owner_tokens_per_day. Reserved is what model calls that are under way\n"
	  "may cost at most.", false },
	{ "fsck", "", 0, 0, fsck_options, ctl_fsck,
	  "check that jobs and results are in their places", NULL, false },
	{ "dead list", "", 0, 0, no_options, ctl_dead_list,
	  "list the dead letters, newest first", NULL, false },
	{ "dead show", "ID", 1, 1, no_options, ctl_dead_show,
	  "show a dead letter with its evidence and payload", NULL, false },
	{ "dead retry", "ID...|--all", 0, CTL_WORDS_MAX, all_options, ctl_dead_retry,
	  "queue dead letters again, all counters at zero", NULL, false },
	{ "dead drop", "ID...|--all", 0, CTL_WORDS_MAX, all_options, ctl_dead_drop,
	  "forget dead letters for good", NULL, false },
	{ "session list", "", 0, 0, no_options, ctl_session_list,
	  "list the sessions of all owners", NULL, false },
	{ "session show", "ID", 1, 1, owner_options, ctl_session_show,
	  "show what a session remembers", NULL, false },
	{ "session drop", "ID", 1, 1, owner_options, ctl_session_drop,
	  "forget a session; the results of its jobs stay", NULL, false },
	{ "tools list", "", 0, 0, list_options, ctl_tools_list,
	  "list the composite tools", NULL, false },
	{ "tools show", "NAME", 1, 1, owner_options, ctl_tools_show,
	  "show a composite tool", NULL, false },
	{ "tools publish", "NAME", 1, 1, publish_options, ctl_tools_publish,
	  "offer an owner's composite tool to all owners",
	  "The defaults of its parameters become visible to all. Look at it first.", false },
	{ "tools drop", "NAME", 1, 1, owner_options, ctl_tools_drop,
	  "drop a composite tool", NULL, false },
	{ "completion", "bash", 1, 1, no_options, ctl_completion,
	  "print a completion script for the shell", NULL, false },
	{ "help", "[COMMAND]", 0, 2, help_options, ctl_help,
	  "show help", NULL, false },
};
/* clang-format on */

const struct command *
ctl_commands(size_t *n)
{
	*n = ARRAY_LEN(commands);
	return commands;
}

const struct ctl_option *
ctl_global_options(void)
{
	return global_options;
}

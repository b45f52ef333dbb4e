/* SPDX-License-Identifier: MIT */
/*
 * args.c - reads the command line by the tables of commands.c.
 *
 * Owns:   nothing; everything points into argv.
 * Called: by main.c and the tests.
 * Fails:  with a sentence for the user; nothing is printed here.
 */
#include "config.h"

#include "ctl/command.h"

#include <errno.h>
#include <string.h>

#define AGE_MOST_MS (36500ULL * 86400000)

enum {
	SECONDS_MOST = 1000000000,
	NEAR_MOST = 3,
	WORD_MOST = 40
};

/* ---- names ---- */

static const struct ctl_option *
find_in(const struct ctl_option *list, const char *name, size_t n, char letter)
{
	for (; list->name != NULL; list++) {
		if (letter != 0 && list->letter == letter)
			return list;
		if (letter == 0 && strlen(list->name) == n &&
		    memcmp(list->name, name, n) == 0)
			return list;
	}
	return NULL;
}

static const struct ctl_option *
find_option(const struct command *c, const char *name, size_t n, char letter)
{
	const struct ctl_option *o =
	    c != NULL ? find_in(c->options, name, n, letter) : NULL;

	return o != NULL ? o : find_in(ctl_global_options(), name, n, letter);
}

/* How many insertions, deletions and changes lead from a to b; both short. */
static unsigned
distance(const char *a, const char *b)
{
	unsigned row[WORD_MOST + 1];
	size_t n = strlen(b);

	for (size_t k = 0; k <= n; k++)
		row[k] = (unsigned)k;
	for (size_t i = 1; a[i - 1] != '\0'; i++) {
		unsigned corner = row[0];

		row[0] = (unsigned)i;
		for (size_t k = 1; k <= n; k++) {
			unsigned change = corner + (a[i - 1] != b[k - 1]);
			unsigned step = (row[k] < row[k - 1] ? row[k] : row[k - 1]) + 1;

			corner = row[k];
			row[k] = change < step ? change : step;
		}
	}
	return row[n];
}

const char *
ctl_suggest(const char *word)
{
	const char *best = NULL;
	unsigned best_distance = NEAR_MOST + 1;
	size_t n;
	const struct command *c = ctl_commands(&n);

	if (word[0] == '\0' || strlen(word) > WORD_MOST)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		unsigned d = distance(word, c[i].name);
		bool is_start = strncmp(word, c[i].name, strlen(word)) == 0;

		if (c[i].is_hidden)
			continue;
		d = is_start ? 0 : d;
		if (d < best_distance && (is_start || d < strlen(word))) {
			best = c[i].name;
			best_distance = d;
		}
	}
	return best;
}

/* ---- the command ---- */

/* Does the name consist of the words, or begin with the only one? */
static const struct command *
find_command(const char *first, const char *second, bool *has_second)
{
	size_t n, len = strlen(first);
	const struct command *c = ctl_commands(&n), *whole = NULL;

	*has_second = false;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(c[i].name, first) == 0)
			whole = &c[i];
		if (strncmp(c[i].name, first, len) != 0 || c[i].name[len] != ' ')
			continue;
		*has_second = true;
		if (second != NULL && strcmp(c[i].name + len + 1, second) == 0)
			return &c[i];
	}
	if (whole != NULL) /* "queue" alone, beside "queue pause" */
		*has_second = false;
	return whole;
}

/* "dead" alone: names the words that may follow it. */
static int
fail_incomplete(const char *first, struct err *err)
{
	CLEANUP_BUF struct buf words = BUF_INIT;
	size_t n, len = strlen(first);
	const struct command *c = ctl_commands(&n);

	for (size_t i = 0; i < n; i++)
		if (!c[i].is_hidden && strncmp(c[i].name, first, len) == 0 &&
		    c[i].name[len] == ' ')
			buf_addf(&words, "%s%s", words.len > 0 ? ", " : "",
			    c[i].name + len + 1);
	return err_set(err, -EINVAL, "%s needs one more word: %s", first,
	    buf_str(&words));
}

static int
fail_unknown(const char *first, const char *second, bool needs_second, struct err *err)
{
	char word[WORD_MOST * 2];
	const char *near;

	(void)snprintf(word, sizeof(word), "%.38s%s%.38s", first,
	    needs_second ? " " : "", needs_second && second != NULL ? second : "");
	near = ctl_suggest(word);
	if (needs_second && second == NULL)
		return fail_incomplete(first, err);
	if (near == NULL)
		return err_set(err, -EINVAL,
		    "there is no command '%s'; 'agentctl --help' lists all", word);
	return err_set(err, -EINVAL, "there is no command '%s'; did you mean '%s'?",
	    word, near);
}

/* ---- options ---- */

static int
check_seconds(const struct ctl_option *o, const char *text, struct err *err)
{
	char *end = NULL;
	long long seconds;

	errno = 0;
	seconds = strtoll(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || seconds < 0 ||
	    seconds > SECONDS_MOST)
		return err_set(err, -EINVAL,
		    "--%s wants a whole number of seconds, not '%s'", o->name, text);
	return 0;
}

/* A whole number and its unit. */
static bool
read_age(const char *text, uint64_t *ms)
{
	static const struct {
		char letter;
		uint64_t ms;
	} units[] = { { 's', 1000 }, { 'm', 60000 }, { 'h', 3600000 },
		{ 'd', 86400000 } };
	unsigned long long n;
	char *end = NULL;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	n = strtoull(text, &end, 10);
	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (errno == 0 && end[0] == units[i].letter && end[1] == '\0' &&
		    n <= AGE_MOST_MS / units[i].ms) {
			*ms = n * units[i].ms;
			return true;
		}
	return false;
}

static int
set_option(struct ctl_args *a, const struct ctl_option *o, const char *text,
    struct err *err)
{
	uint64_t ms;

	if (o->id == OPT_FIELD) {
		if (a->n_fields == CTL_FIELDS_MAX)
			return err_set(err, -EINVAL, "--field is given too often");
		if (strchr(text, '=') == NULL || text[0] == '=')
			return err_set(err, -EINVAL,
			    "--field wants NAME=VALUE, not '%s'", text);
		a->fields[a->n_fields++] = text;
	}
	if (o->value == VALUE_SECONDS) {
		int r = check_seconds(o, text, err);

		if (r < 0)
			return r;
	}
	if (o->value == VALUE_AGE && !read_age(text, &ms))
		return err_set(err, -EINVAL,
		    "--%s wants a number with its unit, as 30d, 12h, 45m or 10s, "
		    "not '%s'",
		    o->name, text);
	a->value[o->id] = text;
	return 0;
}

struct cursor {
	int argc;
	char **argv;
	int i;
};

/* --name, --name=value, --name value */
static int
read_long(struct ctl_args *a, struct cursor *c, struct err *err)
{
	const char *name = c->argv[c->i] + 2;
	const char *equals = strchr(name, '=');
	size_t n = equals != NULL ? (size_t)(equals - name) : strlen(name);
	const struct ctl_option *o = find_option(a->command, name, n, 0);

	if (o == NULL)
		return err_set(err, -EINVAL, "%s%s%s has no option --%.*s",
		    a->command != NULL ? "'" : "",
		    a->command != NULL ? a->command->name : "agentctl",
		    a->command != NULL ? "'" : "", (int)n, name);
	if (o->value == VALUE_NONE && equals != NULL)
		return err_set(err, -EINVAL, "--%s takes no value", o->name);
	if (o->value == VALUE_NONE)
		return set_option(a, o, "", err);
	if (equals != NULL)
		return set_option(a, o, equals + 1, err);
	if (c->i + 1 >= c->argc)
		return err_set(err, -EINVAL, "--%s needs a value: %s", o->name,
		    o->value_name);
	return set_option(a, o, c->argv[++c->i], err);
}

/* -c FILE, -cFILE, and flags together: -hV */
static int
read_short(struct ctl_args *a, struct cursor *c, struct err *err)
{
	const char *letters = c->argv[c->i] + 1;

	for (; *letters != '\0'; letters++) {
		const struct ctl_option *o = find_option(a->command, NULL, 0, *letters);
		int r;

		if (o == NULL)
			return err_set(err, -EINVAL, "there is no option -%c",
			    *letters);
		if (o->value == VALUE_NONE) {
			r = set_option(a, o, "", err);
		} else if (letters[1] != '\0') {
			return set_option(a, o, letters + 1, err);
		} else if (c->i + 1 >= c->argc) {
			return err_set(err, -EINVAL, "-%c needs a value: %s", *letters,
			    o->value_name);
		} else {
			return set_option(a, o, c->argv[++c->i], err);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

/* The first word is the command's name, perhaps together with the next one. */
static int
read_command(struct ctl_args *a, struct cursor *c, struct err *err)
{
	const char *first = c->argv[c->i];
	const char *second = c->i + 1 < c->argc ? c->argv[c->i + 1] : NULL;
	bool needs_second;

	if (second != NULL && second[0] == '-')
		second = NULL;
	a->command = find_command(first, second, &needs_second);
	if (a->command == NULL && needs_second && second == NULL) {
		/* "dead --help" shows the help of the first of its kind */
		a->words[a->n_words++] = first;
		return 0;
	}
	if (a->command == NULL)
		return fail_unknown(first, second, needs_second, err);
	c->i += needs_second;
	return 0;
}

static int
read_word(struct ctl_args *a, struct cursor *c, struct err *err)
{
	if (a->command == NULL && a->n_words == 0)
		return read_command(a, c, err);
	if (a->n_words == CTL_WORDS_MAX)
		return err_set(err, -EINVAL, "too many arguments");
	a->words[a->n_words++] = c->argv[c->i];
	return 0;
}

static int
check_count(const struct ctl_args *a, struct err *err)
{
	const struct command *c = a->command;

	if (c == NULL && a->n_words > 0)
		return fail_unknown(a->words[0], NULL, true, err);
	if (c == NULL)
		return err_set(err, -EINVAL,
		    "no command given; 'agentctl --help' lists all");
	if (a->n_words < c->least)
		return err_set(err, -EINVAL, "'%s' needs %s; see 'agentctl %s --help'",
		    c->name, c->arguments, c->name);
	if (a->n_words > c->most)
		return err_set(err, -EINVAL, "'%s' takes no argument '%s'", c->name,
		    a->words[c->most]);
	return 0;
}

int
ctl_args_parse(struct ctl_args *a, int argc, char **argv, struct err *err)
{
	struct cursor c = { argc, argv, 1 };
	bool is_over = false;

	memset(a, 0, sizeof(*a));
	for (; c.i < argc; c.i++) {
		const char *word = argv[c.i];
		int r;

		if (!is_over && strcmp(word, "--") == 0) {
			is_over = true;
			continue;
		}
		if (!is_over && word[0] == '-' && word[1] == '-')
			r = read_long(a, &c, err);
		else if (!is_over && word[0] == '-' && word[1] != '\0')
			r = read_short(a, &c, err);
		else
			r = read_word(a, &c, err);
		if (r < 0)
			return r;
	}
	if (a->value[OPT_HELP] != NULL || a->value[OPT_VERSION] != NULL)
		return 0;
	return check_count(a, err);
}

int64_t
ctl_args_seconds(const struct ctl_args *a, enum ctl_option_id id, int64_t absent)
{
	return a->value[id] != NULL ? strtoll(a->value[id], NULL, 10) : absent;
}

uint64_t
ctl_args_age_ms(const struct ctl_args *a, enum ctl_option_id id)
{
	uint64_t ms = 0;

	return a->value[id] != NULL && read_age(a->value[id], &ms) ? ms : 0;
}

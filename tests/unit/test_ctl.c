/* SPDX-License-Identifier: MIT */
/*
 * test_ctl.c - agentctl's command line, tables and widths.
 *
 * Owns:   nothing.
 * Called: by make check.
 * Fails:  by Criterion's reports.
 */
#include "config.h"

#include "ctl/command.h"
#include "ctl/ctl.h"
#include "ctl/table.h"
#include "ctl/width.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

enum {
	ARGV_MAX = 12
};

/* ---- widths ---- */

static const struct {
	const char *text;
	unsigned width;
} widths[] = {
	{ "", 0 },
	{ "abc", 3 },
	{ "Ünïted", 6 },
	{ "e\xcc\x81", 1 }, /* e and a combining acute */
	{ "航空", 4 },
	{ "a\xe2\x80\x8b"
	  "b",
	    2 }, /* zero width space */
	{ "👍", 2 },
	{ "\xf0\x9f\x91\x8d\xf0\x9f\x8f\xbd", 2 }, /* with a skin tone */
	{ "ｆｕｌｌ", 8 },
	{ "\xff\xfe", 2 }, /* not UTF-8: a replacement each */
	{ "\xe2\x82", 2 },
	{ "\x1b[31m", 5 },
};

Test(width, of_text_is_what_a_terminal_shows)
{
	for (size_t i = 0; i < ARRAY_LEN(widths); i++) {
		unsigned w = text_width(widths[i].text, strlen(widths[i].text));

		cr_expect(w == widths[i].width, "'%s': %u", widths[i].text, w);
	}
}

static const struct {
	const char *text;
	unsigned width;
	const char *want;
} cuts[] = {
	{ "flight", 0, "flight" },
	{ "flight", 6, "flight" },
	{ "flights", 6, "fligh…" },
	{ "航空券", 6, "航空券" },
	{ "航空券", 5, "航空…" },
	{ "航空券", 4, "航…" },
	{ "ab", 1, "…" },
	{ "a\nb\tc", 0, "a b c" },
	{ "\x1b]0;x\x07", 0, " ]0;x " },
	{ "\xe2\x80\xae"
	  "txt.exe",
	    0, " txt.exe" }, /* right-to-left override */
	{ "\xc3", 0, "\xef\xbf\xbd" },
};

Test(width, cuts_to_columns_and_disarms_controls)
{
	for (size_t i = 0; i < ARRAY_LEN(cuts); i++) {
		CLEANUP_BUF struct buf out = BUF_INIT;
		unsigned used = text_put_cut(&out, cuts[i].text, strlen(cuts[i].text),
		    cuts[i].width);

		cr_expect(strcmp(buf_str(&out), cuts[i].want) == 0,
		    "'%s' cut to %u: '%s'", cuts[i].text, cuts[i].width, buf_str(&out));
		cr_expect(used == text_width(buf_str(&out), out.len), "'%s'",
		    cuts[i].text);
	}
}

Test(width, keeps_lines_of_longer_text_but_no_escapes)
{
	static const char text[] = "a\nb\t\x1b[2J\x7f\xc2\x9bz";
	CLEANUP_BUF struct buf out = BUF_INIT;

	text_put_safe(&out, text, sizeof(text) - 1);
	cr_expect(strcmp(buf_str(&out), "a\nb\t\\x1b[2J\\x7f\\x9bz") == 0, "%s",
	    buf_str(&out));
}

Test(width, ranges_answer_for_their_ends)
{
	cr_expect(codepoint_width(0x0300) == 0);
	cr_expect(codepoint_width(0x036f) == 0);
	cr_expect(codepoint_width(0x0370) == 1);
	cr_expect(codepoint_width(0x10ff) == 1);
	cr_expect(codepoint_width(0x1100) == 2);
	cr_expect(codepoint_width(0x20000) == 2);
	cr_expect(codepoint_width(0x3fffe) == 1);
	cr_expect(codepoint_width(0x10ffff) == 1);
}

/* ---- tables ---- */

static void
expect_table(const char *json_text, unsigned width, const char *want)
{
	CLEANUP(arena_freep) struct arena *a = arena_new(0);
	CLEANUP(table_freep) struct table *t = NULL;
	CLEANUP_BUF struct buf out = BUF_INIT;
	const struct json *v = NULL;

	cr_assert(json_read(a, json_text, strlen(json_text), 0, &v, NULL) == 0);
	cr_assert(table_fits_json(v), "%s", json_text);
	t = table_from_json(v);
	table_write(&out, t, width, false);
	cr_expect(strcmp(buf_str(&out), want) == 0, "%s:\n%s\nbut wanted\n%s",
	    json_text, buf_str(&out), want);
}

Test(table, aligns_numbers_right_and_text_left_by_display_width)
{
	expect_table("[{\"carrier\":\"Delta\",\"price\":120},"
		     "{\"carrier\":\"航空\",\"price\":99.5}]",
	    0,
	    "carrier  price\n"
	    "-------  -----\n"
	    "Delta      120\n"
	    "航空      99.5\n");
}

Test(table, shows_every_key_and_leaves_null_and_absent_empty)
{
	expect_table("[{\"a\":1,\"b\":null},{\"b\":\"x\",\"c\":[1,{\"d\":true}]}]", 0,
	    "a  b  c\n"
	    "-  -  --------------\n"
	    "1\n"
	    "   x  [1,{\"d\":true}]\n");
}

Test(table, takes_a_column_of_numbers_and_text_as_text)
{
	expect_table("[{\"n\":12345},{\"n\":\"x\"}]", 0, "n\n-----\n12345\nx\n");
}

Test(table, narrows_its_widest_column_to_fit)
{
	expect_table("[{\"id\":\"0123456789\",\"text\":\"the quick brown fox jumps\"}]",
	    24,
	    "id          text\n"
	    "----------  ------------\n"
	    "0123456789  the quick b…\n");
}

Test(width, breaks_lines_at_blanks_and_indents_them)
{
	static const struct {
		const char *text;
		unsigned width;
		const char *want;
	} cases[] = {
		{ "the quick brown fox", 14, "the quick\n    brown fox" },
		{ "the quick brown fox", 13, "the quick\n    brown fox" },
		{ "the quick brown fox", 12, "the\n    quick\n    brown\n    fox" },
		{ "the quick brown fox", 0, "the quick brown fox" },
		{ "a-word-wider-than-all and more", 10,
		    "a-word-wider-than-all\n    and\n    more" },
		{ "a\033[1m b\nc", 80, "a [1m b c" },
		{ "", 10, "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP_BUF struct buf out = BUF_INIT;

		text_put_wrapped(&out, cases[i].text, strlen(cases[i].text), 4,
		    cases[i].width);
		cr_expect_str_eq(buf_str(&out), cases[i].want, "%zu", i);
	}
}

Test(table, never_cuts_a_whole_column)
{
	CLEANUP(table_freep) struct table *t = table_new();
	CLEANUP_BUF struct buf out = BUF_INIT;

	table_whole_column(t, "name");
	table_column(t, "text");
	table_text(t, "a-name-that-other-commands-want");
	table_text(t, "the quick brown fox");
	table_write(&out, t, 30, false);
	cr_expect_str_eq(buf_str(&out),
	    "name                             text\n"
	    "-------------------------------  ------\n"
	    "a-name-that-other-commands-want  the q\u2026\n");
}

Test(table, keeps_number_text_as_it_was_written)
{
	expect_table("[{\"n\":1e3},{\"n\":100000000000000000000.10}]", 0,
	    "                       n\n"
	    "------------------------\n"
	    "                     1e3\n"
	    "100000000000000000000.10\n");
}

Test(table, is_for_lists_of_objects_only)
{
	static const char *const others[] = { "[]", "{}", "[1]", "[{},1]", "\"x\"",
		"null" };
	CLEANUP(arena_freep) struct arena *a = arena_new(0);

	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		const struct json *v = NULL;

		cr_assert(json_read(a, others[i], strlen(others[i]), 0, &v, NULL) == 0);
		cr_expect(table_fits_json(v) == false, "%s", others[i]);
	}
	cr_expect(table_fits_json(NULL) == false);
}

Test(table, survives_more_columns_than_it_shows)
{
	CLEANUP(table_freep) struct table *t = table_new();
	CLEANUP_BUF struct buf out = BUF_INIT;

	for (int i = 0; i < TABLE_COLUMNS_MAX + 10; i++)
		table_column(t, "c");
	table_text(t, "x");
	table_end_row(t);
	table_write(&out, t, 10, false);
	cr_expect(out.len > 0);
}

/* ---- the command line ---- */

static int
parse(struct ctl_args *a, struct err *err, const char *line)
{
	static char words[512];
	static char *argv[ARGV_MAX + 1];
	char *save = NULL;
	int argc = 0;

	(void)snprintf(words, sizeof(words), "agentctl %s", line);
	for (char *w = strtok_r(words, " ", &save); w != NULL && argc < ARGV_MAX;
	     w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	argv[argc] = NULL;
	return ctl_args_parse(a, argc, argv, err);
}

static const struct {
	const char *text;
	uint64_t want_ms; /* 0: refused */
} ages[] = {
	{ "30d", 30ULL * 86400000 },
	{ "12h", 12ULL * 3600000 },
	{ "45m", 45ULL * 60000 },
	{ "10s", 10000 },
	{ "36500d", 36500ULL * 86400000 },
	{ "36501d", 0 },
	{ "99999999999999999999d", 0 },
	{ "30", 0 },
	{ "d", 0 },
	{ "-1d", 0 },
	{ "+1d", 0 },
	{ "1dd", 0 },
	{ "1D", 0 },
	{ "1.5d", 0 },
};

Test(args, ages_have_a_unit)
{
	for (size_t i = 0; i < ARRAY_LEN(ages); i++) {
		struct ctl_args a;
		struct err err = ERR_INIT;
		char line[64];
		int r;

		(void)snprintf(line, sizeof(line), "purge --older %s", ages[i].text);
		r = parse(&a, &err, line);
		cr_expect(r == (ages[i].want_ms > 0 ? 0 : -EINVAL), "%s", ages[i].text);
		cr_expect(r < 0 || ctl_args_age_ms(&a, OPT_OLDER) == ages[i].want_ms,
		    "%s", ages[i].text);
	}
}

Test(args, takes_options_before_and_behind_the_command)
{
	struct ctl_args a;
	struct err err = ERR_INIT;

	cr_assert(parse(&a, &err,
		      "-c x.conf run --agent=sql -o me -tonce-more hello --json you") ==
	    -EINVAL);
	cr_assert(parse(&a, &err,
		      "-c x.conf run --agent=sql -o me -t90 hello --json you") == 0,
	    "%s", err.text);
	cr_expect(strcmp(a.command->name, "run") == 0);
	cr_expect(strcmp(a.value[OPT_CONFIG], "x.conf") == 0);
	cr_expect(strcmp(a.value[OPT_AGENT], "sql") == 0);
	cr_expect(strcmp(a.value[OPT_OWNER], "me") == 0);
	cr_expect(ctl_args_seconds(&a, OPT_TIMEOUT, 1) == 90);
	cr_expect(ctl_args_seconds(&a, OPT_WAIT, 7) == 7);
	cr_expect(a.value[OPT_JSON] != NULL);
	cr_expect(a.value[OPT_SESSION] == NULL);
	cr_expect(a.n_words == 2 && strcmp(a.words[1], "you") == 0);
}

Test(args, ends_options_at_two_dashes_and_takes_one_dash_as_a_word)
{
	struct ctl_args a;
	struct err err = ERR_INIT;

	cr_assert(parse(&a, &err, "run -- --agent -x") == 0, "%s", err.text);
	cr_expect(a.n_words == 2 && strcmp(a.words[0], "--agent") == 0);
	cr_assert(parse(&a, &err, "run -") == 0, "%s", err.text);
	cr_expect(a.n_words == 1 && strcmp(a.words[0], "-") == 0);
}

Test(args, collects_fields)
{
	struct ctl_args a;
	struct err err = ERR_INIT;

	cr_assert(parse(&a, &err, "submit -f a=1 --field=b=x=y hi") == 0, "%s",
	    err.text);
	cr_expect(a.n_fields == 2);
	cr_expect(strcmp(a.fields[1], "b=x=y") == 0);
}

Test(args, knows_commands_of_two_words)
{
	struct ctl_args a;
	struct err err = ERR_INIT;

	cr_assert(parse(&a, &err, "dead show 1234") == 0, "%s", err.text);
	cr_expect(strcmp(a.command->name, "dead show") == 0);
	cr_expect(a.n_words == 1 && strcmp(a.words[0], "1234") == 0);
}

static const struct {
	const char *line;
	const char *part; /* of the sentence */
} mistakes[] = {
	{ "", "no command" },
	{ "rnu hello", "did you mean 'run'" },
	{ "stat", "did you mean 'status'" },
	{ "xyzzy", "'agentctl --help'" },
	{ "dead", "one more word: list, show, retry, drop" },
	{ "dead shwo 1", "did you mean 'dead show'" },
	{ "run", "needs PROMPT" },
	{ "job", "needs JOB_ID" },
	{ "job 1 2", "takes no argument '2'" },
	{ "status now", "takes no argument 'now'" },
	{ "run --bogus hi", "no option --bogus" },
	{ "run -Z hi", "no option -Z" },
	{ "run --agent", "needs a value: NAME" },
	{ "run hi -a", "needs a value: NAME" },
	{ "run --json=yes hi", "takes no value" },
	{ "run --timeout -5 hi", "whole number of seconds" },
	{ "run --timeout 5s hi", "whole number of seconds" },
	{ "run --timeout 99999999999999999999 hi", "whole number of seconds" },
	{ "run --field novalue hi", "NAME=VALUE" },
	{ "run --field =x hi", "NAME=VALUE" },
	{ "--agent x run hi", "no option --agent" },
	{ "intent --agent x hi", "no option --agent" },
};

Test(args, explains_mistakes)
{
	for (size_t i = 0; i < ARRAY_LEN(mistakes); i++) {
		struct ctl_args a;
		struct err err = ERR_INIT;

		cr_expect(parse(&a, &err, mistakes[i].line) == -EINVAL, "%s",
		    mistakes[i].line);
		cr_expect(strstr(err.text, mistakes[i].part) != NULL, "'%s': %s",
		    mistakes[i].line, err.text);
	}
}

Test(args, help_is_given_whatever_else_is_missing)
{
	static const char *const lines[] = { "--help", "-h run", "run --help",
		"dead -h", "-V" };

	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		struct ctl_args a;
		struct err err = ERR_INIT;

		cr_expect(parse(&a, &err, lines[i]) == 0, "%s: %s", lines[i], err.text);
	}
}

/* ---- the tables themselves ---- */

static void
expect_options_unique(const struct command *c)
{
	bool letters[256] = { false };
	bool ids[OPT_COUNT] = { false };
	const struct ctl_option *lists[] = { ctl_global_options(), c->options };

	for (size_t k = 0; k < ARRAY_LEN(lists); k++)
		for (const struct ctl_option *o = lists[k]; o->name != NULL; o++) {
			cr_expect(o->letter == 0 ||
				letters[(unsigned char)o->letter] == false,
			    "%s -%c", c->name, o->letter);
			cr_expect(ids[o->id] == false, "%s --%s", c->name, o->name);
			cr_expect((o->value == VALUE_NONE) == (o->value_name == NULL),
			    "%s --%s", c->name, o->name);
			cr_expect(o->help != NULL && o->help[0] != '\0', "%s --%s",
			    c->name, o->name);
			letters[(unsigned char)o->letter] = o->letter != 0;
			ids[o->id] = true;
		}
}

Test(commands, are_complete_and_unambiguous)
{
	size_t n;
	const struct command *c = ctl_commands(&n);

	for (size_t i = 0; i < n; i++) {
		cr_expect(c[i].run != NULL && c[i].help != NULL, "%s", c[i].name);
		cr_expect(c[i].least <= c[i].most, "%s", c[i].name);
		expect_options_unique(&c[i]);
		for (size_t k = 0; k < i; k++)
			cr_expect(strcmp(c[i].name, c[k].name) != 0, "%s", c[i].name);
	}
}

Test(help, names_every_command_option_and_status)
{
	CLEANUP_BUF struct buf all = BUF_INIT;
	size_t n;
	const struct command *c = ctl_commands(&n);

	ctl_help_overview(&all);
	for (size_t i = 0; i < n; i++) {
		CLEANUP_BUF struct buf one = BUF_INIT;

		cr_expect(strstr(buf_str(&all), c[i].name) != NULL, "%s", c[i].name);
		ctl_help_command(&one, &c[i]);
		for (const struct ctl_option *o = c[i].options; o->name != NULL; o++)
			cr_expect((strstr(buf_str(&one), o->name) != NULL) ==
				(o->is_hidden == false),
			    "%s --%s", c[i].name, o->name);
	}
}

Test(help, keeps_within_eighty_columns)
{
	CLEANUP_BUF struct buf all = BUF_INIT;
	size_t n;
	const struct command *c = ctl_commands(&n);
	char *save = NULL;

	ctl_help_overview(&all);
	for (size_t i = 0; i < n; i++)
		ctl_help_command(&all, &c[i]);
	for (char *line = strtok_r(all.data, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save))
		cr_expect(text_width(line, strlen(line)) <= 80, "%s", line);
}

Test(help, completion_offers_commands_and_options)
{
	CLEANUP_BUF struct buf out = BUF_INIT;

	ctl_help_completion(&out);
	cr_expect(strstr(buf_str(&out), "complete -F _agentctl agentctl") != NULL);
	cr_expect(strstr(buf_str(&out), "'run'*) words=\" --agent") != NULL);
	cr_expect(strstr(buf_str(&out),
		      "'dead') has_files=no words=\"list show retry drop ") != NULL);
	cr_expect(strstr(buf_str(&out), "all-names") == NULL);
}

static const struct {
	int64_t ms;
	const char *want;
} durations[] = {
	{ 0, "0 ms" },
	{ 850, "850 ms" },
	{ 1000, "1.0 s" },
	{ 9949, "9.9 s" },
	{ 59999, "59 s" },
	{ 90000, "1.5 min" },
	{ 3600000, "1.0 h" },
	{ 864000000, "10 d" },
};

Test(print, durations_for_people)
{
	char text[32];

	for (size_t i = 0; i < ARRAY_LEN(durations); i++)
		cr_expect(strcmp(ctl_duration(durations[i].ms, text),
			      durations[i].want) == 0,
		    "%lld ms: %s", (long long)durations[i].ms, text);
}

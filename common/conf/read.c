/* SPDX-License-Identifier: MIT */
/*
 * read.c - libconfig text into a struct conf, by the tables of options.
 *
 * Owns:   nothing beyond the call; the struct conf is the caller's.
 * Called: by the supervisor, agentctl and -t on files; by every role on its part.
 * Fails:  with every finding as "FILE:LINE: key: what", joined by newlines.
 */
#include "config.h"

#include "common/conf/options.h"
#include "common/conf/prices.h"

#include <errno.h>
#include <libconfig.h>
#include <libgen.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

enum {
	TEXT_FILE_MAX = 1024 * 1024,
	NAME_PATH_MAX = 256
};

struct reader {
	struct conf *conf;
	struct err *err;
	const char *base_dir; /* for NAME_file; NULL in role texts */
	bool is_role_text;    /* no expansion, no files, private records allowed */
	bool is_one_record;   /* an agent's file: keys are shown without the prefix */
	char
	    prefix[NAME_PATH_MAX]; /* of the record that is read, "llm.providers[0]." */
};

static const char *
file_of(const struct reader *rd, const config_setting_t *s)
{
	const char *file = config_setting_source_file(s);

	if (file != NULL)
		return file;
	return rd->conf->path[0] != '\0' ? rd->conf->path : "configuration";
}

PRINTF_LIKE(4, 5)
static int
finding(struct reader *rd, const config_setting_t *s, const char *key, const char *fmt,
    ...)
{
	char what[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return conf_finding(rd->err, -EINVAL, "%s:%u: %s%s: %s", file_of(rd, s),
	    (unsigned)config_setting_source_line(s),
	    rd->is_one_record ? "" : rd->prefix, key, what);
}

/* Findings of later checks name the line, too. */
static void
note_place(struct reader *rd, const config_setting_t *s, const char *key)
{
	char whole[2 * NAME_PATH_MAX];

	if (rd->is_role_text)
		return;
	(void)snprintf(whole, sizeof(whole), "%s%s", rd->prefix, key);
	conf_place_add(rd->conf, whole, file_of(rd, s),
	    (unsigned)config_setting_source_line(s));
}

/* The expanded text of a string setting; *out owned by the caller. */
static int
string_value(struct reader *rd, config_setting_t *s, const char *key, char **out)
{
	const char *text = config_setting_get_string(s);
	struct err e = ERR_INIT;

	if (text == NULL)
		return finding(rd, s, key, "wants a string in double quotes");
	if (rd->is_role_text)
		*out = strdup(text);
	else if (conf_expand(text, out, &e) < 0)
		return finding(rd, s, key, "%s", e.text);
	return *out != NULL ? 0 : -ENOMEM;
}

PRINTF_LIKE(4, 5)
static void
warn(struct reader *rd, const config_setting_t *s, const char *key, const char *fmt,
    ...)
{
	char what[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	conf_warn(rd->conf, "%s:%u: %s%s: %s", file_of(rd, s),
	    (unsigned)config_setting_source_line(s), rd->prefix, key, what);
}

/* *value is replaced by what it names, if it names a file. */
static int
read_secret(struct reader *rd, const config_setting_t *s, const char *key,
    const struct conf_option *o, char **value)
{
	CLEANUP(freep) char *remark = NULL;
	char *content = NULL;
	struct err e = ERR_INIT;
	int r = conf_read_secret(*value, &content, &remark, &e);

	if (r < 0)
		return finding(rd, s, key, "%s", e.text);
	if (r > 0) {
		free(*value);
		*value = content;
	}
	if (remark != NULL)
		warn(rd, s, key, "%s", remark);
	if (o->type == OPT_SECRET && **value != '\0' && strlen(*value) < SECRETS_LEAST)
		warn(rd, s, key,
		    "shorter than %d bytes: it could not be masked in what servers answer",
		    SECRETS_LEAST);
	return 0;
}

static int
read_string(struct reader *rd, config_setting_t *s, const char *key,
    const struct conf_option *o, char **field)
{
	CLEANUP(freep) char *value = NULL;
	int r = string_value(rd, s, key, &value);

	if (r == 0 && !rd->is_role_text &&
	    (o->type == OPT_SECRET || o->type == OPT_URL))
		r = read_secret(rd, s, key, o, &value);
	if (r < 0)
		return r;
	free(*field);
	*field = TAKE_PTR(value);
	return 0;
}

/* A whole number: an integer, or a string (from the environment) that is one. */
static int
read_int(struct reader *rd, config_setting_t *s, const char *key,
    const struct conf_option *o, int64_t *field)
{
	CLEANUP(freep) char *text = NULL;
	int64_t value;
	char *end;

	switch (config_setting_type(s)) {
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		value = config_setting_get_int64(s);
		break;
	case CONFIG_TYPE_STRING:
		if (string_value(rd, s, key, &text) < 0)
			return -EINVAL;
		errno = 0;
		value = strtoll(text, &end, 10);
		if (end == text || *end != '\0' || errno != 0)
			return finding(rd, s, key, "'%s' is not a whole number", text);
		break;
	default:
		return finding(rd, s, key, "wants a whole number");
	}
	if (value < o->min || value > o->max)
		return finding(rd, s, key, "%lld is out of bounds: %lld to %lld",
		    (long long)value, (long long)o->min, (long long)o->max);
	*field = value;
	return 0;
}

static int
read_float(struct reader *rd, config_setting_t *s, const char *key,
    const struct conf_option *o, double *field)
{
	double value;

	switch (config_setting_type(s)) {
	case CONFIG_TYPE_FLOAT:
		value = config_setting_get_float(s);
		break;
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		value = (double)config_setting_get_int64(s);
		break;
	default:
		return finding(rd, s, key, "wants a number");
	}
	if (!isfinite(value) || (o->max > 0 && value > (double)o->max) ||
	    (o->max == 0 && value < 0))
		return finding(rd, s, key, "%g is out of bounds", value);
	*field = value;
	return 0;
}

static int
read_bool(struct reader *rd, config_setting_t *s, const char *key, bool *field)
{
	if (config_setting_type(s) != CONFIG_TYPE_BOOL)
		return finding(rd, s, key, "wants true or false");
	*field = config_setting_get_bool(s) != 0;
	return 0;
}

/* One member of a list: a string, or a number (ports). */
static int
list_item(struct reader *rd, config_setting_t *s, const char *key, char **out)
{
	int type = config_setting_type(s);

	if (type == CONFIG_TYPE_INT || type == CONFIG_TYPE_INT64) {
		if (asprintf(out, "%lld", (long long)config_setting_get_int64(s)) < 0)
			return -ENOMEM;
		return 0;
	}
	return string_value(rd, s, key, out);
}

static void
list_clear(struct conf_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->v[i]);
	free(list->v);
	*list = (struct conf_list){ NULL, 0 };
}

static int
read_list(struct reader *rd, config_setting_t *s, const char *key,
    struct conf_list *field)
{
	int type = config_setting_type(s), n = config_setting_length(s);

	if (type != CONFIG_TYPE_LIST && type != CONFIG_TYPE_ARRAY)
		return finding(rd, s, key, "wants a list: ( \"a\", \"b\" )");
	list_clear(field);
	if (n == 0)
		return 0;
	field->v = calloc((size_t)n, sizeof(*field->v));
	if (field->v == NULL)
		return -ENOMEM;
	for (int i = 0; i < n; i++) {
		int r = list_item(rd, config_setting_get_elem(s, (unsigned)i), key,
		    &field->v[i]);

		if (r < 0)
			return r;
		field->n++;
	}
	return 0;
}

/* It goes into JSON; the model's server would refuse it in every job. */
static bool
is_utf8(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	while (*s != '\0') {
		size_t more = *s < 0x80       ? 0
		    : *s >= 0xc2 && *s < 0xe0 ? 1
		    : (*s & 0xf0) == 0xe0     ? 2
		    : *s >= 0xf0 && *s < 0xf5 ? 3
					      : 4;

		if (more == 4)
			return false;
		for (s++; more > 0; more--, s++)
			if ((*s & 0xc0) != 0x80)
				return false;
	}
	return true;
}

/* NAME_file in a file; the text itself in a role text. */
static int
read_text(struct reader *rd, config_setting_t *s, const char *key, char **field)
{
	CLEANUP(freep) char *value = NULL;
	CLEANUP(freep) char *path = NULL;
	char *content = NULL;
	struct err e = ERR_INIT;
	int r = string_value(rd, s, key, &value);

	if (r < 0)
		return r;
	if (!rd->is_role_text && value[0] != '\0') {
		if (asprintf(&path, "%s%s%s", value[0] == '/' ? "" : rd->base_dir,
			value[0] == '/' ? "" : "/", value) < 0)
			return -ENOMEM;
		if (conf_read_file(path, TEXT_FILE_MAX, &content, &e) < 0)
			return finding(rd, s, key, "%s", e.text);
		free(value);
		value = content;
		if (!is_utf8(content))
			return finding(rd, s, key, "%s is not UTF-8 text", path);
	}
	free(*field);
	*field = TAKE_PTR(value);
	return 0;
}

static int
read_value(struct reader *rd, config_setting_t *s, const char *key,
    const struct conf_option *o, void *record)
{
	void *field = conf_field(o, record);

	switch (o->type) {
	case OPT_STRING:
	case OPT_SECRET:
	case OPT_URL:
		return read_string(rd, s, key, o, field);
	case OPT_TEXT:
		return read_text(rd, s, key, field);
	case OPT_BOOL:
		return read_bool(rd, s, key, field);
	case OPT_INT:
		return read_int(rd, s, key, o, field);
	case OPT_FLOAT:
		return read_float(rd, s, key, o, field);
	case OPT_LIST:
		return read_list(rd, s, key, field);
	case OPT_TYPE_COUNT:
		break;
	}
	return -EINVAL;
}

/* Edit distance, for "did you mean"; both names are short. */
static unsigned
distance(const char *a, const char *b)
{
	unsigned row[128];
	size_t nb = strlen(b);

	if (nb >= ARRAY_LEN(row))
		return 99;
	for (size_t j = 0; j <= nb; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; a[i - 1] != '\0'; i++) {
		unsigned corner = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= nb; j++) {
			unsigned old = row[j];
			unsigned best = corner + (a[i - 1] != b[j - 1]);

			if (old + 1 < best)
				best = old + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
			corner = old;
		}
	}
	return row[nb];
}

static int
unknown_key(struct reader *rd, config_setting_t *s, const char *key,
    const struct conf_option *options, size_t n)
{
	const char *nearest = NULL;
	unsigned best = 4;

	for (size_t i = 0; i < n; i++) {
		unsigned d = distance(key, options[i].name);

		if (d < best) {
			best = d;
			nearest = options[i].name;
		}
	}
	if (nearest != NULL)
		return finding(rd, s, key, "unknown option; did you mean %s?", nearest);
	return finding(rd, s, key, "unknown option");
}

static bool
is_prefix_of_option(const struct conf_option *options, size_t n, const char *key)
{
	size_t len = strlen(key);

	for (size_t i = 0; i < n; i++)
		if (strncmp(options[i].name, key, len) == 0 &&
		    options[i].name[len] == '.')
			return true;
	return false;
}

static const struct conf_record *
record_find(const struct reader *rd, const char *key)
{
	for (size_t i = 0; i < conf_n_records; i++)
		if (strcmp(conf_records[i].name, key) == 0 &&
		    (!conf_records[i].is_role_only || rd->is_role_text))
			return &conf_records[i];
	return NULL;
}

static bool
is_prefix_of_record(const char *key)
{
	size_t len = strlen(key);

	for (size_t i = 0; i < conf_n_records; i++)
		if (strncmp(conf_records[i].name, key, len) == 0 &&
		    conf_records[i].name[len] == '.')
			return true;
	return false;
}

/* Finds a record's option; texts are called NAME_file in files. */
static const struct conf_option *
option_for_key(const struct reader *rd, const struct conf_option *options, size_t n,
    const char *key)
{
	char base[NAME_PATH_MAX];
	size_t len = strlen(key);
	const struct conf_option *o = conf_option_find(options, n, key);

	if (o != NULL)
		return o->type != OPT_TEXT || rd->is_role_text ? o : NULL;
	if (len < 6 || len >= sizeof(base) || strcmp(key + len - 5, "_file") != 0)
		return NULL;
	memcpy(base, key, len - 5);
	base[len - 5] = '\0';
	o = conf_option_find(options, n, base);
	return o != NULL && o->type == OPT_TEXT && !rd->is_role_text ? o : NULL;
}

static int read_group(struct reader *rd, config_setting_t *group, const char *prefix,
    const struct conf_option *options, size_t n, void *record);

/* The record as a whole: the prefix without its dot. */
static void
note_record(struct reader *rd, const config_setting_t *s)
{
	char key[NAME_PATH_MAX];
	size_t n = strlen(rd->prefix) - 1;

	memcpy(key, rd->prefix, n);
	key[n] = '\0';
	if (!rd->is_role_text)
		conf_place_add(rd->conf, key, file_of(rd, s),
		    (unsigned)config_setting_source_line(s));
}

static int
read_records(struct reader *rd, config_setting_t *s, const struct conf_record *r)
{
	int n = config_setting_length(s), type = config_setting_type(s), status = 0;

	if (type != (r->is_named_group ? CONFIG_TYPE_GROUP : CONFIG_TYPE_LIST))
		return finding(rd, s, r->name, "wants %s",
		    r->is_named_group ? "groups: { NAME = { ... }; }"
				      : "a list of groups: ( { ... }, { ... } )");
	for (int i = 0; i < n; i++) {
		config_setting_t *item = config_setting_get_elem(s, (unsigned)i);
		void *record;

		if (config_setting_type(item) != CONFIG_TYPE_GROUP) {
			status = finding(rd, item, r->name, "wants a group: { ... }");
			continue;
		}
		record = conf_record_add(rd->conf, r);
		if (record == NULL)
			return -ENOMEM;
		if (r->is_named_group) { /* the name is the first option of each record
					  */
			char **name = conf_field(&r->options[0], record);

			free(*name);
			*name = strdup(config_setting_name(item));
			if (*name == NULL)
				return -ENOMEM;
		}
		if (r->is_named_group)
			(void)snprintf(rd->prefix, sizeof(rd->prefix), "%s.%s.",
			    r->name, config_setting_name(item));
		else
			(void)snprintf(rd->prefix, sizeof(rd->prefix), "%s[%d].",
			    r->name, i);
		note_record(rd, item);
		if (read_group(rd, item, "", r->options, r->n_options, record) < 0)
			status = -EINVAL;
		rd->prefix[0] = '\0';
	}
	return status;
}

static int
read_member(struct reader *rd, config_setting_t *s, const char *key,
    const struct conf_option *options, size_t n, void *record)
{
	const struct conf_option *o = option_for_key(rd, options, n, key);
	bool is_top = options == conf_options;
	const struct conf_record *r = is_top ? record_find(rd, key) : NULL;

	if (is_top && rd->is_role_text && strcmp(key, "places") == 0)
		return read_list(rd, s, key, &rd->conf->places);
	if (is_top && rd->is_role_text && strcmp(key, "warnings") == 0)
		return read_list(rd, s, key, &rd->conf->warnings);
	if (o != NULL) {
		note_place(rd, s, key);
		return read_value(rd, s, key, o, record);
	}
	if (r != NULL)
		return read_records(rd, s, r);
	if (!is_prefix_of_option(options, n, key) &&
	    !(is_top && is_prefix_of_record(key)))
		return unknown_key(rd, s, key, options, n);
	if (config_setting_type(s) != CONFIG_TYPE_GROUP)
		return finding(rd, s, key, "wants a group: { ... }");
	return read_group(rd, s, key, options, n, record);
}

static int
read_group(struct reader *rd, config_setting_t *group, const char *prefix,
    const struct conf_option *options, size_t n, void *record)
{
	int status = 0, members = config_setting_length(group);

	for (int i = 0; i < members; i++) {
		config_setting_t *s = config_setting_get_elem(group, (unsigned)i);
		char key[NAME_PATH_MAX];
		int r;

		(void)snprintf(key, sizeof(key), "%s%s%s", prefix,
		    prefix[0] != '\0' ? "." : "", config_setting_name(s));
		r = read_member(rd, s, key, options, n, record);
		if (r < 0)
			status = r;
	}
	return status;
}

static int
parse_failed(const config_t *cfg, const char *path, struct err *err)
{
	const char *file = config_error_file(cfg);

	struct stat st;

	if (config_error_type(cfg) == CONFIG_ERR_FILE_IO)
		return conf_finding(err, -ENOENT, "cannot read %s: %s", path,
		    strerror(
			stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? EISDIR : errno));
	return conf_finding(err, -EINVAL, "%s:%d: %s", file != NULL ? file : path,
	    config_error_line(cfg), config_error_text(cfg));
}

static struct conf *
conf_new(const char *path)
{
	CLEANUP(conf_freep) struct conf *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->path = strdup(path != NULL ? path : "");
	if (c->path == NULL ||
	    conf_record_defaults(conf_options, conf_n_options, c) < 0)
		return NULL;
	return TAKE_PTR(c);
}

static int
node_default(struct conf *c)
{
	char host[65] = "";

	if (c->service.node[0] != '\0')
		return 0;
	if (gethostname(host, sizeof(host) - 1) != 0 || host[0] == '\0')
		(void)snprintf(host, sizeof(host), "localhost");
	for (char *p = host; *p != '\0'; p++)
		if (strchr(
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_",
			*p) == NULL)
			*p = '-';
	free(c->service.node);
	c->service.node = strdup(host);
	return c->service.node != NULL ? 0 : -ENOMEM;
}

/* Negative temperatures mean "not sent"; inside that is NAN. */
static void
temperatures(struct conf *c)
{
	for (size_t i = 0; i < c->llm.n_providers; i++)
		if (c->llm.providers[i].temperature < 0)
			c->llm.providers[i].temperature = NAN;
	for (size_t i = 0; i < c->n_agents; i++)
		if (c->agents[i].temperature < 0)
			c->agents[i].temperature = NAN;
}

/* The one provider that stands when the file names none. */
static int
default_provider(struct conf *c)
{
	struct conf_provider *p;
	const char *key = getenv("OPENAI_API_KEY");

	if (c->llm.n_providers > 0)
		return 0;
	p = conf_record_add(c, &conf_records[0]);
	if (p == NULL)
		return -ENOMEM;
	free(p->name);
	free(p->api_key);
	p->name = strdup("openai");
	p->api_key = strdup(key != NULL ? key : "");
	return p->name != NULL && p->api_key != NULL ? 0 : -ENOMEM;
}

static void
note_agent(struct conf *c, const char *path)
{
	char key[NAME_PATH_MAX];

	(void)snprintf(key, sizeof(key), "agents[%zu]", c->n_agents - 1);
	conf_place_add(c, key, path, 0);
}

int
conf_read_agent_file(struct conf *c, const char *path, const char *dir, struct err *err)
{
	const struct conf_record *r = &conf_records[conf_n_records - 1];
	struct reader rd = { .conf = c,
		.err = err,
		.base_dir = dir,
		.is_one_record = true };
	const char *slash = strrchr(path, '/');
	struct conf_agent *agent;
	config_t cfg;
	int status;

	config_init(&cfg);
	if (config_read_file(&cfg, path) != CONFIG_TRUE) {
		status = parse_failed(&cfg, path, err);
	} else if ((agent = conf_record_add(c, r)) == NULL) {
		status = conf_finding(err, -ENOMEM, "no memory");
	} else {
		free(agent->name);
		agent->name = strdup(slash + 1);
		if (agent->name != NULL)
			agent->name[strlen(agent->name) - strlen(".conf")] = '\0';
		(void)snprintf(rd.prefix, sizeof(rd.prefix), "agents[%zu].",
		    c->n_agents - 1);
		note_agent(c, path);
		status = read_group(&rd, config_root_setting(&cfg), "", r->options,
		    r->n_options, agent);
	}
	config_destroy(&cfg);
	return status;
}

/* is_text: it could be parsed, so what is wrong in it does not hide what else is wrong.
 */
static int
read_main_file(struct reader *rd, const char *path, bool *is_text)
{
	config_t cfg;
	int r;

	config_init(&cfg);
	config_set_include_dir(&cfg, rd->base_dir);
	*is_text = config_read_file(&cfg, path) == CONFIG_TRUE;
	if (!*is_text) {
		struct reader quiet = *rd;
		struct err ignored = ERR_INIT;

		r = parse_failed(&cfg, path, rd->err);
		/* For conf_load_anyway: what stood before the error. */
		quiet.err = &ignored;
		(void)read_group(&quiet, config_root_setting(&cfg), "", conf_options,
		    conf_n_options, rd->conf);
	} else
		r = read_group(rd, config_root_setting(&cfg), "", conf_options,
		    conf_n_options, rd->conf);
	config_destroy(&cfg);
	return r;
}

/* Every step speaks, whatever the one before it found. */
static int
read_and_check(struct reader *rd, const char *path)
{
	struct conf *c = rd->conf;
	bool is_text = true;
	int read_r = path != NULL ? read_main_file(rd, path, &is_text) : 0;
	int agents_r, check_r;

	if (!is_text)
		return read_r;
	if (default_provider(c) < 0 || node_default(c) < 0)
		return err_set(rd->err, -ENOMEM, "no memory for the configuration");
	agents_r = conf_read_agents(c, rd->base_dir, rd->err);
	temperatures(c);
	check_r = conf_check(c, rd->err);
	conf_warn_of_budgets(c);
	return read_r < 0 ? read_r : agents_r < 0 ? agents_r : check_r;
}

int
conf_load_anyway(const char *path, struct conf **out, struct err *err)
{
	CLEANUP(conf_freep) struct conf *c = conf_new(path);
	CLEANUP(freep) char *copy = strdup(path != NULL ? path : PKGCONFDIR "/x");
	struct err own = ERR_INIT;
	struct reader rd = { .conf = c, .err = err != NULL ? err : &own };
	int r;

	if (c == NULL || copy == NULL)
		return err_set(err, -ENOMEM, "no memory for the configuration");
	rd.err->code = 0;
	rd.err->text[0] = '\0';
	rd.base_dir = dirname(copy);
	r = read_and_check(&rd, path);
	*out = TAKE_PTR(c);
	return r;
}

int
conf_load(const char *path, struct conf **out, struct err *err)
{
	CLEANUP(conf_freep) struct conf *c = NULL;
	int r = conf_load_anyway(path, &c, err);

	if (r < 0)
		return r;
	*out = TAKE_PTR(c);
	return 0;
}

int
conf_read_role(const char *text, size_t n, struct conf **out, struct err *err)
{
	CLEANUP(conf_freep) struct conf *c = conf_new("");
	CLEANUP(freep) char *copy = strndup(text, n);
	struct reader rd = { .conf = c, .err = err, .is_role_text = true };
	config_t cfg;
	int r;

	if (c == NULL || copy == NULL)
		return err_set(err, -ENOMEM, "no memory for the configuration");
	config_init(&cfg);
	if (config_read_string(&cfg, copy) != CONFIG_TRUE)
		r = parse_failed(&cfg, "role text", err);
	else
		r = read_group(&rd, config_root_setting(&cfg), "", conf_options,
		    conf_n_options, c);
	config_destroy(&cfg);
	explicit_bzero(copy, strlen(copy));
	if (r < 0)
		return r;
	temperatures(c);
	*out = TAKE_PTR(c);
	return 0;
}

const char *
conf_default_path(void)
{
	const char *path = getenv("AGENT_RUNNER_CONF");

	return path != NULL && path[0] != '\0' ? path : PKGCONFDIR "/agent-runner.conf";
}

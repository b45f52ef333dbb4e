/* SPDX-License-Identifier: MIT */
/*
 * write.c - a struct conf as libconfig text: masked for people, by role for children.
 *
 * Owns:   nothing; the buffer is the caller's.
 * Called: by -T, agentctl config, and the supervisor for each child it starts.
 * Fails:  as the buffer does.
 */
#include "config.h"

#include "common/conf/options.h"

#include <errno.h>
#include <math.h>
#include <string.h>

struct writer {
	struct buf *out;
	bool is_for_people; /* texts are shown under another name: this is no input */
	bool is_masked;
	unsigned role_bit; /* 0: every role */
};

static void
write_string(struct buf *out, const char *s)
{
	buf_addc(out, '"');
	for (; *s != '\0'; s++) {
		unsigned char ch = (unsigned char)*s;

		if (ch == '"' || ch == '\\')
			buf_addc(out, '\\'), buf_addc(out, *s);
		else if (ch == '\n')
			buf_adds(out, "\\n");
		else if (ch == '\t')
			buf_adds(out, "\\t");
		else if (ch < 0x20 || ch == 0x7f)
			buf_addf(out, "\\x%02X", ch);
		else
			buf_addc(out, *s);
	}
	buf_addc(out, '"');
}

static void
write_masked_url(struct buf *out, const char *url)
{
	CLEANUP_BUF struct buf masked = BUF_INIT;

	conf_mask_url(&masked, url);
	write_string(out, buf_str(&masked));
}

/* As short as it can be read back: 0.1, not 0.10000000000000001. */
static void
write_float(struct buf *out, double d)
{
	char text[40];

	if (isnan(d))
		d = -1;
	(void)snprintf(text, sizeof(text), "%.15g", d);
	if (strtod(text, NULL) != d)
		(void)snprintf(text, sizeof(text), "%.17g", d);
	buf_adds(out, text);
	if (strpbrk(text, ".e") == NULL)
		buf_adds(out, ".0");
}

static void
write_list(struct buf *out, const struct conf_list *list)
{
	buf_adds(out, "(");
	for (size_t i = 0; i < list->n; i++) {
		buf_adds(out, i > 0 ? ", " : " ");
		write_string(out, list->v[i]);
	}
	buf_adds(out, " )");
}

static void
write_value(struct writer *w, const struct conf_option *o, const void *record)
{
	const void *field = conf_field(o, record);
	const char *text;

	switch (o->type) {
	case OPT_STRING:
	case OPT_TEXT:
		write_string(w->out, *(char *const *)field);
		break;
	case OPT_SECRET:
		text = *(char *const *)field;
		write_string(w->out,
		    w->is_masked && text[0] != '\0' ? CONF_MASK : text);
		break;
	case OPT_URL:
		if (w->is_masked)
			write_masked_url(w->out, *(char *const *)field);
		else
			write_string(w->out, *(char *const *)field);
		break;
	case OPT_BOOL:
		buf_adds(w->out, *(const bool *)field ? "true" : "false");
		break;
	case OPT_INT:
		buf_addf(w->out, "%lld%s", (long long)*(const int64_t *)field,
		    *(const int64_t *)field > INT32_MAX ? "L" : "");
		break;
	case OPT_FLOAT:
		write_float(w->out, *(const double *)field);
		break;
	case OPT_LIST:
		write_list(w->out, field);
		break;
	case OPT_TYPE_COUNT:
		break;
	}
}

static void
indent(struct buf *out, unsigned depth)
{
	for (unsigned i = 0; i < depth; i++)
		buf_adds(out, "    ");
}

/* How many leading "group." parts two dotted names share. */
static size_t
shared_prefix(const char *a, const char *b)
{
	size_t shared = 0;

	for (size_t i = 0; a[i] != '\0' && a[i] == b[i]; i++)
		if (a[i] == '.')
			shared = i + 1;
	return shared;
}

static unsigned
dots(const char *s, size_t n)
{
	unsigned count = 0;

	for (size_t i = 0; i < n; i++)
		count += s[i] == '.';
	return count;
}

static void write_records_of(struct writer *w, const struct conf *c, const char *name,
    size_t n);

/* Ends the innermost of the open groups; the lists that belong to a group of the
   configuration itself stand at its end. */
static void
close_group(struct writer *w, const void *record, const char *name, unsigned depth,
    unsigned open)
{
	if (depth == 0 && open == 1)
		write_records_of(w, record, name, strcspn(name, "."));
	indent(w->out, depth + open - 1);
	buf_adds(w->out, "};\n");
}

/* Writes a record's options in table order, opening and closing groups as names
   change. */
static void
write_options(struct writer *w, const struct conf_option *options, size_t n,
    const void *record, unsigned depth)
{
	const char *last = "";
	unsigned open = 0;

	for (size_t i = 0; i < n; i++) {
		const struct conf_option *o = &options[i];
		const char *leaf = strrchr(o->name, '.');
		size_t group_len = leaf != NULL ? (size_t)(leaf + 1 - o->name) : 0;
		size_t shared = shared_prefix(last, o->name);

		if (w->role_bit != 0 && (o->roles & w->role_bit) == 0)
			continue;
		for (; open > dots(o->name, shared); open--)
			close_group(w, record, last, depth, open);
		for (const char *p = o->name + shared; p < o->name + group_len;) {
			size_t len = strcspn(p, ".");

			indent(w->out, depth + open);
			buf_addf(w->out, "%.*s = {\n", (int)len, p);
			open++;
			p += len + 1;
		}
		indent(w->out, depth + open);
		buf_addf(w->out, "%s%s = ", o->name + group_len,
		    o->type == OPT_TEXT && w->is_for_people ? "_text" : "");
		write_value(w, o, record);
		buf_adds(w->out, ";\n");
		last = o->name;
	}
	for (; open > 0; open--)
		close_group(w, record, last, depth, open);
}

static bool
record_has_part_for(const struct writer *w, const struct conf_record *r)
{
	for (size_t i = 0; i < r->n_options; i++)
		if (w->role_bit == 0 || (r->options[i].roles & w->role_bit) != 0)
			return true;
	return false;
}

/* The list alone, without the group that it may stand in. */
static void
write_records(struct writer *w, const struct conf *c, const struct conf_record *r)
{
	union {
		const struct conf *conf;
		const char *bytes;
	} p = { c };
	const char *v = *(char *const *)(const void *)(p.bytes + r->v_offset);
	size_t n = *(const size_t *)(const void *)(p.bytes + r->n_offset);
	const char *leaf = strrchr(r->name, '.');
	unsigned depth = leaf != NULL;

	if (n == 0 || !record_has_part_for(w, r))
		return;
	indent(w->out, depth);
	buf_addf(w->out, "%s = %s\n", leaf != NULL ? leaf + 1 : r->name,
	    r->is_named_group ? "{" : "(");
	for (size_t i = 0; i < n; i++) {
		const void *record = v + i * r->size;
		size_t skip = r->is_named_group;

		indent(w->out, depth + 1);
		if (r->is_named_group)
			buf_addf(w->out, "%s = {\n",
			    *(char *const *)conf_field(&r->options[0], record));
		else
			buf_adds(w->out, "{\n");
		write_options(w, r->options + skip, r->n_options - skip, record,
		    depth + 2);
		indent(w->out, depth + 1);
		buf_adds(w->out,
		    r->is_named_group ? "};\n"
			: i + 1 < n   ? "},\n"
				      : "}\n");
	}
	indent(w->out, depth);
	buf_adds(w->out, r->is_named_group ? "};\n" : ");\n");
}

/* Those that stand in the group of that name. */
static void
write_records_of(struct writer *w, const struct conf *c, const char *name, size_t n)
{
	for (size_t i = 0; i < conf_n_records; i++)
		if (strncmp(conf_records[i].name, name, n) == 0 &&
		    conf_records[i].name[n] == '.')
			write_records(w, c, &conf_records[i]);
}

/* Does this writer write an option of the group? Then its lists stand there, too. */
static bool
group_has_options(const struct writer *w, const char *name, size_t n)
{
	for (size_t i = 0; i < conf_n_options; i++)
		if (strncmp(conf_options[i].name, name, n) == 0 &&
		    conf_options[i].name[n] == '.' &&
		    (w->role_bit == 0 || (conf_options[i].roles & w->role_bit) != 0))
			return true;
	return false;
}

static bool
is_first_of_group(const struct writer *w, const struct conf_record *r, size_t group)
{
	for (const struct conf_record *former = conf_records; former < r; former++)
		if (strncmp(former->name, r->name, group + 1) == 0 &&
		    record_has_part_for(w, former))
			return false;
	return true;
}

/* A list that no group of options has brought already. */
static void
write_rest(struct writer *w, const struct conf *c, const struct conf_record *r)
{
	size_t group = strcspn(r->name, ".");

	if (r->name[group] == '\0') {
		write_records(w, c, r);
	} else if (!group_has_options(w, r->name, group) && record_has_part_for(w, r) &&
	    is_first_of_group(w, r, group)) {
		buf_addf(w->out, "%.*s = {\n", (int)group, r->name);
		write_records_of(w, c, r->name, group);
		buf_adds(w->out, "};\n");
	}
}

static void
write_all(struct writer *w, const struct conf *c)
{
	write_options(w, conf_options, conf_n_options, c, 0);
	for (size_t i = 0; i < conf_n_records; i++)
		write_rest(w, c, &conf_records[i]);
}

void
conf_write_masked(struct buf *out, const struct conf *c)
{
	struct writer w = { .out = out, .is_for_people = true, .is_masked = true };

	write_all(&w, c);
}

void
conf_write_all(struct buf *out, const struct conf *c)
{
	struct writer w = { .out = out };

	buf_adds(out, "places = ");
	write_list(out, &c->places);
	buf_adds(out, ";\nwarnings = ");
	write_list(out, &c->warnings);
	buf_adds(out, ";\n");
	write_all(&w, c);
}

void
conf_write_role(struct buf *out, const struct conf *c, enum role role)
{
	struct writer w = { .out = out, .role_bit = 1U << role };

	if (role == ROLE_CHECK) { /* checks the shape of everything, needs no secret */
		w.role_bit |= 1U << ROLE_WORKER;
		w.is_masked = true;
		buf_adds(out, "places = ");
		write_list(out, &c->places);
		buf_adds(out, ";\n");
	}
	write_all(&w, c);
}

/* The text of one option, for comparing. */
static int
option_text(struct buf *out, const struct conf_option *o, const struct conf *c)
{
	struct writer w = { .out = out };

	buf_clear(out);
	write_value(&w, o, c);
	return buf_status(out);
}

static int
differs(const struct conf_option *o, const struct conf *a, const struct conf *b)
{
	CLEANUP_BUF struct buf ta = BUF_INIT;
	CLEANUP_BUF struct buf tb = BUF_INIT;

	if (option_text(&ta, o, a) < 0 || option_text(&tb, o, b) < 0)
		return -ENOMEM;
	return strcmp(buf_str(&ta), buf_str(&tb)) != 0;
}

static int
record_differs(const struct conf_record *r, const struct conf *a, const struct conf *b)
{
	CLEANUP_BUF struct buf ta = BUF_INIT;
	CLEANUP_BUF struct buf tb = BUF_INIT;
	struct writer wa = { .out = &ta }, wb = { .out = &tb };

	write_records(&wa, a, r);
	write_records(&wb, b, r);
	if (buf_status(&ta) != 0 || buf_status(&tb) != 0)
		return -ENOMEM;
	return strcmp(buf_str(&ta), buf_str(&tb)) != 0;
}

static void
add_name(struct buf *changes, const char *name)
{
	if (changes != NULL)
		buf_addf(changes, "%s%s", changes->len > 0 ? ", " : "", name);
}

/* Every option that stands in the way is told, with its line in the new file. */
int
conf_compare(const struct conf *old_conf, const struct conf *new_conf,
    struct buf *changes, struct err *err)
{
	int changed = 0, refused = 0;

	for (size_t i = 0; i < conf_n_options; i++) {
		const struct conf_option *o = &conf_options[i];
		int r = differs(o, old_conf, new_conf);

		if (r < 0)
			return err_set(err, r, "no memory");
		if (r == 0)
			continue;
		changed = 1;
		add_name(changes, o->name);
		if (!o->is_reloadable)
			refused = conf_finding_at(new_conf, err, -EPERM, o->name,
			    "%s cannot be changed by a reload; restart the service",
			    o->name);
	}
	for (size_t i = 0; i < conf_n_records; i++) {
		int r = record_differs(&conf_records[i], old_conf, new_conf);

		if (r < 0)
			return err_set(err, r, "no memory");
		if (r == 0)
			continue;
		changed = 1;
		add_name(changes, conf_records[i].name);
	}
	return refused < 0 ? refused : changed;
}

/* SPDX-License-Identifier: MIT */
/*
 * auth.c - auth profiles are bound to hosts.
 *
 * Owns:   nothing; profiles are the configuration's.
 * Called: by fetch_request.c.
 * Fails:  with -EINVAL and a sentence that names profiles, never secrets.
 */
#include "config.h"

#include "fetch/auth.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

void
auth_addition_release(struct auth_addition *a)
{
	buf_release(&a->header_name);
	buf_release(&a->header_value);
	buf_release(&a->query);
}

/* "host", "*.host" or "host:port"; the port binds only when it is named. */
static bool
host_matches(const char *pattern, const struct url *url)
{
	const char *colon = strchr(pattern, ':');
	char host[URL_HOST_MAX + 1];
	size_t n;

	if (colon == NULL || strchr(colon + 1, ':') != NULL)
		return url_host_matches(url->host, pattern);
	n = (size_t)(colon - pattern);
	if (n >= sizeof(host) || strtoul(colon + 1, NULL, 10) != url->port)
		return false;
	memcpy(host, pattern, n);
	host[n] = '\0';
	return url_host_matches(url->host, host);
}

/*
 * A model chooses the scheme, and who talks it into http reads the secret on the way. At
 * the ports that are open to all, only an entry that names the port allows that; other
 * ports and addresses are reached only where the operator opened them.
 */
static bool
is_exposed(const char *pattern, const struct url *url)
{
	return !url->is_https && (url->port == 80 || url->port == 443) &&
	    !url->is_address && strcmp(url->host, "localhost") != 0 &&
	    strchr(pattern, ':') == NULL;
}

static bool
is_bound_to(const struct conf_auth_profile *p, const struct url *url)
{
	for (size_t i = 0; i < p->hosts.n; i++)
		if (host_matches(p->hosts.v[i], url) && !is_exposed(p->hosts.v[i], url))
			return true;
	return false;
}

static bool
would_be_exposed(const struct conf_auth_profile *p, const struct url *url)
{
	for (size_t i = 0; i < p->hosts.n; i++)
		if (host_matches(p->hosts.v[i], url) && is_exposed(p->hosts.v[i], url))
			return true;
	return false;
}

static void
add_usable_names(struct buf *out, const struct conf *conf, const struct url *url)
{
	const char *separator = "";

	for (size_t i = 0; i < conf->n_auth_profiles; i++) {
		if (!is_bound_to(&conf->auth_profiles[i], url))
			continue;
		buf_addf(out, "%s%s", separator, conf->auth_profiles[i].name);
		separator = ", ";
	}
	if (*separator == '\0')
		buf_adds(out, "none");
}

int
auth_find(const struct conf *conf, const char *name, const struct url *url,
    const struct conf_auth_profile **out, struct err *err)
{
	CLEANUP_BUF struct buf names = BUF_INIT;
	const struct conf_auth_profile *found = NULL;

	for (size_t i = 0; i < conf->n_auth_profiles; i++)
		if (strcmp(conf->auth_profiles[i].name, name) == 0)
			found = &conf->auth_profiles[i];
	if (found != NULL && is_bound_to(found, url)) {
		*out = found;
		return 0;
	}
	if (found != NULL && would_be_exposed(found, url))
		return err_set(err, -EINVAL,
		    "the auth profile '%s' is not sent to %s without encryption: write "
		    "https://",
		    found->name, url->host);
	add_usable_names(&names, conf, url);
	if (found == NULL)
		return err_set(err, -EINVAL,
		    "there is no auth profile '%.64s'; for %s: %s", name, url->host,
		    buf_str(&names));
	return err_set(err, -EINVAL,
	    "the auth profile '%s' may not be used for %s; allowed there: %s",
	    found->name, url->host, buf_str(&names));
}

static void
add_base64(struct buf *out, const char *bytes, size_t n)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < n; i += 3) {
		unsigned v = (unsigned)(unsigned char)bytes[i] << 16;

		if (i + 1 < n)
			v |= (unsigned)(unsigned char)bytes[i + 1] << 8;
		if (i + 2 < n)
			v |= (unsigned)(unsigned char)bytes[i + 2];
		buf_addc(out, digits[v >> 18]);
		buf_addc(out, digits[v >> 12 & 63]);
		buf_addc(out, i + 1 < n ? digits[v >> 6 & 63] : '=');
		buf_addc(out, i + 2 < n ? digits[v & 63] : '=');
	}
}

static void
add_basic(struct buf *out, const struct conf_auth_profile *p)
{
	CLEANUP_BUF struct buf pair = BUF_INIT;

	buf_addf(&pair, "%s:%s", p->username, p->password);
	add_base64(out, buf_str(&pair), pair.len);
}

static int
no_secret(const struct conf_auth_profile *p, const char *what, struct err *err)
{
	return err_set(err, -EINVAL,
	    "the auth profile '%s' has no %s in this installation; its operator has to "
	    "set it",
	    p->name, what);
}

static int
apply_api_key(const struct conf_auth_profile *p, struct auth_addition *out,
    struct err *err)
{
	if (p->value[0] == '\0')
		return no_secret(p, "value", err);
	if (p->query[0] != '\0') {
		url_add_escaped(&out->query, p->query, strlen(p->query));
		buf_addc(&out->query, '=');
		url_add_escaped(&out->query, p->value, strlen(p->value));
		return 0;
	}
	buf_adds(&out->header_name, p->header[0] != '\0' ? p->header : "X-API-Key");
	buf_adds(&out->header_value, p->value);
	return 0;
}

static int
apply_bearer(const struct conf_auth_profile *p, struct auth_addition *out,
    struct err *err)
{
	if (p->token[0] == '\0')
		return no_secret(p, "token", err);
	buf_adds(&out->header_name, "Authorization");
	buf_addf(&out->header_value, "Bearer %s", p->token);
	return 0;
}

static int
apply_basic(const struct conf_auth_profile *p, struct auth_addition *out,
    struct err *err)
{
	if (p->username[0] == '\0' && p->password[0] == '\0')
		return no_secret(p, "username and password", err);
	buf_adds(&out->header_name, "Authorization");
	buf_adds(&out->header_value, "Basic ");
	add_basic(&out->header_value, p);
	return 0;
}

static const struct {
	const char *type;
	int (*apply)(const struct conf_auth_profile *, struct auth_addition *,
	    struct err *);
} types[] = {
	{ "api_key", apply_api_key },
	{ "bearer", apply_bearer },
	{ "basic", apply_basic },
};

int
auth_apply(const struct conf_auth_profile *profile, struct auth_addition *out,
    struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (strcmp(profile->type, types[i].type) == 0)
			return types[i].apply(profile, out, err);
	return err_set(err, -EINVAL, "the auth profile '%s' has no known type",
	    profile->name);
}

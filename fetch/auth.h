/* SPDX-License-Identifier: MIT */
/*
 * auth.h - auth profiles: who may see which secret, and how it is sent.
 */
#ifndef FETCH_AUTH_H
#define FETCH_AUTH_H

#include "common/buf.h"
#include "common/conf/conf.h"
#include "common/err.h"
#include "common/net/url.h"

/* What a profile adds to a request: one header, or one query parameter. */
struct auth_addition {
	struct buf header_name;  /* "" : none */
	struct buf header_value; /* secret */
	struct buf query;        /* "name=value", escaped, secret; "": none */
};

void auth_addition_release(struct auth_addition *a);

/*
 * The profile of that name, if it is bound to the URL's host. -EINVAL otherwise, with
 * the names of the profiles that may be used there.
 */
int auth_find(const struct conf *conf, const char *name, const struct url *url,
    const struct conf_auth_profile **out, struct err *err);

/* 0, or -EINVAL when the profile has no secret, with what the operator has to do. */
int auth_apply(const struct conf_auth_profile *profile, struct auth_addition *out,
    struct err *err);

#endif

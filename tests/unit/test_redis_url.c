/* SPDX-License-Identifier: MIT */
/* test_redis_url.c - what redis.url may say. */
#include "config.h"

#include "common/queue/redis_url.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

static const struct {
	const char *text;
	int want;
	const char *name; /* as shown */
	const char *user, *password;
	int db;
} cases[] = {
	{ "embedded", 0, "redis /run/x/redis.sock", "", "", 0 },
	{ "redis://localhost", 0, "redis localhost:6379/0", "", "", 0 },
	{ "redis://h:1/3", 0, "redis h:1/3", "", "", 3 },
	{ "redis://h/", 0, "redis h:6379/0", "", "", 0 },
	{ "redis://[::1]:7000/1", 0, "redis ::1:7000/1", "", "", 1 },
	{ "redis://[::1]", 0, "redis ::1:6379/0", "", "", 0 },
	{ "redis://u:p%40ss@h", 0, "redis h:6379/0", "u", "p@ss", 0 },
	{ "redis://:secret@h", 0, "redis h:6379/0", "", "secret", 0 },
	{ "redis://u:a@b@h", 0, "redis h:6379/0", "u", "a@b", 0 },
	{ "unix:///tmp/r.sock", 0, "redis /tmp/r.sock", "", "", 0 },
	{ "unix:///tmp/r%20s?db=2&user=u&password=%C3%A9", 0, "redis /tmp/r s", "u",
	    "\xc3\xa9", 2 },
	{ "rediss://u:p@h:1/2", 0, "redis h:1/2", "u", "p", 2 },
	{ "sentinel://h/m", 0, "redis m of sentinel h:26379", "", "", 0 },
	{ "sentinel://u:p%2F@a:1,[::1]:2,b/my%20m/3", 0, "redis my m of sentinel a:1",
	    "u", "p/", 3 },
	{ "sentinels://:p@a/m/", 0, "redis m of sentinel a:26379", "", "p", 0 },
	{ "sentinel://h", -EINVAL, NULL, NULL, NULL, 0 },
	{ "sentinel://h/", -EINVAL, NULL, NULL, NULL, 0 },
	{ "sentinel://h,/m", -EINVAL, NULL, NULL, NULL, 0 },
	{ "sentinel://,h/m", -EINVAL, NULL, NULL, NULL, 0 },
	{ "sentinel:///m", -EINVAL, NULL, NULL, NULL, 0 },
	{ "sentinel://h/m/x", -EINVAL, NULL, NULL, NULL, 0 },
	{ "sentinel://h/m?db=1", -EINVAL, NULL, NULL, NULL, 0 },
	{ "sentinel://a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a/m", -EINVAL, NULL, NULL, NULL,
	    0 },
	{ "redis://secret:@h", -EINVAL, NULL, NULL, NULL, 0 },
	{ "redis://:@h", -EINVAL, NULL, NULL, NULL, 0 },
	{ "rediss://", -EINVAL, NULL, NULL, NULL, 0 },
	{ "", -EINVAL, NULL, NULL, NULL, 0 },
	{ "http://h", -EINVAL, NULL, NULL, NULL, 0 },
	{ "redis://", -EINVAL, NULL, NULL, NULL, 0 },
	{ "redis://:1", -EINVAL, NULL, NULL, NULL, 0 },
	{ "redis://secret@h", -EINVAL, NULL, NULL, NULL, 0 },
	{ "redis://h:0", -EINVAL, NULL, NULL, NULL, 0 },
	{ "redis://h:65536", -EINVAL, NULL, NULL, NULL, 0 },
	{ "redis://h:", -EINVAL, NULL, NULL, NULL, 0 },
	{ "redis://h/x", -EINVAL, NULL, NULL, NULL, 0 },
	{ "redis://h/-1", -EINVAL, NULL, NULL, NULL, 0 },
	{ "redis://h/99999999999999999999", -EINVAL, NULL, NULL, NULL, 0 },
	{ "redis://h?db=1", -EINVAL, NULL, NULL, NULL, 0 },
	{ "redis://[::1", -EINVAL, NULL, NULL, NULL, 0 },
	{ "redis://[::1]x", -EINVAL, NULL, NULL, NULL, 0 },
	{ "redis://u:%zz@h", -EINVAL, NULL, NULL, NULL, 0 },
	{ "redis://u:%00@h", -EINVAL, NULL, NULL, NULL, 0 },
	{ "unix://relative", -EINVAL, NULL, NULL, NULL, 0 },
	{ "unix:///s?db=x", -EINVAL, NULL, NULL, NULL, 0 },
	{ "unix:///s?other=1", -EINVAL, NULL, NULL, NULL, 0 },
	{ "unix:///s?db", -EINVAL, NULL, NULL, NULL, 0 },
	{ "unix:///s%2", -EINVAL, NULL, NULL, NULL, 0 },
};

Test(redis_url, parse)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct redis_url u = { .db = 4711 };
		struct err err = ERR_INIT;
		char name[100];
		int r = redis_url_parse(cases[i].text, "/run/x", &u, &err);

		cr_expect(r == cases[i].want, "'%s': %d %s", cases[i].text, r,
		    err.text);
		if (r < 0) {
			cr_expect(u.db == 4711 && u.host.name == NULL, "'%s'",
			    cases[i].text);
			cr_expect(err.text[0] != '\0', "'%s'", cases[i].text);
			cr_expect(strstr(err.text, "secret") == NULL);
			continue;
		}
		cr_expect_str_eq(redis_url_name(&u, name, sizeof(name)), cases[i].name);
		cr_expect_str_eq(u.user, cases[i].user);
		cr_expect_str_eq(u.password, cases[i].password);
		cr_expect(u.db == cases[i].db);
		redis_url_release(&u);
	}
}

Test(redis_url, every_sentinel_is_kept)
{
	CLEANUP(redis_url_release) struct redis_url u = { 0 };
	struct err err = ERR_INIT;

	cr_assert(redis_url_parse("sentinels://a:1,[::1]:2,b/m/3", "/run", &u, &err) ==
		0,
	    "%s", err.text);
	cr_expect(u.is_tls && u.n_sentinels == 3 && u.db == 3);
	cr_expect_str_eq(u.master, "m");
	cr_expect_str_eq(u.sentinels[0].name, "a");
	cr_expect(u.sentinels[0].port == 1);
	cr_expect_str_eq(u.sentinels[1].name, "::1");
	cr_expect(u.sentinels[1].port == 2);
	cr_expect_str_eq(u.sentinels[2].name, "b");
	cr_expect(u.sentinels[2].port == 26379);
}

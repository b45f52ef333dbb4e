/* SPDX-License-Identifier: MIT */
/* test_addr_guard.c - what may be reached, and what may not, form by form. */
#include "config.h"

#include "common/net/addr_guard.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <string.h>

static struct ip_addr
addr(const char *text)
{
	struct ip_addr a = { 0 };

	cr_assert(ip_addr_parse(text, strlen(text), &a), "%s", text);
	return a;
}

/* clang-format off */
static const struct {
	const char *text;
	enum addr_class class;
} classes[] = {
	/* the first and the last of each range, and their neighbours */
	{ "0.0.0.0", ADDR_UNSPECIFIED }, { "0.0.0.1", ADDR_RESERVED }, { "0.255.255.255", ADDR_RESERVED },
	{ "1.0.0.0", ADDR_PUBLIC }, { "8.8.8.8", ADDR_PUBLIC },
	{ "9.255.255.255", ADDR_PUBLIC }, { "10.0.0.0", ADDR_PRIVATE }, { "10.255.255.255", ADDR_PRIVATE }, { "11.0.0.0", ADDR_PUBLIC },
	{ "100.63.255.255", ADDR_PUBLIC }, { "100.64.0.0", ADDR_SHARED }, { "100.127.255.255", ADDR_SHARED }, { "100.128.0.0", ADDR_PUBLIC },
	{ "100.100.100.200", ADDR_METADATA },
	{ "126.255.255.255", ADDR_PUBLIC }, { "127.0.0.1", ADDR_LOOPBACK }, { "127.255.255.255", ADDR_LOOPBACK }, { "128.0.0.0", ADDR_PUBLIC },
	{ "169.253.255.255", ADDR_PUBLIC }, { "169.254.0.0", ADDR_LINK_LOCAL }, { "169.254.169.254", ADDR_METADATA },
	{ "169.254.170.2", ADDR_METADATA }, { "169.254.255.255", ADDR_LINK_LOCAL }, { "169.255.0.0", ADDR_PUBLIC },
	{ "168.63.129.16", ADDR_METADATA }, { "168.63.129.17", ADDR_PUBLIC },
	{ "172.15.255.255", ADDR_PUBLIC }, { "172.16.0.0", ADDR_PRIVATE }, { "172.31.255.255", ADDR_PRIVATE }, { "172.32.0.0", ADDR_PUBLIC },
	{ "192.0.0.0", ADDR_RESERVED }, { "192.0.0.192", ADDR_METADATA }, { "192.0.0.255", ADDR_RESERVED }, { "192.0.1.0", ADDR_PUBLIC },
	{ "192.0.2.1", ADDR_DOCUMENTATION }, { "192.0.3.0", ADDR_PUBLIC }, { "192.88.99.1", ADDR_6TO4 },
	{ "192.167.255.255", ADDR_PUBLIC }, { "192.168.0.0", ADDR_PRIVATE }, { "192.168.255.255", ADDR_PRIVATE }, { "192.169.0.0", ADDR_PUBLIC },
	{ "198.17.255.255", ADDR_PUBLIC }, { "198.18.0.0", ADDR_BENCHMARK }, { "198.19.255.255", ADDR_BENCHMARK }, { "198.20.0.0", ADDR_PUBLIC },
	{ "198.51.100.7", ADDR_DOCUMENTATION }, { "203.0.113.7", ADDR_DOCUMENTATION },
	{ "223.255.255.255", ADDR_PUBLIC }, { "224.0.0.0", ADDR_MULTICAST }, { "239.255.255.255", ADDR_MULTICAST },
	{ "233.252.0.1", ADDR_DOCUMENTATION },
	{ "240.0.0.0", ADDR_RESERVED }, { "255.255.255.254", ADDR_RESERVED }, { "255.255.255.255", ADDR_BROADCAST },
	{ "::", ADDR_UNSPECIFIED }, { "::1", ADDR_LOOPBACK },
	{ "::2", ADDR_RESERVED }, /* compatible form of 0.0.0.2 */
	{ "::127.0.0.1", ADDR_LOOPBACK }, { "::8.8.8.8", ADDR_PUBLIC },
	{ "::ffff:127.0.0.1", ADDR_LOOPBACK }, { "::ffff:10.0.0.1", ADDR_PRIVATE }, { "::ffff:8.8.8.8", ADDR_PUBLIC },
	{ "::ffff:169.254.169.254", ADDR_METADATA }, { "::ffff:0:127.0.0.1", ADDR_LOOPBACK },
	{ "64:ff9b::7f00:1", ADDR_LOOPBACK }, { "64:ff9b::a9fe:a9fe", ADDR_METADATA }, { "64:ff9b::808:808", ADDR_NAT64 },
	{ "64:ff9b:1::1", ADDR_RESERVED }, { "64:ff9b:1::808:808", ADDR_NAT64 },
	{ "100::1", ADDR_RESERVED },
	{ "2001::1", ADDR_TEREDO }, { "2001:0:ffff::1", ADDR_TEREDO }, { "2001:2::1", ADDR_BENCHMARK },
	{ "2001:20::1", ADDR_RESERVED }, { "2001:1ff:ffff::1", ADDR_RESERVED }, { "2001:200::1", ADDR_PUBLIC },
	{ "2001:db8::1", ADDR_DOCUMENTATION }, { "2001:db9::1", ADDR_PUBLIC }, { "3fff:fff::1", ADDR_DOCUMENTATION },
	{ "2002:7f00:1::", ADDR_LOOPBACK }, { "2002:808:808::1", ADDR_6TO4 },
	{ "2606:4700::1111", ADDR_PUBLIC }, { "3ffe::1", ADDR_PUBLIC }, { "4000::1", ADDR_RESERVED }, { "1fff::1", ADDR_RESERVED },
	{ "fc00::1", ADDR_UNIQUE_LOCAL }, { "fdff::1", ADDR_UNIQUE_LOCAL }, { "fd00:ec2::254", ADDR_METADATA },
	{ "fe80::1", ADDR_LINK_LOCAL }, { "febf::1", ADDR_LINK_LOCAL }, { "fec0::1", ADDR_SITE_LOCAL }, { "feff::1", ADDR_SITE_LOCAL },
	{ "ff02::1", ADDR_MULTICAST }, { "fe00::1", ADDR_RESERVED },
	{ "ff00::", ADDR_MULTICAST }, { "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ADDR_MULTICAST },
	/* the rest of the registries of special purpose; anycast and AS112 are public */
	{ "192.0.0.8", ADDR_RESERVED }, { "192.0.0.9", ADDR_RESERVED }, { "192.0.0.170", ADDR_RESERVED },
	{ "192.31.196.1", ADDR_PUBLIC }, { "192.52.193.1", ADDR_PUBLIC }, { "192.88.99.2", ADDR_6TO4 }, { "192.175.48.1", ADDR_PUBLIC },
	{ "100::", ADDR_RESERVED }, { "100::ffff:ffff:ffff:ffff", ADDR_RESERVED }, { "100:0:0:1::1", ADDR_RESERVED },
	{ "2001:1::1", ADDR_RESERVED }, { "2001:3::1", ADDR_RESERVED }, { "2001:4:112::1", ADDR_RESERVED },
	{ "2001:10::1", ADDR_RESERVED }, { "2001:2f::1", ADDR_RESERVED }, { "2001:30::1", ADDR_RESERVED },
	{ "2620:4f:8000::1", ADDR_PUBLIC }, { "5f00::1", ADDR_RESERVED },
	{ "3fff::1", ADDR_DOCUMENTATION }, { "3fff:1000::1", ADDR_PUBLIC },
	/* an IPv4 address inside, where translators and tunnels put it */
	{ "64:ff9b:1::a00:1", ADDR_PRIVATE }, { "64:ff9b:1:fffe::7f00:1", ADDR_LOOPBACK },
	{ "64:ff9b:1:0:a:0:100:0", ADDR_PRIVATE }, /* 10.0.0.1 under a prefix of 64 */
	{ "64:ff9b:1:0:a:0:8:0", ADDR_RESERVED }, { "64:ff9b:1:0:a:1:808:0", ADDR_NAT64 },
	{ "64:ff9b:1:0:a:1:800:0", ADDR_PRIVATE }, { "64:ff9b:1:0:7f:0:0:0100", ADDR_RESERVED },
	{ "64:ff9b:1:0:7f:0:1:800", ADDR_RESERVED },
	{ "64:ff9b:2::1", ADDR_RESERVED },
	{ "2002:a00:1::1", ADDR_PRIVATE }, { "2002:a9fe:a9fe::", ADDR_METADATA }, { "2002:e000:1::", ADDR_MULTICAST },
	{ "2606:4700::5efe:10.0.0.1", ADDR_PRIVATE }, { "2606:4700::200:5efe:127.0.0.1", ADDR_LOOPBACK },
	{ "2606:4700::5efe:8.8.8.8", ADDR_PUBLIC }, { "2606:4700::5eff:10.0.0.1", ADDR_PUBLIC },
	{ "::ffff:255.255.255.255", ADDR_BROADCAST }, { "::ffff:0.0.0.0", ADDR_UNSPECIFIED }, { "::ffff:100.64.0.1", ADDR_SHARED },
	{ "::ffff:0:10.0.0.1", ADDR_PRIVATE }, { "::10.0.0.1", ADDR_PRIVATE }, { "::192.168.0.1", ADDR_PRIVATE },
};
/* clang-format on */

Test(ip_addr, every_range_has_its_class)
{
	for (size_t i = 0; i < ARRAY_LEN(classes); i++) {
		struct ip_addr a = addr(classes[i].text);

		cr_expect(eq(int, addr_classify(&a, NULL), classes[i].class),
		    "%s is %s", classes[i].text,
		    addr_class_name(addr_classify(&a, NULL)));
	}
}

Test(ip_addr, every_class_has_a_name)
{
	for (int c = 0; c < ADDR_CLASS_COUNT; c++)
		cr_expect(addr_class_name((enum addr_class)c) != NULL);
}

/* clang-format off */
static const struct {
	const char *url;
	int want;
	const char *host;
	unsigned port;
	bool is_address;
} urls[] = {
	{ "http://example.com", 0, "example.com", 80, false },
	{ "https://example.com/", 0, "example.com", 443, false },
	{ "HTTPS://EXAMPLE.com./a?b#c", 0, "example.com", 443, false },
	{ "http://example.com:8080?x=1", 0, "example.com", 8080, false },
	{ "http://a_b.example/x@y", 0, "a_b.example", 80, false },
	{ "http://127.0.0.1/", 0, "127.0.0.1", 80, true },
	{ "http://127.1/", 0, "127.1", 80, true },
	{ "http://0x7f.1/", 0, "0x7f.1", 80, true },
	{ "http://2130706433/", 0, "2130706433", 80, true },
	{ "http://017700000001/", 0, "017700000001", 80, true },
	{ "http://0/", 0, "0", 80, true },
	{ "http://[::1]/", 0, "::1", 80, true },
	{ "http://[::ffff:127.0.0.1]:81/", 0, "::ffff:127.0.0.1", 81, true },
	{ "http://1.2.3.4.example/", 0, "1.2.3.4.example", 80, false },
	{ "http://xn--bcher-kva.example/", 0, "xn--bcher-kva.example", 80, false },
	{ "", -EINVAL, NULL, 0, false },
	{ "example.com", -EINVAL, NULL, 0, false },
	{ "//example.com", -EINVAL, NULL, 0, false },
	{ "http:example.com", -EINVAL, NULL, 0, false },
	{ "http:/example.com", -EINVAL, NULL, 0, false },
	{ "http:///path", -EINVAL, NULL, 0, false },
	{ "http://", -EINVAL, NULL, 0, false },
	{ "http://.", -EINVAL, NULL, 0, false },
	{ "http://a..b/", -EINVAL, NULL, 0, false },
	{ "http://.a/", -EINVAL, NULL, 0, false },
	{ "http://user@example.com/", -EINVAL, NULL, 0, false },
	{ "http://user:pw@example.com/", -EINVAL, NULL, 0, false },
	{ "http://example.com@127.0.0.1/", -EINVAL, NULL, 0, false },
	{ "http://example.com\\@127.0.0.1/", -EINVAL, NULL, 0, false },
	{ "http://example.com#@127.0.0.1/", 0, "example.com", 80, false },
	{ "http://example.com%2f@127.0.0.1/", -EINVAL, NULL, 0, false },
	{ "http://%31%32%37.0.0.1/", -EINVAL, NULL, 0, false },
	{ "http://example.com:/", -EINVAL, NULL, 0, false },
	{ "http://example.com:0/", -EINVAL, NULL, 0, false },
	{ "http://example.com:65536/", -EINVAL, NULL, 0, false },
	{ "http://example.com:80a/", -EINVAL, NULL, 0, false },
	{ "http://example.com:00080/", 0, "example.com", 80, false },
	{ "http://example.com:000080/", -EINVAL, NULL, 0, false },
	{ "http://example.com:80:81/", -EINVAL, NULL, 0, false },
	{ "http://exa mple.com/", -EINVAL, NULL, 0, false },
	{ "http://example.com/a b", -EINVAL, NULL, 0, false },
	{ " http://example.com/", -EINVAL, NULL, 0, false },
	{ "http://example.com/\r\nHost: x", -EINVAL, NULL, 0, false },
	{ "http://example.com/\x7f", -EINVAL, NULL, 0, false },
	{ "http://b\xc3\xbc" "cher.example/", -EINVAL, NULL, 0, false },
	{ "http://127.0.0.1\xe3\x80\x82/", -EINVAL, NULL, 0, false },
	{ "http://[::1/", -EINVAL, NULL, 0, false },
	{ "http://[::1]x/", -EINVAL, NULL, 0, false },
	{ "http://[example.com]/", -EINVAL, NULL, 0, false },
	{ "http://[127.0.0.1]/", -EINVAL, NULL, 0, false },
	{ "http://[fe80::1%25eth0]/", -EINVAL, NULL, 0, false },
	{ "http://::1/", -EINVAL, NULL, 0, false },
	{ "http://127.0.0.1./", -EINVAL, NULL, 0, false },
	{ "http://0x7./", -EINVAL, NULL, 0, false },
	{ "http://1.2.3.4.5/", -EINVAL, NULL, 0, false },
	{ "http://256.1.1.1/", -EINVAL, NULL, 0, false },
	{ "http://1.2.3.0x100/", -EINVAL, NULL, 0, false },
	{ "http://example.123/", -EINVAL, NULL, 0, false },
	{ "file:///etc/passwd", -EINVAL, NULL, 0, false },
	{ "gopher://x/", -EINVAL, NULL, 0, false },
	{ "ftp://x/", -EINVAL, NULL, 0, false },
	{ "javascript:alert(1)", -EINVAL, NULL, 0, false },
	/* numbers: decimal, octal, hexadecimal, short, overflowing */
	{ "http://127.0.1/", 0, "127.0.1", 80, true },
	{ "http://0177.0.0.1/", 0, "0177.0.0.1", 80, true },
	{ "http://0x7F000001/", 0, "0x7f000001", 80, true },
	{ "http://0X7f.0x0.0x0.0x1/", 0, "0x7f.0x0.0x0.0x1", 80, true },
	{ "http://127.0.0.0x1/", 0, "127.0.0.0x1", 80, true },
	{ "http://4294967295/", 0, "4294967295", 80, true },
	{ "http://4294967296/", -EINVAL, NULL, 0, false },
	{ "http://4294967297/", -EINVAL, NULL, 0, false },
	{ "http://0x100000000/", -EINVAL, NULL, 0, false },
	{ "http://1.16777216/", -EINVAL, NULL, 0, false },
	{ "http://09.0.0.1/", -EINVAL, NULL, 0, false },
	{ "http://127.0.0.1.:80/", -EINVAL, NULL, 0, false },
	{ "http://2130706433./", -EINVAL, NULL, 0, false },
	{ "http://127.0.0..1/", -EINVAL, NULL, 0, false },
	{ "http://-1/", 0, "-1", 80, false },
	/* who is the host? */
	{ "http://good.example@evil.example/", -EINVAL, NULL, 0, false },
	{ "http://good.example:80@evil.example/", -EINVAL, NULL, 0, false },
	{ "http://@evil.example/", -EINVAL, NULL, 0, false },
	{ "http://evil.example\\.good.example/", -EINVAL, NULL, 0, false },
	{ "http:\\\\127.0.0.1\\", -EINVAL, NULL, 0, false },
	{ "http://evil.example\t.good.example/", -EINVAL, NULL, 0, false },
	{ "http://evil.example\n/", -EINVAL, NULL, 0, false },
	{ "ht\ntp://example.com/", -EINVAL, NULL, 0, false },
	{ "http://evil.example%00.good.example/", -EINVAL, NULL, 0, false },
	{ "http://example%2ecom/", -EINVAL, NULL, 0, false },
	{ "http://127%2e0%2e0%2e1/", -EINVAL, NULL, 0, false },
	{ "http://example.com;evil/", -EINVAL, NULL, 0, false },
	{ "http://example.com,evil/", -EINVAL, NULL, 0, false },
	{ "http://exa*mple.com/", -EINVAL, NULL, 0, false },
	{ "http://example.com?@evil.example/", 0, "example.com", 80, false },
	{ "http://example.com/@evil.example/", 0, "example.com", 80, false },
	{ "HtTp://ExAmPlE.CoM:80/", 0, "example.com", 80, false },
	{ "http://example.com./", 0, "example.com", 80, false },
	{ "http://example.com../", -EINVAL, NULL, 0, false },
	/* ports */
	{ "https://example.com:1/", 0, "example.com", 1, false },
	{ "https://example.com:65535/", 0, "example.com", 65535, false },
	{ "https://example.com:99999/", -EINVAL, NULL, 0, false },
	{ "https://example.com:4294967739/", -EINVAL, NULL, 0, false },
	{ "https://example.com:+443/", -EINVAL, NULL, 0, false },
	{ "https://example.com:-1/", -EINVAL, NULL, 0, false },
	{ "https://example.com:0x1bb/", -EINVAL, NULL, 0, false },
	{ "https://[::1]:/", -EINVAL, NULL, 0, false },
	/* letters that some readers turn into others: full-width digits and dots, circled
	   letters, the ideographic full stop, soft hyphens */
	{ "http://\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.1/", -EINVAL, NULL, 0, false },
	{ "http://127\xe3\x80\x82" "0\xe3\x80\x82" "0\xe3\x80\x82" "1/", -EINVAL, NULL, 0, false },
	{ "http://example\xef\xbc\x8e" "com/", -EINVAL, NULL, 0, false },
	{ "http://\xe2\x93\x9b" "ocalhost/", -EINVAL, NULL, 0, false },
	{ "http://local\xc2\xad" "host/", -EINVAL, NULL, 0, false },
	{ "http://good.example\xef\xbc\x8f" "evil/", -EINVAL, NULL, 0, false },
	/* IPv6 */
	{ "http://[0:0:0:0:0:0:0:1]/", 0, "0:0:0:0:0:0:0:1", 80, true },
	{ "http://[::ffff:7f00:1]/", 0, "::ffff:7f00:1", 80, true },
	{ "http://[FE80::1]/", 0, "fe80::1", 80, true },
	{ "http://[fe80::1%eth0]/", -EINVAL, NULL, 0, false },
	{ "http://[fe80::1%25]/", -EINVAL, NULL, 0, false },
	{ "http://[v1.fe80::1]/", -EINVAL, NULL, 0, false },
	{ "http://[::1]]/", -EINVAL, NULL, 0, false },
	{ "http://[[::1]]/", -EINVAL, NULL, 0, false },
	{ "http://[::1].example.com/", -EINVAL, NULL, 0, false },
	{ "http://[]/", -EINVAL, NULL, 0, false },
	{ "http://fe80::1/", -EINVAL, NULL, 0, false },
};
/* clang-format on */

Test(url, only_what_cannot_be_read_in_two_ways_is_a_url)
{
	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		struct url u = { .port = 7 };
		struct err err = ERR_INIT;
		int r = url_parse(urls[i].url, strlen(urls[i].url), &u, &err);

		cr_expect(eq(int, r, urls[i].want), "'%s': %s", urls[i].url, err.text);
		if (urls[i].want < 0) {
			cr_expect(eq(int, u.port, 7), "'%s' touched", urls[i].url);
			cr_expect(err.text[0] != '\0');
			continue;
		}
		cr_expect_str_eq(u.host, urls[i].host, "'%s'", urls[i].url);
		cr_expect(eq(uint, u.port, urls[i].port), "'%s'", urls[i].url);
		cr_expect(eq(int, u.is_address, urls[i].is_address), "'%s'",
		    urls[i].url);
	}
}

Test(url, a_nul_byte_or_a_huge_one_is_refused)
{
	char text[URL_MAX + 2];
	struct url u;

	cr_expect(eq(int, url_parse("http://a\0b/", 11, &u, NULL), -EINVAL));
	memset(text, 'a', sizeof(text));
	memcpy(text, "http://a/", 9);
	cr_expect(eq(int, url_parse(text, URL_MAX, &u, NULL), 0));
	cr_expect(eq(int, url_parse(text, URL_MAX + 1, &u, NULL), -EINVAL));
}

static const struct {
	const char *from, *to;
	bool want;
} trusts[] = {
	{ "https://a.example/x", "https://a.example/y", true },
	{ "https://a.example/x", "https://A.example:443/y", true },
	{ "http://a.example/x", "https://a.example/y", true },
	{ "https://a.example/x", "http://a.example/y", false },
	{ "https://a.example/x", "https://a.example:8443/y", false },
	{ "https://a.example/x", "https://b.example/y", false },
	{ "https://a.example/x", "https://sub.a.example/y", false },
	{ "http://a.example:8080/x", "https://a.example/y", false },
};

Test(url, credentials_stay_with_the_origin)
{
	for (size_t i = 0; i < ARRAY_LEN(trusts); i++) {
		struct url from, to;

		cr_assert(url_parse(trusts[i].from, strlen(trusts[i].from), &from,
			      NULL) == 0);
		cr_assert(
		    url_parse(trusts[i].to, strlen(trusts[i].to), &to, NULL) == 0);
		cr_expect(eq(int, url_keeps_trust(&from, &to), trusts[i].want),
		    "%s -> %s", trusts[i].from, trusts[i].to);
	}
}

static struct addr_guard *
guard_of(const char *domain, const char *entry, const char *port)
{
	union {
		const char *in;
		char *out;
	} d = { domain }, e = { entry }, p = { port };
	char *ports[] = { p.out, NULL };
	static char p80[] = "80", p443[] = "443", all[] = "*";
	char *usual[] = { p80, p443 };
	char *domains[] = { domain != NULL ? d.out : all };
	char *entries[] = { e.out };
	struct addr_guard_rules rules = { .domains = domains,
		.n_domains = 1,
		.private_entries = entries,
		.n_private = entry != NULL,
		.ports = port != NULL ? ports : usual,
		.n_ports = port != NULL ? 1 : 2 };
	struct addr_guard *g = NULL;
	struct err err = ERR_INIT;

	cr_assert(eq(int, addr_guard_new(&rules, &g, &err), 0), "%s", err.text);
	return g;
}

/* clang-format off */
static const struct {
	const char *domain, *entry, *port; /* NULL: the default */
	const char *url;
	const char *resolved;	 /* NULL: the URL is refused already */
	bool is_allowed;
} cases[] = {
	{ NULL, NULL, NULL, "https://api.example/", "93.184.216.34", true },
	{ NULL, NULL, NULL, "https://api.example/", "2606:4700::1111", true },
	{ NULL, NULL, NULL, "https://api.example/", "127.0.0.1", false },
	{ NULL, NULL, NULL, "https://api.example/", "::1", false },
	{ NULL, NULL, NULL, "https://api.example/", "::ffff:10.0.0.1", false },
	{ NULL, NULL, NULL, "https://api.example/", "64:ff9b::a00:1", false },
	{ NULL, NULL, NULL, "http://127.0.0.1/", NULL, false },
	{ NULL, NULL, NULL, "http://0x7f.1/", NULL, false },
	{ NULL, NULL, NULL, "http://2130706433/", NULL, false },
	{ NULL, NULL, NULL, "http://0/", NULL, false },
	{ NULL, NULL, NULL, "http://[::]/", NULL, false },
	{ NULL, NULL, NULL, "http://[::ffff:7f00:1]/", NULL, false },
	{ NULL, NULL, NULL, "http://169.254.169.254/latest/meta-data", NULL, false },
	{ NULL, NULL, NULL, "http://localhost/", "127.0.0.1", false },
	{ NULL, NULL, NULL, "http://api.example:8080/", NULL, false },
	{ NULL, NULL, NULL, "http://8.8.8.8:22/", NULL, false },
	{ NULL, NULL, "8080", "http://api.example:8080/", "93.184.216.34", true },
	{ NULL, NULL, "8080", "http://api.example/", NULL, false },
	{ NULL, NULL, "*", "http://api.example:22/", "93.184.216.34", true },
	{ NULL, NULL, "*", "http://api.example:22/", "10.0.0.1", false },
	/* domains */
	{ "api.example", NULL, NULL, "https://api.example/", "93.184.216.34", true },
	{ "api.example", NULL, NULL, "https://API.example./", "93.184.216.34", true },
	{ "api.example", NULL, NULL, "https://x.api.example/", NULL, false },
	{ "api.example", NULL, NULL, "https://api.example.evil/", NULL, false },
	{ "*.example", NULL, NULL, "https://api.example/", "93.184.216.34", true },
	{ "*.example", NULL, NULL, "https://a.b.example/", "93.184.216.34", true },
	{ "*.example", NULL, NULL, "https://example/", NULL, false },
	{ "*.example", NULL, NULL, "https://notexample/", NULL, false },
	{ "*.example", NULL, NULL, "https://api.example/", "10.0.0.1", false },
	{ "*.example", NULL, NULL, "https://evil-example/", NULL, false },
	{ "*.api.example", NULL, NULL, "https://evil-api.example/", NULL, false },
	{ "*.api.example", NULL, NULL, "https://api.example/", NULL, false },
	{ "*.api.example", NULL, NULL, "https://x.api.example.evil/", NULL, false },
	{ "*.API.Example.", NULL, NULL, "https://X.api.EXAMPLE.:443/", "93.184.216.34", true },
	{ "api.example", NULL, NULL, "https://evilapi.example/", NULL, false },
	{ "api.example", NULL, NULL, "https://api.example:8443/", NULL, false },
	{ "93.184.216.34", NULL, NULL, "https://93.184.216.34/", "93.184.216.34", true },
	{ "93.184.216.34", NULL, NULL, "https://93.184.216.35/", NULL, false },
	{ "*.34", NULL, NULL, "https://93.184.216.34/", NULL, false },
	{ "api.example", "127.0.0.1", NULL, "http://127.0.0.1/", NULL, false },
	/* a network */
	{ NULL, "10.0.0.0/8", NULL, "https://api.example/", "10.1.2.3", true },
	{ NULL, "10.0.0.0/8", NULL, "https://api.example/", "11.1.2.3", true },
	{ NULL, "10.0.0.0/8", NULL, "https://api.example/", "192.168.0.1", false },
	{ NULL, "10.0.0.0/8", NULL, "https://api.example:8443/", NULL, false },
	{ NULL, "10.0.0.0/8:8443", NULL, "https://api.example:8443/", "10.1.2.3", true },
	{ NULL, "10.0.0.0/8:8443", NULL, "https://api.example:8443/", "93.184.216.34", false },
	{ NULL, "10.0.0.0/8:8443", NULL, "https://api.example/", "10.1.2.3", false },
	{ NULL, "10.0.0.0/8", NULL, "https://api.example/", "::ffff:10.1.2.3", true },
	{ NULL, "10.0.0.0/8", NULL, "https://api.example/", "64:ff9b::a01:203", true },
	{ NULL, "64:ff9b::/96", NULL, "https://api.example/", "64:ff9b::808:808", true },
	{ NULL, "64:ff9b::/96", NULL, "https://api.example/", "64:ff9b::a01:203", false },
	{ NULL, "::ffff:10.0.0.0/104", NULL, "https://api.example/", "10.1.2.3", true },
	{ NULL, "::ffff:10.0.0.0/104", NULL, "https://api.example/", "11.0.0.1", true },
	{ NULL, "::ffff:10.0.0.0/104", NULL, "https://api.example/", "192.168.0.1", false },
	{ NULL, "0.0.0.0/0", NULL, "https://api.example/", "127.0.0.1", true },
	{ NULL, "0.0.0.0/0", NULL, "https://api.example/", "::1", false },
	{ NULL, "fd00::/8", NULL, "https://api.example/", "fd12::1", true },
	{ NULL, "[fd00::/8]:8080", NULL, "http://api.example:8080/", "fd12::1", true },
	{ NULL, "[fd00::/8]:8080", NULL, "http://api.example/", "fd12::1", false },
	{ NULL, "[::1]:8080", NULL, "http://[::1]:8080/", "::1", true },
	{ NULL, "::1", NULL, "http://[::1]/", "::1", true },
	{ NULL, "127.0.0.1:9000", NULL, "http://127.0.0.1:9000/", "127.0.0.1", true },
	{ NULL, "127.0.0.1:9000", NULL, "http://localhost:9000/", "127.0.0.1", true },
	{ NULL, "127.0.0.1:9000", NULL, "http://127.0.0.1:9001/", NULL, false },
	{ NULL, "127.0.0.1:9000", NULL, "http://127.0.0.1/", NULL, false },
	{ NULL, "127.0.0.1", NULL, "http://0x7f.1/", "127.0.0.1", true },
	/* a name */
	{ NULL, "intern.example", NULL, "http://intern.example/", "10.1.2.3", true },
	{ NULL, "Intern.Example.", NULL, "http://intern.example/", "10.1.2.3", true },
	{ NULL, "intern.example", NULL, "http://other.example/", "10.1.2.3", false },
	{ NULL, "intern.example:9", NULL, "http://intern.example:9/", "127.0.0.1", true },
	{ NULL, "intern.example:9", NULL, "http://intern.example/", "127.0.0.1", false },
	{ NULL, "intern.example:9", NULL, "http://intern.example/", "93.184.216.34", true },
	{ NULL, "localhost:9", NULL, "http://127.0.0.1:9/", NULL, false },
};
/* clang-format on */

Test(addr_guard, urls_and_addresses)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct addr_guard *g =
		    guard_of(cases[i].domain, cases[i].entry, cases[i].port);
		struct err err = ERR_INIT;
		struct ip_addr a;
		struct url u;
		int r;

		cr_assert(url_parse(cases[i].url, strlen(cases[i].url), &u, &err) == 0,
		    "%s: %s", cases[i].url, err.text);
		r = addr_guard_check_url(g, &u, &err);
		if (cases[i].resolved == NULL) {
			cr_expect(eq(int, r, -EACCES), "%zu: %s", i, cases[i].url);
			cr_expect(err.text[0] != '\0');
		} else {
			cr_expect(eq(int, r, 0), "%zu: %s: %s", i, cases[i].url,
			    err.text);
			a = addr(cases[i].resolved);
			r = addr_guard_check_address(g, &u, &a, u.port, &err);
			cr_expect(eq(int, r, cases[i].is_allowed ? 0 : -EACCES),
			    "%zu: %s at %s: %s", i, cases[i].url, cases[i].resolved,
			    err.text);
		}
		addr_guard_free(g);
	}
}

static const struct {
	const char *entry;
	int want;
} entries[] = {
	{ "10.0.0.0/8", 0 },
	{ "10.0.0.0/8:80", 0 },
	{ "10.0.0.5", 0 },
	{ "10.0.0.5:65535", 0 },
	{ "fd00::/8", 0 },
	{ "[fd00::/8]", 0 },
	{ "[fd00::/8]:1", 0 },
	{ "host", 0 },
	{ "host.example:1", 0 },
	{ "", -EINVAL },
	{ ":80", -EINVAL },
	{ "10.0.0.0/33", -EINVAL },
	{ "10.0.0.0/", -EINVAL },
	{ "10.0.0.0/-1", -EINVAL },
	{ "10.0.0.0/8:", -EINVAL },
	{ "10.0.0.0/8:0", -EINVAL },
	{ "10.0.0.0/8:65536", -EINVAL },
	{ "10.0.0/8", -EINVAL },
	{ "fd00::/129", -EINVAL },
	{ "[fd00::/8", -EINVAL },
	{ "[fd00::/8]x", -EINVAL },
	{ "[host]:80", -EINVAL },
	{ "host/8", -EINVAL },
	{ "*", -EINVAL },
	{ "*.example", -EINVAL },
	{ "http://host", -EINVAL },
	{ "user@host", -EINVAL },
	{ "0x7f.1", -EINVAL },
	{ "2130706433", -EINVAL },
};

Test(addr_guard, entries_of_allow_private)
{
	for (size_t i = 0; i < ARRAY_LEN(entries); i++)
		cr_expect(eq(int, addr_guard_check_entry(entries[i].entry, NULL),
			      entries[i].want),
		    "'%s'", entries[i].entry);
}

Test(addr_guard, bad_rules_are_named_and_leave_nothing)
{
	static char star[] = "*", bad_port[] = "http", bad_domain[] = "a b",
		    bad[] = "x/9";
	char *s[] = { star }, *p[] = { bad_port }, *d[] = { bad_domain },
	     *e[] = { bad };
	struct addr_guard_rules rules[] = {
		{ .domains = s, .n_domains = 1, .ports = p, .n_ports = 1 },
		{ .domains = d, .n_domains = 1, .ports = s, .n_ports = 1 },
		{ .domains = s,
		    .n_domains = 1,
		    .ports = s,
		    .n_ports = 1,
		    .private_entries = e,
		    .n_private = 1 },
	};
	const char *named[] = { "allow_ports: 'http'", "allow_domains: 'a b'",
		"allow_private: 'x/9'" };

	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		struct addr_guard *g = NULL;
		struct err err = ERR_INIT;

		cr_expect(eq(int, addr_guard_new(&rules[i], &g, &err), -EINVAL));
		cr_expect(g == NULL);
		cr_expect(strstr(err.text, named[i]) != NULL, "%s", err.text);
	}
}

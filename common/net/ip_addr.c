/* SPDX-License-Identifier: MIT */
/*
 * ip_addr.c - one table says what every special address range is.
 *
 * Owns:   nothing.
 * Called: by the address guard and the URL reader.
 * Fails:  never; text that is no address gives false.
 *
 * The ranges are those of the IANA special-purpose registries, and the addresses at
 * which clouds serve instance data. The order matters: the first row that holds
 * decides.
 */
#include "config.h"

#include "common/net/ip_addr.h"

#include "common/cleanup.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

struct range {
	const char *net;
	uint8_t bits;
	uint8_t class; /* enum addr_class */
};

/* clang-format off */
static const struct range ranges_v4[] = {
	{ "169.254.169.254", 32, ADDR_METADATA }, /* most clouds */
	{ "169.254.170.2",   32, ADDR_METADATA }, /* containers' credentials */
	{ "169.254.170.23",  32, ADDR_METADATA },
	{ "100.100.100.200", 32, ADDR_METADATA },
	{ "192.0.0.192",     32, ADDR_METADATA },
	{ "168.63.129.16",   32, ADDR_METADATA },
	{ "0.0.0.0",         32, ADDR_UNSPECIFIED },
	{ "0.0.0.0",          8, ADDR_RESERVED },  /* "this network" */
	{ "10.0.0.0",         8, ADDR_PRIVATE },
	{ "100.64.0.0",      10, ADDR_SHARED },
	{ "127.0.0.0",        8, ADDR_LOOPBACK },
	{ "169.254.0.0",     16, ADDR_LINK_LOCAL },
	{ "172.16.0.0",      12, ADDR_PRIVATE },
	{ "192.0.0.0",       24, ADDR_RESERVED },
	{ "192.0.2.0",       24, ADDR_DOCUMENTATION },
	{ "192.88.99.0",     24, ADDR_6TO4 },      /* relays */
	{ "192.168.0.0",     16, ADDR_PRIVATE },
	{ "198.18.0.0",      15, ADDR_BENCHMARK },
	{ "198.51.100.0",    24, ADDR_DOCUMENTATION },
	{ "203.0.113.0",     24, ADDR_DOCUMENTATION },
	{ "233.252.0.0",     24, ADDR_DOCUMENTATION },
	{ "224.0.0.0",        4, ADDR_MULTICAST },
	{ "255.255.255.255", 32, ADDR_BROADCAST },
	{ "240.0.0.0",        4, ADDR_RESERVED },
};

static const struct range ranges_v6[] = {
	{ "fd00:ec2::254",    128, ADDR_METADATA },
	{ "fd00:ec2::23",     128, ADDR_METADATA },
	{ "fd20:ce::254",     128, ADDR_METADATA },
	{ "::",               128, ADDR_UNSPECIFIED },
	{ "::1",              128, ADDR_LOOPBACK },
	{ "64:ff9b::",         96, ADDR_NAT64 },
	{ "64:ff9b:1::",       48, ADDR_NAT64 },   /* local use, of any length */
	{ "100::",             64, ADDR_RESERVED }, /* discard */
	{ "2001::",            32, ADDR_TEREDO },
	{ "2001:2::",          48, ADDR_BENCHMARK },
	{ "2001::",            23, ADDR_RESERVED }, /* protocol assignments, ORCHID */
	{ "2001:db8::",        32, ADDR_DOCUMENTATION },
	{ "2002::",            16, ADDR_6TO4 },
	{ "3fff::",            20, ADDR_DOCUMENTATION },
	{ "fc00::",             7, ADDR_UNIQUE_LOCAL },
	{ "fe80::",            10, ADDR_LINK_LOCAL },
	{ "fec0::",            10, ADDR_SITE_LOCAL },
	{ "ff00::",             8, ADDR_MULTICAST },
	{ "2000::",             3, ADDR_PUBLIC },
	{ "::",                 0, ADDR_RESERVED }, /* whatever else: nobody is there yet */
};
/* clang-format on */

static const char *const class_names[ADDR_CLASS_COUNT] = {
	[ADDR_PUBLIC] = "public",
	[ADDR_UNSPECIFIED] = "unspecified",
	[ADDR_LOOPBACK] = "loopback",
	[ADDR_PRIVATE] = "private",
	[ADDR_SHARED] = "carrier-grade NAT",
	[ADDR_LINK_LOCAL] = "link-local",
	[ADDR_METADATA] = "cloud metadata",
	[ADDR_MULTICAST] = "multicast",
	[ADDR_BROADCAST] = "broadcast",
	[ADDR_DOCUMENTATION] = "documentation",
	[ADDR_BENCHMARK] = "benchmarking",
	[ADDR_RESERVED] = "reserved",
	[ADDR_UNIQUE_LOCAL] = "unique local",
	[ADDR_SITE_LOCAL] = "site-local",
	[ADDR_NAT64] = "NAT64",
	[ADDR_6TO4] = "6to4",
	[ADDR_TEREDO] = "Teredo",
};

const char *
addr_class_name(enum addr_class c)
{
	ASSERT(c < ADDR_CLASS_COUNT);
	return class_names[c];
}

bool
ip_addr_parse(const char *text, size_t n, struct ip_addr *out)
{
	char copy[IP_ADDR_TEXT_MAX];
	struct ip_addr a = { 0 };

	if (n == 0 || n >= sizeof(copy) || memchr(text, '\0', n) != NULL)
		return false;
	memcpy(copy, text, n);
	copy[n] = '\0';
	a.is_v6 = strchr(copy, ':') != NULL;
	if (inet_pton(a.is_v6 ? AF_INET6 : AF_INET, copy, a.bytes) != 1)
		return false;
	*out = a;
	return true;
}

bool
ip_addr_parse_loose_v4(const char *text, size_t n, struct ip_addr *out)
{
	char copy[64];
	struct in_addr in;

	if (n == 0 || n >= sizeof(copy) || memchr(text, '\0', n) != NULL)
		return false;
	memcpy(copy, text, n);
	copy[n] = '\0';
	if (strspn(copy, "0123456789abcdefABCDEFxX.") != n || inet_aton(copy, &in) == 0)
		return false;
	memset(out, 0, sizeof(*out));
	memcpy(out->bytes, &in.s_addr, 4);
	return true;
}

char *
ip_addr_text(const struct ip_addr *a, char out[IP_ADDR_TEXT_MAX])
{
	if (inet_ntop(a->is_v6 ? AF_INET6 : AF_INET, a->bytes, out, IP_ADDR_TEXT_MAX) ==
	    NULL)
		out[0] = '\0';
	return out;
}

bool
ip_addr_from_sockaddr(const struct sockaddr *sa, size_t len, struct ip_addr *out,
    uint16_t *port)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	memset(out, 0, sizeof(*out));
	if (len >= sizeof(v4) && sa->sa_family == AF_INET) {
		memcpy(&v4, sa, sizeof(v4));
		memcpy(out->bytes, &v4.sin_addr, 4);
		*port = ntohs(v4.sin_port);
		return true;
	}
	if (len >= sizeof(v6) && sa->sa_family == AF_INET6) {
		memcpy(&v6, sa, sizeof(v6));
		memcpy(out->bytes, &v6.sin6_addr, 16);
		out->is_v6 = true;
		*port = ntohs(v6.sin6_port);
		return true;
	}
	return false;
}

bool
ip_addr_in_prefix(const struct ip_addr *a, const struct ip_addr *net, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	if (a->is_v6 != net->is_v6 || bits > (a->is_v6 ? 128u : 32u))
		return false;
	if (memcmp(a->bytes, net->bytes, whole) != 0)
		return false;
	return rest == 0 ||
	    ((a->bytes[whole] ^ net->bytes[whole]) & (0xff << (8 - rest)) & 0xff) == 0;
}

static enum addr_class
class_by_table(const struct ip_addr *a, const struct range *table, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct ip_addr net;

		ASSERT(ip_addr_parse(table[i].net, strlen(table[i].net), &net));
		if (ip_addr_in_prefix(a, &net, table[i].bits))
			return table[i].class;
	}
	return ADDR_PUBLIC;
}

static enum addr_class
class_v4(const struct ip_addr *a)
{
	return class_by_table(a, ranges_v4, ARRAY_LEN(ranges_v4));
}

static struct ip_addr
inner_v4(const struct ip_addr *a, size_t at)
{
	struct ip_addr v4 = { .is_v6 = false };

	memcpy(v4.bytes, a->bytes + at, 4);
	return v4;
}

/* ::ffff:a.b.c.d, ::ffff:0:a.b.c.d (translated) and ::a.b.c.d: always what they
   wrap. */
static bool
unwrap_always(const struct ip_addr *a, struct ip_addr *v4)
{
	static const uint8_t zero[12];
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	static const uint8_t translated[12] = { [8] = 0xff, [9] = 0xff };

	if (!a->is_v6)
		return false;
	if (memcmp(a->bytes, mapped, 12) != 0 &&
	    memcmp(a->bytes, translated, 12) != 0) {
		if (memcmp(a->bytes, zero, 12) != 0)
			return false;
		if (memcmp(a->bytes + 12, zero, 3) == 0 && a->bytes[15] <= 1)
			return false; /* :: and ::1 have rows of their own */
	}
	*v4 = inner_v4(a, 12);
	return true;
}

/* Where an IPv4 address may stand inside: a gateway's prefix must not open the way to
   what lies behind it. */
static const struct {
	uint8_t class;
	uint8_t at;      /* of its first byte */
	uint8_t zero_at; /* only when all bytes from here on are zero; 16: always */
} embedded[] = {
	{ ADDR_NAT64, 12, 16 },
	{ ADDR_NAT64, 9, 13 }, /* RFC 6052 under a prefix of 64 bits */
	{ ADDR_6TO4, 2, 16 },
};

static bool
is_zero_from(const struct ip_addr *a, size_t at)
{
	for (; at < sizeof(a->bytes); at++)
		if (a->bytes[at] != 0)
			return false;
	return true;
}

/* An interface of ISATAP: 0000:5efe or 0200:5efe before the IPv4 address. */
static bool
is_isatap(const struct ip_addr *a)
{
	return (a->bytes[8] == 0 || a->bytes[8] == 2) && a->bytes[9] == 0 &&
	    a->bytes[10] == 0x5e && a->bytes[11] == 0xfe;
}

/* Judges the address inside instead, when that one is not public. */
static enum addr_class
judge_inner(struct ip_addr *judged, size_t at, enum addr_class class)
{
	struct ip_addr inner = inner_v4(judged, at);
	enum addr_class inner_class = class_v4(&inner);

	if (inner_class == ADDR_PUBLIC)
		return class;
	*judged = inner;
	return inner_class;
}

static enum addr_class
class_v6(struct ip_addr *judged)
{
	enum addr_class class = class_by_table(judged, ranges_v6, ARRAY_LEN(ranges_v6));

	for (size_t i = 0; i < ARRAY_LEN(embedded) && judged->is_v6; i++)
		if (embedded[i].class == class &&
		    is_zero_from(judged, embedded[i].zero_at))
			class = judge_inner(judged, embedded[i].at, class);
	if (class == ADDR_PUBLIC && is_isatap(judged))
		class = judge_inner(judged, 12, class);
	return class;
}

enum addr_class
addr_classify(const struct ip_addr *a, struct ip_addr *effective)
{
	struct ip_addr judged = *a, inner;
	enum addr_class class;

	if (unwrap_always(a, &inner))
		judged = inner;
	class = judged.is_v6 ? class_v6(&judged) : class_v4(&judged);
	if (effective != NULL)
		*effective = judged;
	return class;
}

/* SPDX-License-Identifier: MIT */
/*
 * ip_addr.h - Internet addresses and what they mean: public, or one of the kinds that a
 * stranger's URL must not reach. Pure: no sockets, no resolver, no allocation.
 */
#ifndef COMMON_NET_IP_ADDR_H
#define COMMON_NET_IP_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sockaddr;

struct ip_addr {
	bool is_v6;
	uint8_t bytes[16]; /* network order; the first four when !is_v6 */
};

enum addr_class {
	ADDR_PUBLIC,
	ADDR_UNSPECIFIED,
	ADDR_LOOPBACK,
	ADDR_PRIVATE,
	ADDR_SHARED, /* carrier-grade NAT */
	ADDR_LINK_LOCAL,
	ADDR_METADATA, /* a cloud's instance data */
	ADDR_MULTICAST,
	ADDR_BROADCAST,
	ADDR_DOCUMENTATION,
	ADDR_BENCHMARK,
	ADDR_RESERVED,
	ADDR_UNIQUE_LOCAL,
	ADDR_SITE_LOCAL,
	ADDR_NAT64,
	ADDR_6TO4,
	ADDR_TEREDO,
	ADDR_CLASS_COUNT
};

enum {
	IP_ADDR_TEXT_MAX = 46
};

/*
 * The class of a. IPv4 addresses wrapped in IPv6 (mapped, compatible, and those NAT64,
 * 6to4 and ISATAP forms whose inner address is not public) are judged as what they wrap;
 * *effective (may be NULL) is the address that was judged.
 */
enum addr_class addr_classify(const struct ip_addr *a, struct ip_addr *effective);

const char *addr_class_name(enum addr_class c); /* "loopback", "private", ... */

/* Four decimal numbers or an IPv6 address without brackets and zone; n bytes. */
bool ip_addr_parse(const char *text, size_t n, struct ip_addr *out);

/* The older forms that resolvers also take: 127.1, 0x7f000001, 2130706433,
   0177.0.0.1. */
bool ip_addr_parse_loose_v4(const char *text, size_t n, struct ip_addr *out);

/* Writes the usual text and returns out. */
char *ip_addr_text(const struct ip_addr *a, char out[IP_ADDR_TEXT_MAX]);

/* False for anything but AF_INET and AF_INET6. */
bool ip_addr_from_sockaddr(const struct sockaddr *sa, size_t len, struct ip_addr *out,
    uint16_t *port);

/* Do the first bits of a and b agree, and are both of one family? */
bool ip_addr_in_prefix(const struct ip_addr *a, const struct ip_addr *net,
    unsigned bits);

#endif

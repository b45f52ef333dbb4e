/* SPDX-License-Identifier: MIT */
/*
 * uuid.c - random UUIDs of version 4, and what counts as one.
 *
 * Owns:   nothing.
 * Called: for result ids and for the store's own id.
 * Fails:  when the kernel has no random bytes yet and the call was interrupted.
 */
#include "config.h"

#include "common/store/store.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

static bool
is_dash_at(size_t i)
{
	return i == 8 || i == 13 || i == 18 || i == 23;
}

int
store_new_id(char out[STORE_ID_MAX])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char raw[16];
	size_t at = 0;

	while (getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
		if (errno != EINTR)
			return -errno;
	raw[6] = (unsigned char)((raw[6] & 0x0f) | 0x40);
	raw[8] = (unsigned char)((raw[8] & 0x3f) | 0x80);
	for (size_t i = 0; i < sizeof(raw); i++) {
		if (is_dash_at(at))
			out[at++] = '-';
		out[at++] = digits[raw[i] >> 4];
		out[at++] = digits[raw[i] & 15];
	}
	out[at] = '\0';
	return 0;
}

bool
store_is_id(const char *text)
{
	if (strlen(text) != STORE_ID_MAX - 1)
		return false;
	for (size_t i = 0; i < STORE_ID_MAX - 1; i++)
		if (is_dash_at(i) ? text[i] != '-'
				  : strchr("0123456789abcdef", text[i]) == NULL)
			return false;
	return true;
}

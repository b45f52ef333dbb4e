/* SPDX-License-Identifier: MIT */
/*
 * body_sink.c - where a body goes: memory while it fits into a message, a file beyond.
 *
 * Owns:   the memory file, until it has been sent.
 * Called: by the HTTP client's sink, piece by piece.
 * Fails:  with negative errno, which ends the transfer.
 */
#include "config.h"

#include "fetch/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

void
body_sink_release(struct body_sink *s)
{
	secrets_stream_release(&s->masked);
	buf_release(&s->head);
	if (s->fd >= 0)
		(void)close(s->fd);
	s->fd = -1;
}

static int
write_all(int fd, const char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t w = write(fd, bytes, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -errno;
		bytes += w;
		n -= (size_t)w;
	}
	return 0;
}

static int
spill(struct body_sink *s)
{
	int r;

	s->fd = memfd_create("body", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (s->fd < 0)
		return -errno;
	r = write_all(s->fd, buf_str(&s->head), s->head.len);
	buf_release(&s->head);
	return r;
}

static int
store(void *ctx, const char *bytes, size_t n)
{
	struct body_sink *s = ctx;
	int r = 0;

	s->bytes += n;
	if (s->fd < 0 && s->bytes > LANE_INLINE_MAX)
		r = spill(s);
	if (r < 0)
		return r;
	if (s->fd >= 0)
		return write_all(s->fd, bytes, n);
	buf_add(&s->head, bytes, n);
	return buf_status(&s->head);
}

void
body_sink_init(struct body_sink *s, const struct secrets *secrets)
{
	*s = (struct body_sink){ .fd = -1,
		.masked = { .secrets = secrets, .pass = store, .ctx = s } };
}

int
body_sink_add(struct body_sink *s, const char *bytes, size_t n)
{
	return secrets_stream_add(&s->masked, bytes, n);
}

int
body_sink_seal(struct body_sink *s)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
	int r = secrets_stream_end(&s->masked);

	if (r < 0)
		return r;
	if (s->fd >= 0 && fcntl(s->fd, F_ADD_SEALS, seals) < 0)
		return -errno;
	return 0;
}

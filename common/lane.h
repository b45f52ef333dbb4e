/* SPDX-License-Identifier: MIT */
/*
 * lane.h - the message form between a worker and its compute and fetch processes.
 *
 * A lane is one AF_UNIX SEQPACKET socket pair. A message is this head, then meta_len
 * bytes of meta (a small JSON text) and the data: inline up to LANE_INLINE_MAX bytes,
 * else one sealed memory file that travels as a descriptor (SCM_RIGHTS). The requester
 * draws the id; the answer carries it back; answers may come in any order.
 */
#ifndef COMMON_LANE_H
#define COMMON_LANE_H

#include "common/buf.h"
#include "common/err.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	LANE_VERSION = 1,
	LANE_META_MAX = 60 * 1024,
	LANE_INLINE_MAX = 64 * 1024,
	LANE_MESSAGE_MAX = 160 * 1024,
	LANE_WAITING_MAX = 4 /* requests unanswered in one lane */
};

struct lane_head {
	uint16_t version; /* LANE_VERSION */
	uint16_t op;      /* of the protocol that runs over this lane */
	uint32_t meta_len;
	uint64_t id;
	uint64_t data_len; /* bytes of data, inline or in the memory file */
	uint32_t has_data_fd;
	uint32_t reserved;
};

struct lane_message {
	struct lane_head head;
	const char *meta; /* points into the receive buffer */
	const char *data; /* inline data, NULL when it came as a descriptor */
	int data_fd;      /* -1 or the memory file: the receiver owns it */
};

/*
 * Sends one message without blocking. data_fd >= 0 sends that descriptor (stays the
 * caller's) and data must be NULL; data longer than LANE_INLINE_MAX is put into a
 * sealed memory file here. Returns 0, -EAGAIN (queue full, try again when writable),
 * -EPIPE or -ECONNRESET (peer gone), or another errno.
 */
int lane_send(int fd, uint16_t op, uint64_t id, const void *meta, size_t meta_len,
    const void *data, size_t data_len, int data_fd);

/*
 * Receives one message into buffer (LANE_MESSAGE_MAX bytes) without blocking. Returns
 * 1, 0 when the peer has closed, -EAGAIN when none waits, -EPROTO for a malformed one.
 * The memory file is checked to be sealed against shrinking and to hold data_len bytes.
 */
int lane_receive(int fd, char *buffer, struct lane_message *msg);

/* A new memory file that holds n bytes, sealed against any change; negative errno. */
int lane_memfd(const void *data, size_t n);

/* Maps msg's data, wherever it is: *out and *n; unmap with lane_data_release. For
   inline data no mapping is made. Returns 0 or negative errno. */
struct lane_data {
	const char *bytes;
	size_t len;
	bool is_mapped;
};
int lane_data_open(const struct lane_message *msg, struct lane_data *out);
void lane_data_release(struct lane_data *d);

/* One message of a request; several travel together with one id, the last asks. */
struct lane_part {
	uint16_t op;
	const char *meta;
	size_t meta_len;
	const char *data; /* or, when data_fd >= 0, NULL */
	size_t data_len;
	int data_fd; /* stays the caller's; -1 */
};

/* An answer, copied out of the receive buffer. */
struct lane_reply {
	uint16_t op;
	char *meta; /* owned, NUL-terminated */
	size_t meta_len;
	char *data; /* owned; NULL when it is in data_fd */
	uint64_t data_len;
	int data_fd; /* owned; -1 */
};

#define LANE_REPLY_INIT \
 {                      \
  .data_fd = -1         \
 }

/* Copies msg and takes its descriptor. 0, or -ENOMEM with both untouched. */
int lane_reply_take(struct lane_message *msg, struct lane_reply *out);
void lane_reply_release(struct lane_reply *r); /* may be used again */

/* A connected SEQPACKET pair, close-on-exec, send buffers set for LANE_MESSAGE_MAX. */
int lane_pair(int fds[2]);

#endif

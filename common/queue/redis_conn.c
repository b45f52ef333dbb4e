/* SPDX-License-Identifier: MIT */
/*
 * redis_conn.c - one connection: bytes to write, the reader of replies, the stream.
 *
 * Owns:   all three.
 * Called: by both clients, which know what the commands mean.
 * Fails:  by losing the connection; the caller opens another.
 */
#include "config.h"

#include "common/queue/redis_conn.h"

#include "common/buf.h"

#include <errno.h>
#include <hiredis.h>
#include <string.h>

enum {
	CHUNK = 16 * 1024,
	CHUNKS_MAX = 64, /* of one turn: others have a turn, too */
	KEEP_MAX = 256 * 1024
};

struct redis_conn {
	struct redis_stream *stream;
	redisReader *reader;
	struct buf out; /* from sent on not yet written */
	size_t sent;
	size_t n_out;        /* commands in out, partly written ones included */
	size_t n_unanswered; /* of all that were sent by the caller */
};

/*
 * Over TLS Redis takes one record a turn of its loop, and syncs its file in each, however
 * many records wait. So commands are held back until the former ones are answered, and
 * then leave together: under load that is five times as many a second.
 */
static bool
may_write(const struct redis_conn *c)
{
	return c->sent < c->out.len &&
	    (c->sent > 0 || c->n_unanswered <= c->n_out ||
		redis_stream_is_plain(c->stream));
}

int
redis_conn_open(const struct redis_place *place, struct redis_conn **out,
    struct err *err)
{
	struct redis_conn *c = calloc(1, sizeof(*c));
	int r;

	if (c == NULL || (c->reader = redisReaderCreate()) == NULL) {
		redis_conn_close(c);
		return err_set(err, -ENOMEM, "no memory for a connection");
	}
	r = redis_stream_open(place, &c->stream, err);
	if (r < 0) {
		redis_conn_close(c);
		return r;
	}
	*out = c;
	return 0;
}

void
redis_conn_close(struct redis_conn *c)
{
	if (c == NULL)
		return;
	if (c->out.data != NULL)
		explicit_bzero(c->out.data, c->out.len); /* AUTH may stand there */
	buf_release(&c->out);
	if (c->reader != NULL)
		redisReaderFree(c->reader);
	redis_stream_close(c->stream);
	free(c);
}

int
redis_conn_fd(const struct redis_conn *c)
{
	return redis_stream_fd(c->stream);
}

short
redis_conn_events(const struct redis_conn *c)
{
	return redis_stream_events(c->stream, may_write(c));
}

bool
redis_conn_is_open(const struct redis_conn *c)
{
	return redis_stream_is_open(c->stream);
}

int
redis_conn_send(struct redis_conn *c, int argc, const char **argv,
    const size_t *argvlen)
{
	char *text = NULL;
	int n = redisFormatCommandArgv(&text, argc, argv, argvlen);

	if (n < 0)
		return -ENOMEM;
	buf_add(&c->out, text, (size_t)n);
	redisFreeCommand(text);
	c->n_out++;
	c->n_unanswered++;
	return buf_status(&c->out);
}

static int
write_out(struct redis_conn *c, struct err *err)
{
	if (!may_write(c))
		return 0;
	while (c->sent < c->out.len) {
		ssize_t n = redis_stream_write(c->stream, c->out.data + c->sent,
		    c->out.len - c->sent, err);

		if (n <= 0)
			return (int)n;
		c->sent += (size_t)n;
	}
	c->sent = 0;
	c->n_out = 0;
	if (c->out.cap > KEEP_MAX)
		buf_release(&c->out);
	else
		buf_clear(&c->out);
	return 0;
}

static int
read_in(struct redis_conn *c, struct err *err)
{
	char chunk[CHUNK];

	for (int i = 0; i < CHUNKS_MAX; i++) {
		ssize_t n = redis_stream_read(c->stream, chunk, sizeof(chunk), err);

		if (n <= 0)
			return (int)n;
		if (redisReaderFeed(c->reader, chunk, (size_t)n) != REDIS_OK)
			return err_set(err, -ECONNRESET, "%s", c->reader->errstr);
		if ((size_t)n < sizeof(chunk) && redis_stream_is_plain(c->stream))
			return 0; /* TLS gives a record at a time, short or not */
	}
	return 0;
}

int
redis_conn_turn(struct redis_conn *c, struct err *err)
{
	int r = redis_stream_ready(c->stream, err);

	if (r <= 0)
		return r;
	if (buf_status(&c->out) < 0)
		return err_set(err, -ECONNRESET, "no memory for a command");
	r = write_out(c, err);
	return r < 0 ? r : read_in(c, err);
}

int
redis_conn_next(struct redis_conn *c, struct redisReply **reply, struct err *err)
{
	void *got = NULL;

	if (redisReaderGetReply(c->reader, &got) != REDIS_OK)
		return err_set(err, -EPROTO, "%s", c->reader->errstr);
	if (got == NULL)
		return 0;
	if (c->n_unanswered > 0) /* what a subscription tells was not asked for */
		c->n_unanswered--;
	*reply = got;
	return 1;
}

/* SPDX-License-Identifier: MIT */
/*
 * slot_file.c - the shared page on which a child shows its heartbeat and its jobs.
 *
 * Owns:   nothing; maps belong to the caller.
 * Called: by the supervisor (make, copy) and by the one writing thread of a child.
 * Fails:  with negative errno; a file that is not ours is -EPROTO.
 */
#include "config.h"

#include "common/role/slot_file.h"

#include "common/printable.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum {
	SLOT_SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL,
	COPY_TRIES = 4
};

int
slot_file_make(const struct slot_file **map)
{
	static const uint32_t head[2] = { SLOT_FILE_MAGIC, SLOT_FILE_VERSION };
	CLEANUP(closep) int fd = memfd_create("slots", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	void *p;

	_Static_assert(offsetof(struct slot_file, version) == sizeof(uint32_t), "head");
	if (fd < 0 || ftruncate(fd, sizeof(struct slot_file)) < 0 ||
	    pwrite(fd, head, sizeof(head), 0) != (ssize_t)sizeof(head) ||
	    fcntl(fd, F_ADD_SEALS, SLOT_SEALS) < 0)
		return -errno;
	p = mmap(NULL, sizeof(struct slot_file), PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	*map = p;
	return TAKE_FD(fd);
}

void
slot_file_unmap(const struct slot_file *map)
{
	union {
		const struct slot_file *in;
		void *out;
	} p = { map };

	if (map != NULL)
		(void)munmap(p.out, sizeof(struct slot_file));
}

int
slot_file_open(int fd, struct slot_file **out)
{
	struct stat st;
	struct slot_file *f;
	int seals = fcntl(fd, F_GET_SEALS);
	void *p;

	if (seals < 0 || (seals & SLOT_SEALS) != SLOT_SEALS || fstat(fd, &st) < 0 ||
	    st.st_size != (off_t)sizeof(struct slot_file))
		return -EPROTO;
	p = mmap(NULL, sizeof(*f), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	f = p;
	if (f->magic != SLOT_FILE_MAGIC || f->version != SLOT_FILE_VERSION) {
		slot_file_unmap(f);
		return -EPROTO;
	}
	*out = f;
	return 0;
}

/* Writes that follow are seen only together with an even seq. */
static void
row_lock(struct slot_row *row)
{
	uint32_t seq = atomic_load_explicit(&row->seq, memory_order_relaxed);

	atomic_store_explicit(&row->seq, seq | 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
}

static void
row_unlock(struct slot_row *row)
{
	uint32_t seq = atomic_load_explicit(&row->seq, memory_order_relaxed);

	atomic_store_explicit(&row->seq, seq + 1, memory_order_release);
}

static void
put_text(char *to, size_t size, const char *from, size_t len)
{
	if (len > size - 1)
		len = size - 1;
	memcpy(to, from, len);
	memset(to + len, 0, size - len);
}

static void
set(struct slot_file *f, unsigned row, bool is_payload, const char *job_id,
    size_t id_len, const char *step, uint64_t started_ms, uint64_t deadline_ms)
{
	struct slot_row *r;

	ASSERT(row < SLOT_ROWS);
	r = &f->rows[row];
	row_lock(r);
	r->in_use = 1;
	r->is_payload = is_payload;
	r->started_ms = started_ms;
	r->deadline_ms = deadline_ms;
	put_text(r->job_id, sizeof(r->job_id), job_id, id_len);
	put_text(r->step, sizeof(r->step), step, strlen(step));
	row_unlock(r);
}

void
slot_row_set(struct slot_file *f, unsigned row, const char *job_id, size_t id_len,
    const char *step, uint64_t started_ms, uint64_t deadline_ms)
{
	set(f, row, false, job_id, id_len, step, started_ms, deadline_ms);
}

void
slot_row_payload(struct slot_file *f, unsigned row, const char *sha1,
    uint64_t started_ms)
{
	set(f, row, true, sha1, strlen(sha1), "parse", started_ms, UINT64_MAX);
}

void
slot_row_step(struct slot_file *f, unsigned row, const char *step)
{
	struct slot_row *r;

	ASSERT(row < SLOT_ROWS);
	r = &f->rows[row];
	row_lock(r);
	put_text(r->step, sizeof(r->step), step, strlen(step));
	row_unlock(r);
}

void
slot_row_tool(struct slot_file *f, unsigned row, const char *tool)
{
	struct slot_row *r;

	ASSERT(row < SLOT_ROWS);
	r = &f->rows[row];
	row_lock(r);
	put_text(r->step, sizeof(r->step), "tool", 4);
	put_text(r->tool, sizeof(r->tool), tool, strlen(tool));
	row_unlock(r);
}

void
slot_row_tokens(struct slot_file *f, unsigned row, uint64_t tokens)
{
	struct slot_row *r;

	ASSERT(row < SLOT_ROWS);
	r = &f->rows[row];
	row_lock(r);
	r->tokens = tokens;
	row_unlock(r);
}

void
slot_row_pause(struct slot_file *f, unsigned row, uint64_t ms)
{
	struct slot_row *r;

	ASSERT(row < SLOT_ROWS);
	r = &f->rows[row];
	row_lock(r);
	r->paused_ms += ms;
	row_unlock(r);
}

void
slot_row_clear(struct slot_file *f, unsigned row)
{
	struct slot_row *r;

	ASSERT(row < SLOT_ROWS);
	r = &f->rows[row];
	row_lock(r);
	r->in_use = 0;
	r->paused_ms = r->tokens = 0;
	r->tool[0] = '\0';
	row_unlock(r);
}

/* What a child wrote reaches logs, terminals and JSON. */
static void
make_printable(char *text, size_t size)
{
	text[size - 1] = '\0';
	printable_make(text);
}

bool
slot_row_copy(const struct slot_file *f, unsigned row, struct slot_row *out)
{
	const struct slot_row *r;
	struct slot_row copy;

	ASSERT(row < SLOT_ROWS);
	r = &f->rows[row];
	for (int i = 0; i < COPY_TRIES; i++) {
		uint32_t seq = atomic_load_explicit(&r->seq, memory_order_acquire);

		if ((seq & 1) != 0)
			continue;
		memcpy(&copy, (const void *)r, sizeof(copy));
		atomic_thread_fence(memory_order_acquire);
		if (atomic_load_explicit(&r->seq, memory_order_relaxed) != seq)
			continue;
		if (copy.in_use != 1)
			return false;
		make_printable(copy.job_id, sizeof(copy.job_id));
		make_printable(copy.step, sizeof(copy.step));
		make_printable(copy.tool, sizeof(copy.tool));
		*out = copy;
		return true;
	}
	return false;
}

/* ---- the word that the fault handler stores ---- */

enum {
	FAULT_ROW_BITS = 16,
	FAULT_SIGNAL_BITS = 8,
	FAULT_SIGNAL_MAX = 64
};

uint64_t
slot_fault_pack(const struct slot_fault *fault)
{
	return (uint64_t)(uint16_t)(fault->row + 1) |
	    (uint64_t)(uint8_t)fault->signal << FAULT_ROW_BITS |
	    (uint64_t)(uint32_t)(fault->refused + 1)
	    << (FAULT_ROW_BITS + FAULT_SIGNAL_BITS);
}

bool
slot_file_fault(const struct slot_file *f, struct slot_fault *out)
{
	uint64_t word = atomic_load_explicit(&f->fault, memory_order_acquire);
	int row = (int)(word & 0xffff) - 1;
	int sig = (int)(word >> FAULT_ROW_BITS & 0xff);
	uint32_t refused = (uint32_t)(word >> (FAULT_ROW_BITS + FAULT_SIGNAL_BITS));

	if (sig < 1 || sig > FAULT_SIGNAL_MAX)
		return false;
	out->row = row < SLOT_ROWS ? row : -1;
	out->signal = sig;
	out->refused = refused <= UINT16_MAX ? (int)refused - 1 : -1;
	return true;
}

/* SPDX-License-Identifier: MIT */
/*
 * cas_dir.c - the CAS in a directory: DIR/ab/cd/<hex>, written by rename.
 *
 * Owns:   DIR and what is below it; DIR/tmp holds files that are being written.
 * Called: by cas.c. Several processes may work in one directory: a name stands for its
 *         content, so whoever renames last renames the same bytes.
 * Fails:  a full or read-only disk is -EAGAIN; a crash leaves at most a file in tmp,
 *         which the sweep removes after a day.
 */
#include "config.h"

#include "common/clock.h"
#include "common/store/cas.h"
#include "common/store/digest.h"
#include "common/store/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	PIECE = 128 * 1024,
	DAY_MS = 24 * 3600 * 1000,
	HEX_LEN = DIGEST_HEX_MAX - 1,
	SHELF_LEN = 5 /* "ab/cd" */
};

struct cas_dir {
	struct cas base;
	char *path;
	int root_fd; /* -1 until first needed */
};

/* ---- errors and small steps ---- */

static int
translate(int error)
{
	switch (error) {
	case ENOSPC:
	case EDQUOT:
	case EROFS:
	case EMFILE:
	case ENFILE:
		return -EAGAIN;
	default:
		return -error;
	}
}

/* What cannot be written for reasons of its place can be written when an operator has put
   that right. */
static int
fail_write(const struct cas_dir *d, int error, const char *what, const char *name,
    struct err *err)
{
	static const int of_the_place[] = { EACCES, EPERM, EIO, ENOENT, ENOTDIR, ELOOP,
		ENODEV, ESTALE };
	int code = translate(error);

	for (size_t i = 0; i < ARRAY_LEN(of_the_place); i++)
		if (of_the_place[i] == error)
			code = -EAGAIN;
	return err_set(err, code, "%s %s/%s: %s", what, d->path, name, strerror(error));
}

static int
fail(const struct cas_dir *d, int error, const char *what, const char *name,
    struct err *err)
{
	return err_set(err, translate(error), "%s %s/%s: %s", what, d->path, name,
	    strerror(error));
}

static void
closedirp(DIR **dir)
{
	if (*dir != NULL)
		(void)closedir(*dir);
}

/* Makes the directory if it is not there; 1 when it was made. */
static int
make_dir(int at, const char *name)
{
	if (mkdirat(at, name, 0700) == 0)
		return 1;
	return errno == EEXIST ? 0 : -errno;
}

static int
sync_dir(int at, const char *name)
{
	CLEANUP(closep) int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int
open_root(struct cas_dir *d, bool for_writing, struct err *err)
{
	int fd, r;

	if (d->root_fd >= 0)
		return 0;
	r = for_writing ? make_dir(AT_FDCWD, d->path) : 0;
	if (r < 0)
		return fail_write(d, -r, "make", "", err);
	fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return for_writing ? fail_write(d, errno, "open", "", err)
				   : fail(d, errno, "open", "", err);
	d->root_fd = fd;
	return 0;
}

/* "ab/cd" and "ab/cd/<hex>" */
struct place {
	char shelf[SHELF_LEN + 1];
	char file[SHELF_LEN + 1 + DIGEST_HEX_MAX];
};

static struct place
place_of(const char *hex)
{
	struct place p;

	(void)snprintf(p.shelf, sizeof(p.shelf), "%.2s/%.2s", hex, hex + 2);
	(void)snprintf(p.file, sizeof(p.file), "%s/%.64s", p.shelf, hex);
	return p;
}

static uint64_t
age_ms(const struct stat *st)
{
	int64_t written =
	    (int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000;
	int64_t age = clock_wall_ms() - written;

	return age > 0 ? (uint64_t)age : 0;
}

/* ---- writing ---- */

/*
 * Is the content there, whole, and young? An old file is written anew, which makes it
 * young: a sweep that runs now must not take what is about to be named again.
 */
static bool
is_there(struct cas_dir *d, const struct place *p, const char *hex, uint64_t len)
{
	CLEANUP(closep) int fd = openat(d->root_fd, p->file, O_RDONLY | O_CLOEXEC);
	char found[DIGEST_HEX_MAX];
	uint64_t found_len;
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && (uint64_t)st.st_size == len &&
	    age_ms(&st) < DAY_MS &&
	    cas_source_digest(&(struct cas_source){ .fd = fd }, found, &found_len) ==
	    0 &&
	    strcmp(found, hex) == 0;
}

static int
write_piece(int fd, const char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t done = write(fd, bytes, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		bytes += done;
		n -= (size_t)done;
	}
	return 0;
}

/* Copies and hashes in one go, so that the name is that of the bytes on the disk. */
static int
copy_out(const struct cas_source *src, int fd, char hex[])
{
	CLEANUP(digest_freep) struct digest *digest = digest_new();
	CLEANUP(freep) char *piece = malloc(PIECE);
	uint64_t at = 0;
	ssize_t n;
	int r;

	if (digest == NULL || piece == NULL)
		return -ENOMEM;
	while ((n = cas_source_read(src, piece, PIECE, at)) > 0) {
		digest_add(digest, piece, (size_t)n);
		at += (uint64_t)n;
		r = write_piece(fd, piece, (size_t)n);
		if (r < 0)
			return r;
	}
	if (n < 0)
		return (int)n;
	if (fsync(fd) < 0)
		return -errno;
	return digest_hex(digest, hex);
}

static int
put_on_shelf(struct cas_dir *d, const char *temp, const struct place *p)
{
	const char top[3] = { p->shelf[0], p->shelf[1], '\0' };
	int made_top, made, r;

	made_top = make_dir(d->root_fd, top);
	if (made_top < 0)
		return made_top;
	made = make_dir(d->root_fd, p->shelf);
	if (made < 0)
		return made;
	if (renameat(d->root_fd, temp, d->root_fd, p->file) < 0)
		return -errno;
	r = sync_dir(d->root_fd, p->shelf);
	if (r == 0 && made)
		r = sync_dir(d->root_fd, top);
	if (r == 0 && made_top && fsync(d->root_fd) < 0)
		r = -errno;
	return r;
}

static int
write_new(struct cas_dir *d, const struct cas_source *src, char hex[], struct err *err)
{
	CLEANUP(closep) int fd = -1;
	char temp[4 + STORE_ID_MAX] = "tmp/";
	struct place p;
	int r;

	r = make_dir(d->root_fd, "tmp");
	if (r >= 0)
		r = store_new_id(temp + 4);
	if (r < 0)
		return fail_write(d, -r, "prepare", "tmp", err);
	fd = openat(d->root_fd, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail_write(d, errno, "create", temp, err);
	r = copy_out(src, fd, hex);
	if (r == 0) {
		p = place_of(hex);
		r = put_on_shelf(d, temp, &p);
	}
	if (r < 0) {
		(void)unlinkat(d->root_fd, temp,
		    0); /* gone already if it was renamed */
		return fail_write(d, -r, "write", temp, err);
	}
	return 0;
}

static int
dir_put(struct cas *cas, const struct cas_source *src, char hex[], struct err *err)
{
	struct cas_dir *d = (struct cas_dir *)cas;
	struct place p;
	uint64_t len;
	int r;

	r = open_root(d, true, err);
	if (r < 0)
		return r;
	r = cas_source_digest(src, hex, &len);
	if (r < 0)
		return err_set(err, r, "read of the value: %s", strerror(-r));
	p = place_of(hex);
	if (is_there(d, &p, hex, len))
		return 0;
	r = write_new(d, src, hex, err);
	if (r == -EAGAIN) { /* it may be another directory when it is tried again */
		(void)close(d->root_fd);
		d->root_fd = -1;
	}
	return r;
}

/* ---- reading ---- */

static int
open_file(struct cas_dir *d, const char *hex, int *fd, struct err *err)
{
	struct place p = place_of(hex);
	int r;

	r = open_root(d, false, err);
	if (r < 0)
		return r;
	*fd = openat(d->root_fd, p.file, O_RDONLY | O_CLOEXEC);
	return *fd < 0 ? fail(d, errno, "open", p.file, err) : 0;
}

static int
dir_size(struct cas *cas, const char *hex, uint64_t *size, struct err *err)
{
	struct cas_dir *d = (struct cas_dir *)cas;
	CLEANUP(closep) int fd = -1;
	struct stat st;
	int r;

	r = open_file(d, hex, &fd, err);
	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return fail(d, errno, "stat", hex, err);
	*size = (uint64_t)st.st_size;
	return 0;
}

static int
dir_read(struct cas *cas, const char *hex, cas_sink_fn *sink, void *arg,
    struct err *err)
{
	struct cas_dir *d = (struct cas_dir *)cas;
	CLEANUP(freep) char *piece = malloc(PIECE);
	CLEANUP(closep) int fd = -1;
	uint64_t at = 0;
	ssize_t n;
	int r;

	if (piece == NULL)
		return err_set(err, -ENOMEM, "no memory to read %s", hex);
	r = open_file(d, hex, &fd, err);
	if (r < 0)
		return r;
	while ((n = cas_source_read(&(struct cas_source){ .fd = fd }, piece, PIECE,
		    at)) > 0) {
		r = sink(arg, piece, (size_t)n);
		if (r < 0)
			return err_set(err, r, "copy of %s: %s", hex, strerror(-r));
		at += (uint64_t)n;
	}
	return n < 0 ? fail(d, (int)-n, "read", hex, err) : 0;
}

/* ---- sweeping ---- */

struct sweep {
	const struct cas_sweep *what;
	struct cas_swept *out;
};

typedef int entry_fn(struct sweep *s, int dir_fd, const char *name);

static DIR *
open_dir(int at, const char *name)
{
	CLEANUP(closep) int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (dir != NULL)
		(void)TAKE_FD(fd);
	return dir;
}

/* Calls fn for every entry whose name has that length. A directory that is not there
   has no entries. */
static int
for_each(struct sweep *s, int at, const char *name, size_t name_len, entry_fn *fn)
{
	CLEANUP(closedirp) DIR *dir = open_dir(at, name);
	struct dirent *e;
	int r = 0;

	if (dir == NULL)
		return errno == ENOENT ? 0 : -errno;
	while (r == 0 && (e = readdir(dir)) != NULL)
		if (strlen(e->d_name) == name_len && e->d_name[0] != '.')
			r = fn(s, dirfd(dir), e->d_name);
	return r;
}

static bool
is_older(int dir_fd, const char *name, uint64_t min_age_ms, uint64_t *bytes)
{
	struct stat st;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISREG(st.st_mode) || age_ms(&st) < min_age_ms)
		return false;
	*bytes = (uint64_t)st.st_size;
	return true;
}

static int
sweep_file(struct sweep *s, int dir_fd, const char *name)
{
	char id[CAS_ID_MAX];
	uint64_t bytes = 0;
	int r;

	(void)snprintf(id, sizeof(id), "sha256:%.64s", name);
	if (!cas_is_id(id) || !is_older(dir_fd, name, s->what->min_age_ms, &bytes))
		return 0;
	r = s->what->is_needed(s->what->arg, id);
	if (r != 0)
		return r < 0 ? r : 0;
	/* looked at once more: a put may have made it young meanwhile */
	if (!is_older(dir_fd, name, s->what->min_age_ms, &bytes))
		return 0;
	if (!s->what->is_dry_run && unlinkat(dir_fd, name, 0) < 0 && errno != ENOENT)
		return -errno;
	s->out->files++;
	s->out->bytes += bytes;
	return 0;
}

static int
sweep_shelf(struct sweep *s, int dir_fd, const char *name)
{
	return for_each(s, dir_fd, name, HEX_LEN, sweep_file);
}

static int
sweep_temp(struct sweep *s, int dir_fd, const char *name)
{
	uint64_t bytes;

	if (!s->what->is_dry_run && is_older(dir_fd, name, DAY_MS, &bytes))
		(void)unlinkat(dir_fd, name, 0); /* the next sweep tries again */
	return 0;
}

static int
dir_sweep(struct cas *cas, const struct cas_sweep *what, struct cas_swept *out,
    struct err *err)
{
	struct cas_dir *d = (struct cas_dir *)cas;
	struct sweep s = { what, out };
	char top[3];
	int r;

	r = open_root(d, false, err);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	(void)snprintf(top, sizeof(top), "%02x", what->shelf & 0xff);
	r = for_each(&s, d->root_fd, top, 2, sweep_shelf);
	if (r == 0 && what->shelf == 0)
		r = for_each(&s, d->root_fd, "tmp", STORE_ID_MAX - 1, sweep_temp);
	return r < 0 ? fail(d, -r, "sweep", "", err) : 0;
}

/* ---- birth and death ---- */

static void
dir_close(struct cas *cas)
{
	struct cas_dir *d = (struct cas_dir *)cas;

	if (d->root_fd >= 0)
		(void)close(d->root_fd);
	free(d->path);
	free(d);
}

static const struct cas_backend backend = {
	.name = "directory",
	.close = dir_close,
	.put = dir_put,
	.size = dir_size,
	.read = dir_read,
	.sweep = dir_sweep,
};

int
cas_dir_open(const char *dir, struct cas **out, struct err *err)
{
	struct cas_dir *d = calloc(1, sizeof(*d));

	if (d == NULL || (d->path = strdup(dir)) == NULL) {
		free(d);
		return err_set(err, -ENOMEM, "no memory for the content store");
	}
	d->base.backend = &backend;
	d->root_fd = -1;
	*out = &d->base;
	return 0;
}

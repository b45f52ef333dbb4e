/* SPDX-License-Identifier: MIT */
/*
 * generation.c - a configuration parted by role, its secrets in one locked region.
 *
 * Owns:   struct generation: the configuration without secrets, the region with them.
 * Called: at the start and at each reload.
 * Fails:  with what is wrong in the file, or for want of memory.
 *
 * The file is read in a forked process: its heap and stack, where the secrets pass through
 * a foreign parser and many copies, end with it. This process takes the parts straight
 * into the locked region.
 */
#include "config.h"

#include "supervisor/generation.h"

#include "supervisor/vault.h"

#include "common/exit_status.h"
#include "common/log.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* A configuration as it is handed over by who reads the file. */
struct image {
	uint32_t magic; /* IMAGE_MAGIC: complete */
	int32_t code;   /* 0, or negative errno with text */
	/* the parts of the roles, one after the other, then what holds no secrets */
	uint64_t end[ROLE_COUNT], whole_end;
	char text[ERR_TEXT_MAX];
};

enum {
	IMAGE_MAGIC = 0x494d4731
};

/* The parts with secrets, then the configuration without; blanks those of conf. */
static int
write_image(struct image *image, struct buf *bytes, struct conf *conf)
{
	for (int role = 0; role < ROLE_COUNT; role++) {
		conf_write_role(bytes, conf, (enum role)role);
		image->end[role] = bytes->len;
	}
	conf_blank_secrets(conf);
	conf_write_all(bytes, conf);
	image->whole_end = bytes->len;
	return buf_status(bytes);
}

static int
fill(struct generation *g, const struct image *image, const char *bytes,
    struct err *err)
{
	size_t begin = 0;

	g->vault_len = image->end[ROLE_COUNT - 1] + 1;
	g->vault = vault_map(g->vault_len);
	if (g->vault == NULL)
		return err_set(err, -ENOMEM, "no memory for the configuration");
	memcpy(g->vault, bytes, g->vault_len - 1);
	for (int role = 0; role < ROLE_COUNT; role++) {
		g->part[role].text = g->vault + begin;
		g->part[role].len = image->end[role] - begin;
		begin = image->end[role];
	}
	return conf_read_role(bytes + begin, image->whole_end - begin, &g->conf, err);
}

/* Before any of its processes makes its sandbox. */
static void
look_at_files(struct generation *g)
{
	struct role_scope scope;

	role_scope(ROLE_WORKER, g->conf, &scope);
	watched_files_look(&g->files, &scope);
}

static int
make(const struct image *image, const char *bytes, const char *path, unsigned number,
    struct generation **out, struct err *err)
{
	CLEANUP(generation_freep) struct generation *g = calloc(1, sizeof(*g));
	int r;

	if (g != NULL)
		g->users = calloc(1, sizeof(*g->users));
	if (g == NULL || g->users == NULL)
		return err_set(err, -ENOMEM, "no memory for the configuration");
	*g->users = 1;
	g->number = number;
	r = fill(g, image, bytes, err);
	if (r < 0)
		return r;
	free(g->conf->path);
	g->conf->path = strdup(path);
	if (g->conf->path == NULL)
		return err_set(err, -ENOMEM, "no memory for the configuration");
	look_at_files(g);
	*out = TAKE_PTR(g);
	return 0;
}

int
generation_new(struct conf **conf, unsigned number, struct generation **out,
    struct err *err)
{
	CLEANUP(conf_freep) struct conf *taken = TAKE_PTR(*conf);
	CLEANUP_BUF struct buf bytes = BUF_INIT;
	struct image image = { .magic = IMAGE_MAGIC };
	int r = write_image(&image, &bytes, taken);

	r = r < 0 ? err_set(err, r, "no memory for the configuration")
		  : make(&image, bytes.data, taken->path, number, out, err);
	if (bytes.data != NULL)
		explicit_bzero(bytes.data, bytes.len);
	return r;
}

/* ---- reading in a process of its own ---- */

static void
write_at(int fd, const void *bytes, size_t n, off_t at)
{
	while (n > 0) {
		ssize_t done = pwrite(fd, bytes, n, at);

		if (done <= 0)
			_exit(EXIT_STATUS_FAILURE);
		bytes = (const char *)bytes + done;
		at += done;
		n -= (size_t)done;
	}
}

__attribute__((noreturn)) static void
read_and_hand_over(const char *path, int fd)
{
	static struct image image;
	struct buf bytes = BUF_INIT;
	struct conf *conf = NULL;
	struct err err = ERR_INIT;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	image.code = conf_load(path, &conf, &err);
	if (image.code == 0)
		image.code = write_image(&image, &bytes, conf);
	(void)snprintf(image.text, sizeof(image.text), "%s",
	    image.code < 0 ? err_text(&err) : "");
	if (image.code == 0)
		write_at(fd, bytes.data, bytes.len, sizeof(image));
	image.magic = IMAGE_MAGIC;
	write_at(fd, &image, sizeof(image), 0);
	_exit(EXIT_STATUS_OK);
}

static bool
is_sound(const struct image *image, uint64_t size)
{
	uint64_t begin = 0;

	for (int role = 0; role < ROLE_COUNT; role++) {
		if (image->end[role] < begin)
			return false;
		begin = image->end[role];
	}
	return begin <= image->whole_end && image->whole_end <= size - sizeof(*image);
}

static int
take_over(int fd, const char *path, unsigned number, struct generation **out,
    struct err *err)
{
	struct image image = { .magic = 0 };
	struct stat st;
	char *at;
	int r;

	if (fstat(fd, &st) < 0 ||
	    pread(fd, &image, sizeof(image), 0) != (ssize_t)sizeof(image) ||
	    image.magic != IMAGE_MAGIC)
		return err_set(err, -EIO, "%s: reading it ended unexpectedly", path);
	image.text[sizeof(image.text) - 1] = '\0';
	if (image.code < 0)
		return err_set(err, image.code, "%s", image.text);
	if (!is_sound(&image, (uint64_t)st.st_size))
		return err_set(err, -EPROTO, "%s: what was read makes no sense", path);
	at = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return err_set(err, -errno, "%s: %s", path, strerror(errno));
	r = make(&image, at + sizeof(image), path, number, out, err);
	explicit_bzero(at, (size_t)st.st_size);
	(void)munmap(at, (size_t)st.st_size);
	return r;
}

int
generation_load(const char *path, unsigned number, struct generation **out,
    struct err *err)
{
	CLEANUP(closep) int fd = memfd_create("configuration", MFD_CLOEXEC);
	pid_t pid;

	if (fd < 0)
		return err_set(err, -errno, "memfd: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		return err_set(err, -errno, "fork: %s", strerror(errno));
	if (pid == 0)
		read_and_hand_over(path, fd);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return take_over(fd, path, number, out, err);
}

struct generation *
generation_again(const struct generation *old, unsigned number)
{
	struct generation *g = malloc(sizeof(*g));

	if (g == NULL)
		return NULL;
	*g = *old;
	g->number = number;
	g->is_retiring = false;
	(*g->users)++;
	look_at_files(g);
	return g;
}

void
generation_free(struct generation *g)
{
	if (g == NULL)
		return;
	if (g->users != NULL && --*g->users > 0) {
		free(g);
		return;
	}
	free(g->users);
	vault_unmap(g->vault, g->vault_len);
	conf_free(g->conf);
	free(g);
}

void
generation_freep(struct generation **g)
{
	generation_free(*g);
}

void
generation_warn(const struct generation *g)
{
	for (size_t i = 0; i < g->conf->warnings.n; i++)
		log_warning("%s", g->conf->warnings.v[i]);
}

/* What conf no longer holds. The check's part is left out: it says in which lines
   settings stand, which changes nothing. */
static bool
secrets_differ(const struct generation *a, const struct generation *b)
{
	for (int role = 0; role < ROLE_COUNT; role++)
		if (role != ROLE_CHECK &&
		    (a->part[role].len != b->part[role].len ||
			memcmp(a->part[role].text, b->part[role].text,
			    a->part[role].len) != 0))
			return true;
	return false;
}

int
generation_compare(const struct generation *old_one, const struct generation *new_one,
    struct buf *changes, struct err *err)
{
	int r = conf_compare(old_one->conf, new_one->conf, changes, err);

	if (r != 0 || !secrets_differ(old_one, new_one))
		return r;
	buf_adds(changes, "a secret");
	return 1;
}

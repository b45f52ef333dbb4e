/* SPDX-License-Identifier: MIT */
/*
 * landlock.c - which files and TCP ports stay reachable, where the kernel knows
 * Landlock.
 *
 * Owns:   the rule set while it is built.
 * Called: by role_sandbox, before the system-call filter and before any thread.
 * Fails:  1 when the kernel has no Landlock (a warning), negative errno when a rule
 * that the kernel should know is refused.
 *
 * The header of Debian 12 ends at the second version of the interface, so the
 * structures and bits of later ones are spelt out here. Unknown bits are refused by the
 * kernel: every mask is cut to what its version knows.
 */
#include "config.h"

#include "common/role/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum {
	NR_CREATE = 444,
	NR_ADD_RULE = 445,
	NR_RESTRICT = 446,
	RULE_PATH = 1,
	RULE_PORT = 2,
	VERSION_FLAG = 1,
	NET_BIND = 1,
	NET_CONNECT = 2,
	SCOPE_ALL = 3, /* abstract sockets, signals */
	NET_SINCE = 4,
	SCOPE_SINCE = 6
};

enum {
	FS_WRITE_FILE = 1 << 1,
	FS_READ_FILE = 1 << 2,
	FS_READ_DIR = 1 << 3,
	FS_TRUNCATE = 1 << 14,
	FS_IOCTL_DEV = 1 << 15,
	FS_EXECUTE = 1 << 0,
	FS_ON_FILES =
	    FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV,
	FS_READ = FS_READ_FILE | FS_READ_DIR,
	/* no execution, no device control, no special files (bits 6, 9, 10, 11) */
	FS_WRITE = 0x7fff & ~(FS_EXECUTE | 1 << 6 | 1 << 9 | 1 << 10 | 1 << 11)
};

struct ruleset_attr {
	uint64_t fs, net, scoped;
};

struct path_attr {
	uint64_t access;
	int32_t fd;
} __attribute__((packed));

struct port_attr {
	uint64_t access, port;
};

/* clang-format off */
static const struct sandbox_path network_paths[] = {
	{ "/etc/hosts", false },       { "/etc/resolv.conf", false },
	{ "/etc/nsswitch.conf", false }, { "/etc/host.conf", false },
	{ "/etc/gai.conf", false },    { "/etc/services", false },
	{ "/etc/protocols", false },   { "/etc/localtime", false },
	{ "/etc/ssl", false },         { "/etc/ca-certificates", false },
	{ "/usr/lib/ssl", false },     { "/usr/share/ca-certificates", false },
	{ "/usr/local/share/ca-certificates", false },
	{ "/usr/share/zoneinfo", false }, { "/run/systemd/resolve", false },
	{ "/dev/urandom", false },     { "/dev/random", false },
	/* a rule of its own, since libcurl keeps what it read: a new bundle is noticed */
	{ "/etc/ssl/certs/ca-certificates.crt", false },
	{ "/dev/null", true },
};
/* clang-format on */

const struct sandbox_path *
sandbox_network_paths(size_t *n)
{
	*n = ARRAY_LEN(network_paths);
	return network_paths;
}

static uint64_t
known_fs_bits(int version)
{
	static const unsigned bits[] = { 0, 13, 14, 15, 15, 16 };
	size_t i =
	    version < (int)ARRAY_LEN(bits) ? (size_t)version : ARRAY_LEN(bits) - 1;

	return (1ULL << bits[i]) - 1;
}

static int
add_path(int ruleset, const struct sandbox_path *p, uint64_t known)
{
	CLEANUP(closep) int fd = open(p->path, O_PATH | O_CLOEXEC);
	struct path_attr attr = { .access = p->is_writable ? FS_WRITE : FS_READ,
		.fd = fd };
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return 0; /* what is not there needs no leave */
	if (!S_ISDIR(st.st_mode))
		attr.access &= FS_ON_FILES;
	attr.access &= known;
	if (syscall(NR_ADD_RULE, ruleset, RULE_PATH, &attr, 0) < 0)
		return -errno;
	return 0;
}

static int
add_port(int ruleset, uint16_t port)
{
	struct port_attr attr = { .access = NET_CONNECT, .port = port };

	return syscall(NR_ADD_RULE, ruleset, RULE_PORT, &attr, 0) < 0 ? -errno : 0;
}

static int
make_ruleset(int version, bool rules_connect)
{
	struct ruleset_attr attr = { .fs = known_fs_bits(version) };
	size_t size = sizeof(attr.fs);
	long fd;

	if (version >= NET_SINCE) {
		attr.net = NET_BIND | (rules_connect ? (uint64_t)NET_CONNECT : 0);
		size = 2 * sizeof(uint64_t);
	}
	if (version >= SCOPE_SINCE) {
		attr.scoped = SCOPE_ALL;
		size = sizeof(attr);
	}
	fd = syscall(NR_CREATE, &attr, size, 0);
	return fd < 0 ? -errno : (int)fd;
}

static int
add_all(int ruleset, const struct sandbox_scope *scope, int version, struct err *err)
{
	for (size_t i = 0; i < scope->n_paths; i++) {
		int r = add_path(ruleset, &scope->paths[i], known_fs_bits(version));

		if (r < 0)
			return err_set(err, r, "sandbox: Landlock rule for %s: %s",
			    scope->paths[i].path, strerror(-r));
	}
	if (!scope->rules_connect || version < NET_SINCE)
		return 0;
	for (size_t i = 0; i < scope->n_ports; i++) {
		int r = add_port(ruleset, scope->ports[i]);

		if (r < 0)
			return err_set(err, r, "sandbox: Landlock rule for port %u: %s",
			    scope->ports[i], strerror(-r));
	}
	return 0;
}

static int landlock;

int
sandbox_landlock(void)
{
	return landlock;
}

const char *
sandbox_lacks(int version)
{
	if (version <= 0)
		return "files, TCP ports, signals and abstract sockets are not ruled";
	if (version < NET_SINCE)
		return "TCP ports, signals and abstract sockets are not ruled";
	if (version < SCOPE_SINCE)
		return "signals and abstract sockets are not ruled";
	return NULL;
}

int
sandbox_scope(const struct sandbox_scope *scope, struct err *err)
{
	long version = syscall(NR_CREATE, NULL, 0, VERSION_FLAG);
	CLEANUP(closep) int ruleset = -1;
	int r;

	landlock = version > 0 ? (int)version : version < 0 ? -errno : -ENOSYS;
	if (landlock < 0) {
		(void)err_set(err, landlock,
		    "sandbox: this kernel has no Landlock (%s)", strerror(-landlock));
		return 1;
	}
	ruleset = make_ruleset((int)version, scope->rules_connect);
	if (ruleset < 0)
		return err_set(err, ruleset, "sandbox: Landlock rule set: %s",
		    strerror(-ruleset));
	r = add_all(ruleset, scope, (int)version, err);
	if (r < 0)
		return r;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    syscall(NR_RESTRICT, ruleset, 0) < 0)
		return err_set(err, -errno, "sandbox: Landlock: %s", strerror(errno));
	return 0;
}

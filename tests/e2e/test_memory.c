/* SPDX-License-Identifier: MIT */
/*
 * test_memory.c - which secrets stand in the memory of which process of a daemon that
 * has worked: each where it is needed, none elsewhere.
 *
 * Secrets are drawn at random for each run. Every process is stopped for the look, and
 * everything that it has mapped is searched, for each secret in the forms in which it
 * travels. What a role must hold must be found: so a search that finds nothing at all
 * fails. The supervisor may hold secrets in its locked region alone.
 *
 * Only root can look into these processes, since they are not dumpable; for another
 * user that very fact is what is tested.
 */
#include "config.h"

#include "tests/e2e/e2e.h"

#include "tests/support/http_client.h"
#include "tests/support/postgres_server.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(memory, .timeout = 300);

enum {
	SECRET_LEN = 48,
	FORMS = 3,
	BLOCK = 1 << 20
};

enum secret {
	HTTP_TOKEN,
	REDIS_PASSWORD,
	DATABASE_PASSWORD,
	LLM_KEY,
	PROFILE_VALUE,
	PROFILE_TOKEN,
	PROFILE_PASSWORD,
	SECRET_COUNT
};

static const char *const secret_names[SECRET_COUNT] = { "http.token",
	"password of redis.url", "password of database.url", "llm api_key",
	"value of a profile", "token of a profile", "password of a profile" };

#define S(name) (1u << (name))

/* clang-format off */
static const struct {
	const char *role;
	unsigned holds; /* and nothing else */
	bool in_vault_only;
} roles[] = {
	{ "gateway", S(HTTP_TOKEN) | S(REDIS_PASSWORD), false },
	{ "scheduler", S(REDIS_PASSWORD), false },
	{ "fetch", S(PROFILE_VALUE) | S(PROFILE_TOKEN) | S(PROFILE_PASSWORD), false },
	{ "compute", 0, false },
	{ "jailed", 0, false }, /* children of compute */
	{ "worker", S(REDIS_PASSWORD) | S(DATABASE_PASSWORD) | S(LLM_KEY), false },
	{ "supervisor", S(SECRET_COUNT) - 1, true },
};
/* clang-format on */

static char secrets[SECRET_COUNT][SECRET_LEN + 1];
static char forms[SECRET_COUNT][FORMS][2 * SECRET_LEN + 1];

/* ---- forms ---- */

static void
write_base64(char *out, const char *before, const char *text)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char whole[96];
	size_t n = (size_t)snprintf(whole, sizeof(whole), "%s%s", before, text) / 3 * 3;

	for (size_t i = 0; i < n; i += 3) {
		unsigned v = (unsigned)(unsigned char)whole[i] << 16 |
		    (unsigned)(unsigned char)whole[i + 1] << 8 |
		    (unsigned)(unsigned char)whole[i + 2];

		for (int shift = 18; shift >= 0; shift -= 6)
			*out++ = digits[v >> shift & 63];
	}
	*out = '\0';
}

static void
draw_secrets(void)
{
	for (int s = 0; s < SECRET_COUNT; s++) {
		unsigned char raw[SECRET_LEN];

		cr_assert_eq(getrandom(raw, sizeof(raw), 0), sizeof(raw));
		for (int i = 0; i < SECRET_LEN; i++)
			secrets[s][i] = (char)('a' + raw[i] % 26);
		/* a part is enough to be found, and beginnings may be overwritten by
		   the allocator */
		(void)snprintf(forms[s][0], sizeof(forms[s][0]), "%s", secrets[s] + 16);
		write_base64(forms[s][1], "", secrets[s]);
		write_base64(forms[s][2], "user:", secrets[s]);
	}
}

/* ---- looking ---- */

struct look {
	unsigned found, outside_vault; /* bits */
	uint64_t bytes;
	bool has_vault;
	char place[128]; /* the last mapping outside of the vault with a secret */
};

static unsigned
secrets_in(const char *block, size_t n)
{
	unsigned found = 0;

	for (int s = 0; s < SECRET_COUNT; s++)
		for (int f = 0; f < FORMS; f++)
			if (memmem(block, n, forms[s][f], strlen(forms[s][f])) != NULL)
				found |= S(s);
	return found;
}

/* Blocks overlap by more than a form's length. */
static void
look_at_mapping(struct look *l, int fd, uint64_t from, uint64_t to, bool is_vault,
    const char *name)
{
	static char block[BLOCK + 256];

	for (uint64_t at = from; at < to; at += BLOCK) {
		size_t want =
		    to - at < sizeof(block) ? (size_t)(to - at) : sizeof(block);
		ssize_t n = pread(fd, block, want, (off_t)at);
		unsigned found;

		if (n <= 0)
			continue; /* guard pages, [vvar] */
		l->bytes += (uint64_t)n;
		found = secrets_in(block, (size_t)n);
		l->found |= found;
		if (is_vault || found == 0)
			continue;
		l->outside_vault |= found;
		(void)snprintf(l->place, sizeof(l->place), "%.100s", name);
	}
}

/* Locked, and left out of dumps. */
static bool
is_vault(const char *flags)
{
	return strstr(flags, " lo") != NULL && strstr(flags, " dd") != NULL;
}

static struct look
look_at(pid_t pid)
{
	struct look l = { 0 };
	char path[64], line[512], name[512] = "";
	uint64_t from = 0, to = 0, a, b;
	CLEANUP(fclosep) FILE *maps = NULL;
	CLEANUP(closep) int fd = -1;

	(void)snprintf(path, sizeof(path), "/proc/%ld/mem", (long)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	(void)snprintf(path, sizeof(path), "/proc/%ld/smaps", (long)pid);
	maps = fopen(path, "re");
	cr_assert(fd >= 0 && maps != NULL, "process %ld: %s", (long)pid,
	    strerror(errno));
	while (fgets(line, sizeof(line), maps) != NULL) {
		if (sscanf(line, "%lx-%lx ", &a, &b) == 2) {
			from = a;
			to = b;
			(void)snprintf(name, sizeof(name), "%s", line);
		} else if (strncmp(line, "VmFlags:", 8) == 0) {
			l.has_vault |= is_vault(line);
			look_at_mapping(&l, fd, from, to, is_vault(line), name);
		}
	}
	return l;
}

static void
name_all(struct buf *out, unsigned bits)
{
	for (int s = 0; s < SECRET_COUNT; s++)
		if ((bits & S(s)) != 0)
			buf_addf(out, "%s%s", out->len > 0 ? ", " : "",
			    secret_names[s]);
}

static void
expect_holds(const char *role, pid_t pid)
{
	CLEANUP_BUF struct buf extra = BUF_INIT, missing = BUF_INIT, loose = BUF_INIT;
	struct look l;
	size_t i = 0;

	while (i < ARRAY_LEN(roles) && strcmp(roles[i].role, role) != 0)
		i++;
	cr_assert(i < ARRAY_LEN(roles), "no rule for the role %s", role);
	(void)kill(pid, SIGSTOP);
	l = look_at(pid);
	(void)kill(pid, SIGCONT);
	name_all(&extra, l.found & ~roles[i].holds);
	name_all(&missing, roles[i].holds & ~l.found);
	cr_expect_eq(extra.len, 0, "%s[%ld] must not hold: %s (%s)", role, (long)pid,
	    buf_str(&extra), l.place);
	cr_expect_eq(missing.len, 0, "not found in %s[%ld]: %s", role, (long)pid,
	    buf_str(&missing));
	cr_expect_gt(l.bytes, 100000, "%s[%ld]: only %lu bytes could be read", role,
	    (long)pid, l.bytes);
	if (!roles[i].in_vault_only)
		return;
	name_all(&loose, l.outside_vault);
	cr_expect(l.has_vault, "%s[%ld] has no locked region", role, (long)pid);
	cr_expect_eq(loose.len, 0,
	    "%s[%ld] holds outside of its locked region: %s (%s)", role, (long)pid,
	    buf_str(&loose), l.place);
}

/* ---- the daemon at work ---- */

static void
plant(struct harness *h)
{
	static char variable[128];
	const char *api = harness_data_api(h) + strlen("http://");
	redisReply *reply = harness_redis(h, "ACL SETUSER ar on >%s ~* &* +@all",
	    secrets[REDIS_PASSWORD]);

	cr_assert(reply != NULL && reply->type != REDIS_REPLY_ERROR);
	freeReplyObject(reply);
	harness_set(h, "redis.url", "\"unix://%s?user=ar&password=%s\"",
	    harness_redis_socket(h), secrets[REDIS_PASSWORD]);
	harness_set(h, "database.url", "\"%s%cpassword=%s\"", harness_database_url(h),
	    strchr(harness_database_url(h), '?') != NULL ? '&' : '?',
	    secrets[DATABASE_PASSWORD]);
	(void)snprintf(variable, sizeof(variable), "PLANTED_KEY=%s", secrets[LLM_KEY]);
	harness_env(h, variable);
	harness_set(h, "http.token", "\"%s\"", secrets[HTTP_TOKEN]);
	harness_set(h, "llm.providers",
	    "( { name = \"stub\"; base_url = \"http://%s/v1\"; api_key = "
	    "\"${PLANTED_KEY}\"; model = \"m\"; timeout_sec = 30; } )",
	    harness_llm_address(h));
	harness_set(h, "auth_profiles",
	    "{ a = { type = \"api_key\"; header = \"X-Key\"; value = \"%s\"; hosts = ( "
	    "\"127.0.0.1\" ); }; b = { type = \"bearer\"; token = \"%s\"; hosts = ( "
	    "\"127.0.0.1\" ); }; c = { type = \"basic\"; username = \"user\"; password = "
	    "\"%s\"; hosts = ( \"127.0.0.1\" ); }; }",
	    secrets[PROFILE_VALUE], secrets[PROFILE_TOKEN], secrets[PROFILE_PASSWORD]);
	harness_set(h, "network.allow_private", "( \"%s\" )", api);
}

/* A job for each profile, a plain one whose jailed child stays, and one that runs jq. */
static void
work(struct harness *h)
{
	static const char *const profiles[] = { "a", "b", "c" };
	CLEANUP_BUF struct buf text = BUF_INIT;

	buf_adds(&text, "{\"rules\":[");
	for (size_t i = 0; i < ARRAY_LEN(profiles); i++)
		buf_addf(&text,
		    "{\"when\":{\"prompt_contains\":\"#%s#\",\"turn\":0},\"reply\":{"
		    "\"tool_calls\":[{\"name\":\"execute_pipeline\",\"arguments\":{\"session_id\":"
		    "\"s\",\"pipeline\":[{\"step\":\"http_request\",\"url\":\"%s/orders\","
		    "\"auth_profile\":\"%s\"},{\"step\":\"%s\"}]}}]}},",
		    profiles[i], harness_data_api(h), profiles[i],
		    i == 0 ? "jq_transform\",\"query\":\"."
			   : "top_k\",\"k\":3,\"field\":\"id\",\"order\":\"asc");
	buf_adds(&text, "{\"reply\":{\"content\":\"that is all\"}}]}");
	harness_llm_script(h, buf_str(&text));
	for (int round = 0; round < 3; round++)
		for (size_t i = 0; i < ARRAY_LEN(profiles); i++) {
			char id[32], prompt[64];

			(void)snprintf(id, sizeof(id), "job-%d-%s", round, profiles[i]);
			(void)snprintf(prompt, sizeof(prompt), "show the data of #%s#",
			    profiles[i]);
			harness_push_job(h, id, prompt,
			    ",\"workflow_owner\":\"somebody\"");
			(void)harness_expect(h, id, "completed");
		}
}

static void
ask_gateway(struct harness *h)
{
	char header[128];
	struct http_client_request rq = { .address = harness_http_address(h),
		.target = "/metrics",
		.headers = header };

	(void)snprintf(header, sizeof(header), "Authorization: Bearer %s\r\n",
	    secrets[HTTP_TOKEN]);
	cr_expect_eq(http_client(&rq, NULL, NULL, NULL), 200);
}

static void
look_at_all(struct harness *h, unsigned *n_jailed)
{
	struct process list[PROCESSES_MAX];
	size_t n = processes_below(harness_proc(h)->pid, list);
	pid_t compute = 0;

	*n_jailed = 0;
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i].role, "compute") == 0 &&
		    list[i].parent == harness_proc(h)->pid)
			compute = list[i].pid;
	cr_expect_gt(n, 5);
	for (size_t i = 0; i < n; i++) {
		bool is_jailed = compute != 0 && list[i].parent == compute;

		*n_jailed += is_jailed;
		if (process_lives(&list[i]))
			expect_holds(is_jailed ? "jailed" : list[i].role, list[i].pid);
	}
	expect_holds("supervisor", harness_proc(h)->pid);
}

static struct harness *
start(bool as_user)
{
	struct harness *h = e2e_new();

	draw_secrets();
	harness_use_postgres(h);
	if (as_user)
		harness_unprivileged(h);
	harness_servers(h);
	plant(h);
	harness_write_conf(h);
	harness_daemon(h);
	return h;
}

Test(memory, holds_each_secret_where_it_is_needed_and_nowhere_else)
{
	unsigned n_jailed = 0;
	struct harness *h;

#ifdef WITH_SANITIZERS
	cr_skip_test(
	    "THE MEMORY SCAN DID NOT RUN: the sanitizers map terabytes, and keep "
	    "what was freed");
#endif
	if (geteuid() != 0)
		cr_skip_test("THE MEMORY SCAN DID NOT RUN: only root can look into "
			     "processes that are not dumpable");
	if (!postgres_server_is_installed())
		cr_skip_test("PostgreSQL is not installed");
	h = start(false);
	ask_gateway(h);
	work(h);
	look_at_all(h, &n_jailed);
	cr_expect_gt(n_jailed, 0, "no jailed child was there to be looked at");
	/* a second configuration in memory, and the first one's leavings */
	harness_set(h, "limits.max_turns", "9");
	harness_write_conf(h);
	harness_signal(h, SIGHUP);
	harness_wait_log(h, "generation 2 is in use");
	harness_push_job(h, "after", "show the data of #b#",
	    ",\"workflow_owner\":\"somebody\"");
	(void)harness_expect(h, "after", "completed");
	look_at_all(h, &n_jailed);
	harness_stop(h);
	harness_free(h);
}

/* As the user that the daemon runs as: 0 when the file cannot be opened. */
static int
try_to_open(const char *path)
{
	const struct passwd *pw = getpwnam("nobody");
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		if (pw == NULL || setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) < 0)
			_exit(2);
		_exit(open(path, O_RDONLY) >= 0);
	}
	cr_assert(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* A neighbour that was taken over has the same user, and no other wall than this one
   when the kernel has no Landlock. */
Test(memory, is_closed_to_the_users_own_processes)
{
	static const char *const files[] = { "mem", "environ", "maps", "auxv" };
	struct harness *h;
	struct process list[PROCESSES_MAX];
	size_t n;

	if (geteuid() != 0)
		cr_skip_test("needs root, to become the daemon's user");
	if (!postgres_server_is_installed())
		cr_skip_test("PostgreSQL is not installed");
	h = start(true);
	n = processes_below(harness_proc(h)->pid, list);
	cr_assert(n > 5 && n < PROCESSES_MAX);
	list[n++].pid = harness_proc(h)->pid;
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < ARRAY_LEN(files); k++) {
			char path[64];

			(void)snprintf(path, sizeof(path), "/proc/%ld/%s",
			    (long)list[i].pid, files[k]);
			cr_expect_eq(try_to_open(path), 0, "%s of %s", path,
			    list[i].role);
		}
	harness_stop(h);
	harness_free(h);
}

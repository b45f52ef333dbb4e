#!/bin/sh
# test_service_init.sh - what `make install` puts down, started by its own init script:
# each action's exit status with the real roles. Runs in the build directory.
set -u

dir=$(mktemp -d /tmp/service-init-XXXXXX) || exit 99
chmod 755 "$dir"
root=$dir/root
pidfile=$dir/run/agent-runnerd.pid
failed=0

clean_up() {
	if [ -r "$pidfile" ] && grep -q agent-runnerd "/proc/$(cat "$pidfile")/cmdline"; then
		kill -KILL "$(cat "$pidfile")"
	fi 2>/dev/null
	rm -rf "$dir"
}
trap clean_up EXIT

if [ ! -x /usr/bin/redis-server ]; then
	echo "redis-server is not installed" >&2
	exit 77
fi
# Without the make that runs us: its jobs and its overrides are not for this one.
if ! env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -s install DESTDIR="$root" \
	>"$dir/install.out" 2>&1; then
	cat "$dir/install.out"
	exit 1
fi
find_one() {
	find "$root" -path "*/$1" -type f | sed -n 1p
}
daemon=$(find_one sbin/agent-runnerd)
ctl=$(find_one bin/agentctl)
script=$(find_one init.d/agent-runner)
for program in "$daemon" "$ctl" "$script"; do
	if [ ! -x "$program" ]; then
		echo "FAIL: make install left something out: daemon $daemon, ctl $ctl, script $script"
		exit 1
	fi
done
sh -n "$script" || failed=1

configure() { # further settings of the service group
	cat > "$dir/agent-runner.conf" <<EOF
service: { workers = 1; user = "nobody"; compute_user = "daemon"; run_dir = "$dir/run";
           state_dir = "$dir/state"; shutdown_grace_sec = 2;
           log: { target = "file:$dir/service.log"; }; $1 };
http: { listen = ""; };
EOF
}

cat > "$dir/defaults" <<EOF
DAEMON=$daemon
CONF=$dir/agent-runner.conf
PIDFILE=$pidfile
STOP_WAIT_SEC=20
EOF
export AGENT_RUNNER_DEFAULTS="$dir/defaults"

expect() { # claim, wanted status, action
	sh "$script" "$3" >"$dir/out" 2>&1
	got=$?
	if [ "$got" -ne "$2" ]; then
		echo "FAIL: $1: '$3' gave $got, wanted $2"
		sed 's/^/    /' "$dir/out"
		[ -r "$dir/service.log" ] && tail -n 20 "$dir/service.log" | sed 's/^/    /'
		failed=1
	else
		echo "ok: $1"
	fi
}

check() { # claim, status of the condition before
	if [ "$2" -eq 0 ]; then
		echo "ok: $1"
	else
		echo "FAIL: $1"
		failed=1
	fi
}

configure ""
expect "not running before the start" 3 status
expect "a reload of nothing is refused" 7 reload
expect "it starts from the installed tree" 0 start
expect "it runs" 0 status
first=$(cat "$pidfile")
expect "a second start is no failure" 0 start
[ "$first" = "$(cat "$pidfile")" ]
check "and starts nothing" $?
"$ctl" -c "$dir/agent-runner.conf" status >"$dir/out" 2>&1
check "agentctl from the tree reaches it" $?
readlink "/proc/$(pgrep -P "$first" -f 'role scheduler')/exe" | grep -q "^$root"
check "the roles are those of the tree" $?
configure "max_jobs = 7;"
expect "it reloads" 0 reload
[ "$first" = "$(cat "$pidfile")" ]
check "a reload keeps the process" $?
configure "nonsense = 1;"
expect "a refused configuration is not reloaded" 6 reload
grep -q "agent-runner.conf:3: service.nonsense: unknown option" "$dir/out"
check "the script shows what is wrong with it" $?
expect "nor restarted into" 6 restart
configure ""
expect "it restarts" 0 restart
[ "$first" != "$(cat "$pidfile")" ]
check "as another process" $?
expect "it stops" 0 stop
expect "it is stopped" 3 status
expect "a stop of the stopped is fine" 0 stop
expect "it starts again" 0 start
kill -KILL "$(cat "$pidfile")"
i=0
while [ -d "/proc/$(cat "$pidfile")" ] && [ "$i" -lt 100 ]; do
	sleep 0.1
	i=$((i + 1))
done
expect "a killed daemon is dead with a pid file" 1 status
expect "a start takes over what it left" 0 start
expect "it runs again" 0 status
expect "it stops again" 0 stop
configure "user = \"root\";"
sed -i 's/user = "nobody"; //' "$dir/agent-runner.conf"
if [ "$(id -u)" -eq 0 ]; then
	expect "a start as root's own user is refused" 1 start
	grep -q '"root" is root' "$dir/out"
	check "and says so" $?
fi
expect "nothing runs" 3 status
exit "$failed"

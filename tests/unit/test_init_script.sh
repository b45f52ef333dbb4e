#!/bin/sh
# test_init_script.sh - the LSB init script, with the real daemon over fake roles: each
# action's effect and exit status. Runs in the build directory.
set -u

dir=$(mktemp -d /tmp/init-test-XXXXXX) || exit 99
chmod 755 "$dir"
script=etc/agent-runner.init
pidfile=$dir/run/agent-runnerd.pid
failed=0

clean_up() {
	if [ -r "$pidfile" ] && grep -q agent-runnerd "/proc/$(cat "$pidfile")/cmdline"; then
		kill -KILL "$(cat "$pidfile")"
	fi 2>/dev/null
	rm -rf "$dir"
}
trap clean_up EXIT

for program in agent-runnerd fake_role "$script"; do
	if [ ! -x "$program" ]; then
		echo "$program is not built" >&2
		exit 77
	fi
done
cp agent-runnerd "$dir/"
for role in worker gateway scheduler fetch compute; do
	cp fake_role "$dir/agent-runner-$role"
done

configure() { # words for the fake roles, further settings
	cat > "$dir/agent-runner.conf" <<EOF
service: { name = "x $1"; workers = 1; user = "daemon"; compute_user = "nobody";
           run_dir = "$dir/run"; state_dir = "$dir/state"; shutdown_grace_sec = 2; $2 };
http: { listen = "127.0.0.1:0"; };
redis: { url = "unix:///nowhere"; };
EOF
}

cat > "$dir/defaults" <<EOF
DAEMON=$dir/agent-runnerd
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
		failed=1
	else
		echo "ok: $1"
	fi
}

same() { # claim, one, other
	if [ "$2" = "$3" ]; then
		echo "ok: $1"
	else
		echo "FAIL: $1: $2, $3"
		failed=1
	fi
}

configure "" ""
expect "not running before the start" 3 status
expect "a stop of nothing is fine" 0 stop
expect "a reload of nothing is not" 7 reload
expect "it starts" 0 start
expect "it runs" 0 status
first=$(cat "$pidfile")
expect "a second start changes nothing" 0 start
same "the process is the same" "$first" "$(cat "$pidfile")"
expect "it reloads" 0 reload
expect "force-reload is a reload" 0 force-reload
same "no reload changes the process" "$first" "$(cat "$pidfile")"
configure "check:refuse" ""
expect "a refused configuration is not reloaded" 6 reload
expect "nor is the service stopped for it" 6 restart
expect "it still runs" 0 status
configure "" ""
expect "it restarts" 0 restart
[ "$first" != "$(cat "$pidfile")" ] || { echo "FAIL: restart kept the process"; failed=1; }
expect "it stops" 0 stop
expect "it is stopped" 3 status
expect "try-restart starts nothing" 0 try-restart
expect "it is stopped still" 3 status
mkdir -p "$dir/run"
sleep 60 &
other=$!
echo "$other" > "$pidfile"
expect "a pid file of another process counts as dead" 1 status
expect "a start takes the stale file over" 0 start
kill -0 "$other" || { echo "FAIL: the other process was killed"; failed=1; }
kill "$other"
kill -KILL "$(cat "$pidfile")"
i=0
while [ -d "/proc/$(cat "$pidfile")" ] && [ "$i" -lt 50 ]; do
	sleep 0.1
	i=$((i + 1))
done
expect "a killed daemon is dead with a pid file" 1 status
expect "a stop of the dead is fine" 0 stop
rm -f "$pidfile"
configure "scheduler:refuse" ""
expect "a start that fails says so" 1 start
rm -f "$dir/agent-runner.conf"
expect "no configuration" 6 start
expect "an unknown action" 2 dance
exit "$failed"

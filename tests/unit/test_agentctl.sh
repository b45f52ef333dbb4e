#!/bin/sh
# SPDX-License-Identifier: MIT
# test_agentctl.sh - agentctl from outside: exit statuses, what it pushes, how it waits;
# against a private Redis and without a daemon. Skipped when there is no redis-server.
set -u

command -v redis-server > /dev/null && command -v redis-cli > /dev/null || exit 77

dir=$(mktemp -d)
failures=0
redis_pid=
trap '[ -z "$redis_pid" ] || kill "$redis_pid" 2> /dev/null; wait 2> /dev/null; rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM

redis-server --port 0 --unixsocket "$dir/redis.sock" --save '' --appendonly no \
	--dir "$dir" --logfile "$dir/redis.log" &
redis_pid=$!
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	redis-cli -s "$dir/redis.sock" ping > /dev/null 2>&1 && break
	sleep 0.1
done

cat > "$dir/conf" << END
service: { run_dir = "$dir"; state_dir = "$dir"; };
redis: { url = "unix://$dir/redis.sock"; };
END

ctl() {
	./agentctl -c "$dir/conf" "$@" > "$dir/out" 2> "$dir/err"
}

redis() {
	redis-cli -s "$dir/redis.sock" "$@"
}

fail() {
	echo "FAILED: $1"
	sed 's/^/  out: /' "$dir/out"
	sed 's/^/  err: /' "$dir/err"
	failures=$((failures + 1))
}

# claim, wanted status, arguments
expect() {
	claim=$1 want=$2
	shift 2
	ctl "$@"
	got=$?
	[ "$got" -eq "$want" ] || fail "$claim: status $got, not $want"
}

# file, text
expect_in() {
	grep -qF -- "$2" "$dir/$1" || fail "$claim: no '$2' in $1"
}

message() { # job id, status and more members
	printf '{"version":"1.0","job_id":"%s","status":%s}' "$1" "$2"
}

expect "help is a success" 0 --help
expect_in out "Usage: agentctl"
expect "an unknown command is wrong usage" 2 rnu
expect_in err "did you mean 'run'"
expect "a missing configuration has its own status" 78 -c "$dir/none" status
expect "a daemon that is away has its own status" 69 status
expect_in err "daemon is away"
expect_in out "queued"

expect "submit prints the id" 0 submit --job-id j1 --owner me --field n=1 --field t=x hello you
[ "$(cat "$dir/out")" = j1 ] || fail "submit prints the id and nothing else"
redis lrange agent:jobs 0 -1 > "$dir/out"
expect_in out '"job_id":"j1","prompt":"hello you","workflow_owner":"me"'
expect_in out '"n":1,"t":"x"'
expect "an id with control characters is wrong usage" 2 submit --job-id "$(printf 'a\tb')" hi
printf '%1100000s' x > "$dir/long"
ctl submit - < "$dir/long"
[ $? -eq 2 ] || fail "a prompt over the cap is wrong usage"

expect "a result that does not come has its own status" 4 wait --timeout 1 j1
expect_in err "agentctl wait j1"
expect "a job that the queue does not know, without a database" 69 job nobody
expect_in err "no database yet"
[ -e "$dir/agent-runner.db" ] && fail "looking makes no database"
expect "an agent that is not there is not found" 3 agents nobody
expect "cancelling a job that waits" 0 cancel j1
expect "a cancelled job is known" 0 job --json j1
expect_in out '"is_cancelled":true'

redis rpush agent:results:j2 "$(message j2 '"failed","error":{"type":"timeout","message":"too \u001b[31m slow","suggestions":["ask for less"]}')" > /dev/null
expect "a failed job fails the command" 1 wait j2
expect_in err "timeout: too"
expect_in err "hint: ask for less"
grep -q "$(printf '\033')" "$dir/err" && fail "escapes reach the terminal"
[ "$(redis llen agent:results:j2)" = 1 ] || fail "wait takes the message from its list"

redis rpush agent:results:j3 "$(message j3 '"completed","result_ref":"artifact://x","result_preview":{"type":"text","text":"hi"}')" > /dev/null
expect "a result whose value cannot be read shows its preview" 69 run --job-id j3 hi
expect_in out '"text": "hi"'
[ "$(redis llen agent:results:j3)" = 0 ] || fail "run leaves the message on its list"

expect "no dead letters" 0 dead list --json
[ "$(cat "$dir/out")" = "[]" ] || fail "no dead letters is an empty list"
expect "a letter that is not there is not found" 3 dead show nothing
expect "dead retry wants names or --all" 2 dead retry
redis lpush agent:dead '{"job_id":"d1","reason":"crashed","detail":"signal 11","at_ms":1700000000000,"encoding":"utf-8","payload":"{\"job_id\":\"d1\",\"prompt\":\"x\"}"}' > /dev/null
expect "a dead letter is shown" 0 dead show d1
expect_in out "signal 11"
expect "a dead letter is queued again" 0 dead retry d1
[ "$(redis llen agent:dead)" = 0 ] || fail "a retried letter leaves the list"

expect "intent needs no server" 0 intent always notify admin
expect_in out "patch 0."

expect "a pipeline that cannot be is told before anything runs" 1 pipeline --json - << 'END'
[{"step":"tablesort"}]
END
expect_in out '"type":"invalid_step"'
printf 'name,price\na,3\nb,1\nc,2\n' > "$dir/rows.csv"
expect "a pipeline runs here, in a jail of its own" 0 pipeline --json --input "$dir/rows.csv" - << 'END'
[{"step":"top_k","field":"price","order":"asc","k":2},{"step":"jq_transform","query":"map(.name)"}]
END
expect_in out '"data":["b","c"]'

# The shell is offered every command, word by word.
./agentctl completion bash > "$dir/completion"
./agentctl help --all-names | sed -n 's/^command //p' > "$dir/commands"
complete() { # words before the cursor; what is offered, one a line
	bash -c '. "$1"; shift; COMP_WORDS=(agentctl "$@" ""); COMP_CWORD=$(($# + 1)); _agentctl
		printf "%s\n" "${COMPREPLY[@]}"' bash "$dir/completion" "$@"
}
while read -r first second; do
	complete > "$dir/out"
	grep -qx -- "$first" "$dir/out" || fail "completion does not offer '$first'"
	[ -z "$second" ] && continue
	complete "$first" > "$dir/out"
	grep -qx -- "$second" "$dir/out" || fail "completion does not offer '$first $second'"
done < "$dir/commands"

# An interrupt ends the waiting, tells how to go on, and leaves the job alone.
./agentctl -c "$dir/conf" wait j9 > "$dir/out" 2> "$dir/err" &
waiter=$!
sleep 0.7
kill -TERM "$waiter"
wait "$waiter"
got=$?
claim="an interrupted wait"
[ "$got" -eq 143 ] || fail "$claim ends by its signal, not $got"
expect_in err "agentctl wait j9"

# A reader that goes away is no crash.
./agentctl --help | true
./agentctl -c "$dir/conf" --json status 2> /dev/null | head -c 1 > /dev/null

kill "$redis_pid"
wait "$redis_pid" 2> /dev/null
redis_pid=
expect "a Redis that is away has its own status" 69 submit hi
expect_in err "is away"

[ "$failures" -eq 0 ] || exit 1

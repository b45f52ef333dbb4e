#!/bin/sh
# test_no_fault_points.sh - a build without --enable-fault-points has no trace of them, and
# one with them says so. Looks at the programs; runs in the build directory.

programs='agent-runnerd agent-runner-worker agent-runner-gateway agent-runner-scheduler
agent-runner-fetch agent-runner-compute agentctl'
source=${srcdir:-$(dirname "$0")/../..}
status=0

fail() {
	echo "$*"
	status=1
}

has_trace() {
	grep -qaE 'AGENT_RUNNER_FAULT|fault_point|JOURNAL_ANSWER_SEND' "$1"
}

if grep -q '^#define WITH_FAULT_POINTS' config.h; then
	has_trace agent-runner-worker || fail "this test cannot see a trace that is there"
	./agent-runnerd -V | grep -q 'fault points' || fail "-V does not say what build it is"
else
	for program in $programs; do
		[ -f "$program" ] || fail "$program is missing: build the programs first"
		has_trace "$program" && fail "$program has a trace of fault points"
	done
	./agent-runnerd -V | grep -q 'fault points' && fail "-V speaks of fault points"
fi

# Whatever this build is: without the definition nothing is left of a place.
left=$(printf '%s\n' '#include "common/fault_point.h"' 'FAULT_POINT(A); FAULT_POINT_OF(B, c);' |
	${CC:-cc} -E -P -I"$source" -x c - | tr -d ' \n')
[ "$left" = '((void)0);((void)0);' ] || fail "a place leaves this behind: $left"
exit $status

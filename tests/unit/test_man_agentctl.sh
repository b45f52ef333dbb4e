#!/bin/sh
# SPDX-License-Identifier: MIT
# test_man_agentctl.sh - agentctl(1) names every command, option and exit status that the
# program has, and none that it has not; and mandoc finds nothing wrong with any page.
set -eu

srcdir=${srcdir:-.}
page=$srcdir/man/agentctl.1
names=$(mktemp)
trap 'rm -f "$names"' EXIT

./agentctl help --all-names > "$names"

if command -v mandoc > /dev/null; then
	mandoc -T lint -W warning "$srcdir"/man/*.[0-9]
fi

awk -v names="$names" '
# What the page says, as the lines of --all-names.
FNR == 1 { section = ""; command = "" }
/^\.Sh / { section = substr($0, 5); command = "" }
/^\.Ss / { section = substr($0, 5) }
/^\.It Ic / && section == "COMMANDS" {
	# .It Ic dead retry Ar ...: plain words up to the first macro
	command = ""
	for (i = 3; i <= NF && $i ~ /^[a-z]/; i++)
		command = command (command == "" ? "" : " ") $i
	said["command " command] = 1
}
/^\.(It )?Fl / || /^\.It Fl/ {
	for (i = 1; i <= NF; i++) {
		if ($i !~ /^-[a-z]/ || $(i - 1) !~ /^\.?Fl$/)
			continue
		if (section == "COMMANDS")
			said["option " command " -" $i] = 1
		else if (section == "Options for all commands")
			said["global -" $i] = 1
	}
}
/^\.It [0-9]+$/ && section == "EXIT STATUS" { said["status " $2] = 1 }
END {
	while ((getline line < names) > 0) {
		is[line] = 1
		n++
		if (!(line in said)) {
			print "agentctl(1) does not name: " line
			bad = 1
		}
	}
	for (line in said)
		if (!(line in is) && line !~ / --json$/) {
			print "agentctl(1) names what is not there: " line
			bad = 1
		}
	if (n < 20) {
		print "only " n " names came from agentctl help --all-names"
		bad = 1
	}
	exit bad
}' "$page"

#!/bin/sh
# SPDX-License-Identifier: MIT
# embed.sh - writes the queue's scripts as one C table: name, SHA-1, text.
# Usage: embed.sh DIRECTORY NAME... > scripts_data.c
# "--@include X" becomes the text of lib/X.lua; comment lines and indentation are left out.
set -eu
dir=$1
shift
text=$(mktemp "${TMPDIR:-/tmp}/queue-script.XXXXXX")
trap 'rm -f "$text"' EXIT INT TERM
echo '/* Made by embed.sh from the .lua files beside it; do not edit. */'
echo '#include "config.h"'
echo
echo '#include "common/queue/queue_ops.h"'
echo
echo 'const struct queue_script queue_scripts[QUEUE_OP_COUNT] = {'
for name in "$@"; do
	awk -v lib="$dir/lib/" '
		function take(line) {
			sub(/^[ \t]+/, "", line)
			if (line != "" && line !~ /^--/)
				print line
		}
		/^--@include / {
			file = lib $2 ".lua"
			n = 0
			while ((getline line < file) > 0) { take(line); n++ }
			if (n == 0) { print "embed.sh: cannot read " file > "/dev/stderr"; exit 1 }
			close(file)
			next
		}
		{ take($0) }' "$dir/$name.lua" > "$text"
	sha=$(sha1sum < "$text")
	upper=$(printf '%s' "$name" | tr '[:lower:]' '[:upper:]')
	printf '[QUEUE_OP_%s] = { .name = "%s", .sha = "%s", .len = %d, .text =\n' "$upper" \
	    "$name" "${sha%% *}" "$(wc -c < "$text")"
	sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/	/\\t/g' -e 's/^/"/' -e 's/$/\\n"/' "$text"
	echo '},'
done
echo '};'

#!/bin/sh
# SPDX-License-Identifier: MIT
# check_model.sh - runs the model of the queue's protocol; skipped without python3.
command -v python3 >/dev/null 2>&1 || exit 77
exec python3 "$(dirname "$0")/queue_model.py" 2

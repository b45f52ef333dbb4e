#!/bin/sh
# A short chaos run with a seed of its own; AGENT_RUNNER_CHAOS_SEED repeats one.
exec ./chaos --seconds 20 ${AGENT_RUNNER_CHAOS_SEED:+--seed "$AGENT_RUNNER_CHAOS_SEED"}

# man: the pages.
dist_man_MANS += man/agent-runner.conf.5 man/agent-runner-protocol.7 man/agent-runner-metrics.7 man/agent-runner-security.7

# --- supervisor
dist_man_MANS += man/agent-runnerd.8
# --- end of supervisor
dist_man_MANS += man/agentctl.1

# etc: example configuration; the agent definitions go where examples go, so that an
# installation never writes over an edited one.
agentsdir = $(pkgdatadir)/agents.d
promptsdir = $(pkgdatadir)/prompts
dist_agents_DATA = etc/agents.d/workflow.conf
dist_prompts_DATA = etc/prompts/workflow.txt
EXTRA_DIST += etc/agent-runner.conf

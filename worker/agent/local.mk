# worker/agent

# Definitions, prompts and the conversation: pure but for the callbacks that they are given.
noinst_LIBRARIES += worker/libagent.a
worker_libagent_a_SOURCES = \
	worker/agent/definitions.h worker/agent/definitions.c \
	worker/agent/prompt.h worker/agent/prompt.c \
	worker/agent/workflow_text.h worker/agent/workflow_text.c
nodist_worker_libagent_a_SOURCES = worker/agent/prompt_text.c
worker_libagent_a_CFLAGS = $(AM_CFLAGS)

CLEANFILES += worker/agent/prompt_text.c
worker/agent/prompt_text.c: worker/embed.sh etc/prompts/workflow.txt
	$(AM_V_GEN)$(MKDIR_P) worker/agent && \
	sh $(srcdir)/worker/embed.sh \
		$(srcdir)/etc/prompts/workflow.txt workflow_prompt_text > $@.tmp && mv $@.tmp $@

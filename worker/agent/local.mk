# worker/agent

# Definitions, prompts and the conversation: pure but for the callbacks that they are given.
noinst_LIBRARIES += worker/libagent.a
worker_libagent_a_SOURCES = \
	worker/agent/definitions.h worker/agent/definitions.c \
	worker/agent/prompt.h worker/agent/prompt.c \
	worker/agent/workflow_text.h worker/agent/workflow_text.c \
	worker/agent/args_view.h worker/agent/args_view.c \
	worker/agent/journal.h worker/agent/journal.c \
	worker/agent/conversation.h worker/agent/conversation_private.h \
	worker/agent/conversation.c worker/agent/conversation_tools.c \
	worker/agent/conversation_end.c
nodist_worker_libagent_a_SOURCES = worker/agent/prompt_text.c
worker_libagent_a_CFLAGS = $(AM_CFLAGS)

CLEANFILES += worker/agent/prompt_text.c
worker/agent/prompt_text.c: worker/embed.sh etc/prompts/workflow.txt
	$(AM_V_GEN)$(MKDIR_P) worker/agent && \
	sh $(srcdir)/worker/embed.sh \
		$(srcdir)/etc/prompts/workflow.txt workflow_prompt_text > $@.tmp && mv $@.tmp $@

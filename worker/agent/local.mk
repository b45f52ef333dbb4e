# worker/agent

# The intent classifier is a library of its own: agentctl uses it too.
noinst_LIBRARIES += worker/agent/libintent.a
worker_agent_libintent_a_SOURCES = \
	worker/agent/intent.h worker/agent/intent.c \
	worker/agent/intent_sentence.h worker/agent/intent_place.c worker/agent/intent_weigh.c \
	worker/agent/intent_words.h worker/agent/intent_words.c \
	worker/agent/intent_rules.h worker/agent/intent_rules.c
worker_agent_libintent_a_CFLAGS = $(AM_CFLAGS)
# Definitions, prompts and the conversation: pure but for the callbacks that they are given.
noinst_LIBRARIES += worker/libagent.a
worker_libagent_a_SOURCES = \
	worker/agent/definitions.h worker/agent/definitions.c \
	worker/agent/prompt.h worker/agent/prompt.c \
	worker/agent/workflow_text.h worker/agent/workflow_text.c \
	worker/agent/args_view.h worker/agent/args_view.c \
	worker/agent/session.h worker/agent/session.c \
	worker/agent/journal.h worker/agent/journal.c \
	worker/agent/conversation.h worker/agent/conversation_private.h \
	worker/agent/conversation.c worker/agent/conversation_tools.c \
	worker/agent/conversation_found.c \
	worker/agent/budget.c worker/agent/conversation_outcome.c worker/agent/conversation_end.c
nodist_worker_libagent_a_SOURCES = worker/agent/prompt_text.c
worker_libagent_a_CFLAGS = $(AM_CFLAGS)

CLEANFILES += worker/agent/prompt_text.c
worker/agent/prompt_text.c: worker/embed.sh etc/prompts/workflow.txt
	$(AM_V_GEN)$(MKDIR_P) worker/agent && \
	sh $(srcdir)/worker/embed.sh \
		$(srcdir)/etc/prompts/workflow.txt workflow_prompt_text > $@.tmp && mv $@.tmp $@

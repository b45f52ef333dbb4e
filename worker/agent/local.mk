# worker/agent

# The intent classifier is a library of its own: agentctl uses it too.
noinst_LIBRARIES += worker/agent/libintent.a
worker_agent_libintent_a_SOURCES = \
	worker/agent/intent.h worker/agent/intent.c \
	worker/agent/intent_sentence.h worker/agent/intent_place.c worker/agent/intent_weigh.c \
	worker/agent/intent_words.h worker/agent/intent_words.c \
	worker/agent/intent_rules.h worker/agent/intent_rules.c
worker_agent_libintent_a_CFLAGS = $(AM_CFLAGS)

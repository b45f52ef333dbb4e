# gateway: HTTP in; the only user of libmicrohttpd.
pkglibexec_PROGRAMS += agent-runner-gateway
noinst_LIBRARIES += gateway/libgateway.a
gateway_libgateway_a_SOURCES = \
	gateway/gateway.h \
	gateway/access.h gateway/access.c \
	gateway/chat_job.h gateway/chat_job.c \
	gateway/health.h gateway/health.c gateway/page.c \
	gateway/metrics_text.h gateway/metrics_text.c \
	gateway/waiters.h gateway/waiters.c \
	gateway/connections.h gateway/connections.c \
	gateway/http_server.h gateway/http_server.c \
	gateway/exchange.h gateway/exchange.c gateway/pages.c gateway/chat.c
gateway_libgateway_a_CFLAGS = $(AM_CFLAGS) $(MICROHTTPD_CFLAGS)
GATEWAY_LIBS = gateway/libgateway.a common/libqueue.a $(ROLE_LIBS) common/libconf.a common/libjson.a \
	common/libguard.a common/libcommon.a $(MICROHTTPD_LIBS) $(REDIS_LIBS) $(LIBCONFIG_LIBS) \
	$(CRYPTO_LIBS) -lm
agent_runner_gateway_SOURCES = gateway/main.c
agent_runner_gateway_CFLAGS = $(AM_CFLAGS)
agent_runner_gateway_LDADD = $(GATEWAY_LIBS)

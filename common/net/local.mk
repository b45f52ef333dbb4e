# common/net: where a URL may lead, and the HTTP client. libcurl is used in http_*.c only.
noinst_LIBRARIES += common/libguard.a common/libhttpclient.a
common_libguard_a_SOURCES = \
	common/net/ip_addr.h common/net/ip_addr.c \
	common/net/url.h common/net/url.c \
	common/net/addr_guard.h common/net/addr_guard.c
common_libguard_a_CFLAGS = $(AM_CFLAGS)
common_libhttpclient_a_SOURCES = \
	common/net/http_client.h common/net/http_client.c \
	common/net/http_private.h \
	common/net/http_request.c common/net/http_answer.c common/net/http_sockets.c
common_libhttpclient_a_CFLAGS = $(AM_CFLAGS) $(CURL_CFLAGS)
HTTP_CLIENT_LIBS = common/libhttpclient.a common/libguard.a common/libcommon.a $(CURL_LIBS)

# tests/support

# -- http_probe: a scripted HTTP server
check_LIBRARIES += tests/support/libhttpprobe.a
tests_support_libhttpprobe_a_SOURCES = tests/support/http_probe.h tests/support/http_probe.c
tests_support_libhttpprobe_a_CFLAGS = $(AM_CFLAGS)
# -- end of http_probe

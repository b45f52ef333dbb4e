# tests/support

# --- store: a private PostgreSQL, and a proxy that cuts connections
noinst_LIBRARIES += tests/support/libservers.a
tests_support_libservers_a_SOURCES = \
	tests/support/postgres_server.h tests/support/postgres_server.c \
	tests/support/cut_proxy.h tests/support/cut_proxy.c
# --- end of store

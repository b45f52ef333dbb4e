# common: what several roles need; includes nothing of the others.
noinst_LIBRARIES += common/libcommon.a
common_libcommon_a_SOURCES = \
	common/cleanup.h \
	common/err.h common/err.c \
	common/buf.h common/buf.c \
	common/clock.h common/clock.c \
	common/error_types.h common/error_types.c \
	common/lane.h common/lane.c \
	common/printable.h common/printable.c \
	common/secrets.h common/secrets.c
common_libcommon_a_CFLAGS = $(AM_CFLAGS)
EXTRA_DIST += common/fault_point.h common/fault_point.c
if FAULT_POINTS
common_libcommon_a_SOURCES += common/fault_point.c
endif

# The schema validator stands apart because it needs PCRE2.
noinst_LIBRARIES += common/libjson_schema.a
common_libjson_schema_a_SOURCES = common/json_schema.h common/json_schema.c
common_libjson_schema_a_CFLAGS = $(AM_CFLAGS) $(PCRE2_CFLAGS)
EXTRA_DIST += common/fnv.h

# common/json: JSON text as arena values; no network, no disk.
noinst_LIBRARIES += common/libjson.a
common_libjson_a_SOURCES = common/json/arena.h common/json/json.h \
	common/json/json_text.h common/json/json_text.c \
	common/json/arena.c \
	common/json/json_read.c \
	common/json/json_value.c \
	common/json/json_number.c \
	common/json/json_build.c \
	common/json/json_write.c
common_libjson_a_CFLAGS = $(AM_CFLAGS)

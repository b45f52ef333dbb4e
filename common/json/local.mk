# common/json: JSON text as arena values; no network, no disk.
noinst_LIBRARIES += common/libjson.a
common_libjson_a_SOURCES = common/json/arena.h common/json/json.h

# common/conf: the configuration; the only place that knows libconfig.
noinst_LIBRARIES += common/libconf.a
common_libconf_a_SOURCES = \
	common/conf/conf.h common/conf/options.h common/conf/options.c \
	common/conf/mask.c common/conf/place.c common/conf/read.c common/conf/expand.c common/conf/secret_file.c \
	common/conf/agents.c \
	common/conf/write.c common/conf/check.c
common_libconf_a_CFLAGS = $(AM_CFLAGS) $(LIBCONFIG_CFLAGS)
common_libconf_a_SOURCES += common/conf/targets.h common/conf/targets.c \
	common/conf/prices.h common/conf/prices.c

# tests/support

# supervisor: a stand-in for every role program
check_PROGRAMS += fake_role
fake_role_SOURCES = tests/support/fake_role.c
fake_role_CFLAGS = $(AM_CFLAGS)
fake_role_LDADD = common/librole.a common/libconf.a common/libcommon.a $(SECCOMP_LIBS) $(LIBCONFIG_LIBS)

# common/role: how a child process begins, talks to its parent, and is locked in.
noinst_LIBRARIES += common/librole.a
common_librole_a_SOURCES = \
	common/exit_status.h \
	common/metrics.h common/metrics.c \
	common/log.h common/log.c \
	common/role/ipc.h common/role/ipc.c \
	common/role/slot_file.h common/role/slot_file.c \
	common/role/fault_handler.h common/role/fault_handler.c \
	common/role/live_set.h common/role/live_set.c \
	common/role/sandbox.h common/role/sandbox.c \
	common/role/sandbox_lists.h common/role/sandbox_lists.c \
	common/role/privilege.c \
	common/role/scope.h common/role/scope.c \
	common/role/landlock.c \
	common/role/spawn.h common/role/spawn.c \
	common/role/control.h common/role/control.c \
	common/role/role.h common/role/role.c
common_librole_a_CPPFLAGS = $(AM_CPPFLAGS) $(SECCOMP_CFLAGS)
common_librole_a_CFLAGS = $(AM_CFLAGS)
# Link order: ROLE_LIBS, after a program's own libraries and before $(COMMON_LIBS).
ROLE_LIBS = common/librole.a $(SECCOMP_LIBS)

# common/store: results in SQLite or PostgreSQL, large values in the CAS.
noinst_LIBRARIES += common/libstore.a
common_libstore_a_SOURCES = \
	common/store/store.h common/store/store.c \
	common/store/store_private.h common/store/sql.h \
	common/store/store_put.c \
	common/store/store_get.c \
	common/store/store_purge.c \
	common/store/store_tools.h common/store/store_tools.c \
	common/store/store_migrate.c \
	common/store/store_sqlite.c \
	common/store/store_postgresql.c \
	common/store/store_queue.h common/store/store_queue.c \
	common/store/store_conf.h common/store/store_conf.c \
	common/store/migrate_run.h common/store/migrate_run.c \
	common/store/uuid.c \
	common/store/digest.h common/store/digest.c \
	common/store/cas.h common/store/cas.c common/store/cas_refs.h common/store/cas_refs.c \
	common/store/cas_dir.c
common_libstore_a_CPPFLAGS = $(AM_CPPFLAGS) $(LIBPQ_CFLAGS) $(SQLITE_CFLAGS) $(CRYPTO_CFLAGS)

# What a program needs that links the store.
STORE_LIBS = common/libstore.a common/libcommon.a $(LIBPQ_LIBS) $(SQLITE_LIBS) $(CRYPTO_LIBS)

store_migrations = \
	common/store/migrations/0001_results.sqlite.sql \
	common/store/migrations/0001_results.postgresql.sql \
	common/store/migrations/0002_tools.sqlite.sql \
	common/store/migrations/0002_tools.postgresql.sql
EXTRA_DIST += $(store_migrations) common/store/migrations/embed.awk

common/store/migrations.h: $(store_migrations) common/store/migrations/embed.awk
	$(AM_V_GEN)$(MKDIR_P) common/store && \
	for f in $(store_migrations); do \
		if test -f $$f; then echo $$f; else echo $(srcdir)/$$f; fi; done | \
	xargs awk -f $(srcdir)/common/store/migrations/embed.awk > $@.tmp && mv $@.tmp $@
BUILT_SOURCES += common/store/migrations.h
CLEANFILES += common/store/migrations.h
common/store/libstore_a-store_migrate.$(OBJEXT): common/store/migrations.h

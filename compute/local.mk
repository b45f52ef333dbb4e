# compute: text to arena tables, one file per family of steps, text out; the jail around.
noinst_LIBRARIES += compute/libcompute.a
compute_libcompute_a_SOURCES = \
	compute/run.h compute/run.c \
	compute/read.h compute/read.c compute/read_csv.c compute/read_yaml.c \
	compute/yaml_scalar.h compute/yaml_scalar.c \
	compute/value.h compute/value.c \
	compute/columns.h compute/columns.c \
	compute/pattern.h compute/pattern.c \
	compute/iso_date.h compute/iso_date.c \
	compute/step_sort.c compute/step_filter.c compute/step_select.c \
	compute/step_groupby.c compute/step_join.c compute/step_jq.c \
	compute/step_regex.c compute/step_date.c \
	compute/output.h compute/output.c \
	compute/answer.h compute/answer.c \
	compute/child.h compute/child.c compute/hidden.h compute/hidden.c \
	compute/zygote.h compute/zygote_private.h compute/zygote.c \
	compute/requests.c compute/children.c
if FAULT_POINTS
compute_libcompute_a_SOURCES += compute/flaw.h compute/flaw.c
endif
compute_libcompute_a_CFLAGS = $(AM_CFLAGS) $(PCRE2_CFLAGS) $(YAML_CFLAGS)
compute_libs = compute/libcompute.a common/libpipeline.a $(ROLE_LIBS) common/libconf.a \
	common/libjson.a common/libcommon.a $(LIBCONFIG_LIBS) \
	$(JQ_LIBS) $(PCRE2_LIBS) $(CSV_LIBS) $(YAML_LIBS) -lm

pkglibexec_PROGRAMS += agent-runner-compute
agent_runner_compute_SOURCES = compute/main.c
agent_runner_compute_LDADD = $(compute_libs)

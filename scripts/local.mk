# scripts: the developers' commands; none is installed.
EXTRA_DIST += .ci/run scripts/common.bash scripts/deps scripts/check scripts/quickstart scripts/bench scripts/chaos scripts/lint

# Test programs that need no daemon: everything but the end-to-end ones.
.PHONY: print-unit-tests
print-unit-tests:
	@echo $(filter-out test_e2e_% tests/chaos/%,$(TESTS))

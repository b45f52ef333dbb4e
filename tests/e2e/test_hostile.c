#include "config.h"
#include "tests/e2e/e2e.h"
Test(hostile, x) {}

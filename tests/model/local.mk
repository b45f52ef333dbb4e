# tests/model
TESTS += tests/model/check_model.sh
EXTRA_DIST += tests/model/check_model.sh tests/model/queue_model.py

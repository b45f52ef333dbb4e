# common/queue

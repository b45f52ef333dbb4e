# common/conf

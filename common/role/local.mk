# common/role

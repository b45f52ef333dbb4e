# compute

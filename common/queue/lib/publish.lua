-- SPDX-License-Identifier: MIT
-- publish.lua - the result message: on the job's own list only while that is empty, so
-- that there is never more than one; then also on the completion queue, if there is one.
local function publish_check(id, completion)
	call('LLEN', RESULTS .. ':' .. id)
	if completion ~= '' then call('LLEN', completion) end
end

local function publish(id, message, ttl, completion)
	local key = RESULTS .. ':' .. id
	local is_empty = call('LLEN', key) == 0
	if is_empty then
		call('RPUSH', key, message)
		if completion ~= '' then call('RPUSH', completion, message) end
	end
	call('EXPIRE', key, ttl)
	return is_empty and 1 or 0
end

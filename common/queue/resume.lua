-- SPDX-License-Identifier: MIT
-- resume(id): a parked job goes back to the queue.
--@include head
local id = ARGV[3]
local key = job_key(id)
local j = call('HMGET', key, 'state', 'last', 'payload')
if j[1] ~= 'parked' then
	return { j[2] == 'resume' and 'ALREADY' or 'GONE', j[1] or '' }
end
call('LLEN', JOBS)
call('HDEL', P .. 'parked', id)
call('LPUSH', JOBS, j[3])
call('HSET', key, 'state', 'queued', 'last', 'resume')
return { 'OK', 'parked' }

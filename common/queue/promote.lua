-- SPDX-License-Identifier: MIT
-- promote(): what is due among the delayed goes to the end of the queue; at most 100 jobs
-- or 4 MiB a call. Answers how many went, and the milliseconds until the next is due
-- (0: now, call again; -1: none waits).
-- When the server's clock was set back, jobs that were delayed by the former one, the
-- last ones to be due, are delayed anew by what they had to wait then.
--@include head
--@include delay
local delayed, alone = P .. 'delayed', P .. 'jobs:alone'
local now = now_ms()
call('LLEN', JOBS)
call('LLEN', alone)
for _, id in ipairs(call('ZREVRANGE', delayed, 0, 99)) do
	local d = call('HMGET', job_key(id), 'from_ms', 'due_ms')
	local from, due = tonumber(d[1] or 0), tonumber(d[2] or 0)
	if from <= now + 1000 then break end
	delay_job(id, due - from)
end
local moved, bytes = 0, 0
for _, id in ipairs(call('ZRANGEBYSCORE', delayed, '-inf', string.format('%.0f', now),
		'LIMIT', 0, 100)) do
	if bytes >= 4194304 then break end
	local key = job_key(id)
	local j = call('HMGET', key, 'state', 'payload', 'alone')
	call('ZREM', delayed, id)
	if j[1] == 'delayed' then
		if j[3] == '1' then
			call('RPUSH', alone, id)
		else
			call('RPUSH', JOBS, j[2])
		end
		call('HSET', key, 'state', j[3] == '1' and 'alone' or 'queued')
		call('HDEL', key, 'due_ms', 'from_ms')
		bytes = bytes + #j[2]
		moved = moved + 1
	end
end
local next = call('ZRANGE', delayed, 0, 0, 'WITHSCORES')
return { 'OK', moved, next[2] and math.max(0, tonumber(next[2]) - now) or -1 }

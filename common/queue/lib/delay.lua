-- SPDX-License-Identifier: MIT
-- delay.lua - where a job goes that its holder lets go: to the head of the queue, or among
-- the delayed, and by which clock: due_ms is the server's time at
-- which it goes to the queue, from_ms the time at which that was decided. A clock that was
-- set back since then shows in from_ms (promote).
-- To the head of the queue. What was cancelled ends there, wherever it had to run.
local function requeue(id)
	local j = call('HMGET', job_key(id), 'payload', 'cancel')
	call('LPUSH', JOBS, j[1])
	if j[2] then call('HDEL', job_key(id), 'alone') end
end

local function delay_job(id, delay)
	local now = now_ms()
	local due = string.format('%.0f', now + delay)
	call('ZADD', P .. 'delayed', due, id)
	call('HSET', job_key(id), 'due_ms', due, 'from_ms', string.format('%.0f', now))
end

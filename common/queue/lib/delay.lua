-- SPDX-License-Identifier: MIT
-- delay.lua - a job among the delayed, and by which clock: due_ms is the server's time at
-- which it goes to the queue, from_ms the time at which that was decided. A clock that was
-- set back since then shows in from_ms (promote).
local function delay_job(id, delay)
	local now = now_ms()
	local due = string.format('%.0f', now + delay)
	call('ZADD', P .. 'delayed', due, id)
	call('HSET', job_key(id), 'due_ms', due, 'from_ms', string.format('%.0f', now))
end

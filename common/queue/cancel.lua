-- SPDX-License-Identifier: MIT
-- cancel(id): the flag that begin and journal answer, a message to those who run jobs now,
-- and jobs that wait for a time, a person or their turn go to the head of the queue at
-- once, where the next begin ends them. An id that was never begun gets a mark, which its
-- begin will find; its payload is looked for among the first thousand (4 MiB). Answers
-- where the job was: "" when it was not found.
--@include head
--@include names
local id = ARGV[3]
local key = job_key(id)
local j = call('HMGET', key, 'state', 'payload')
local state, payload = j[1] or '', j[2]
if state == 'done' or state == 'failed' or state == 'dead' then
	return { 'FINISHED', state }
end
call('LLEN', JOBS)
call('LLEN', P .. 'jobs:alone')

local function find_raw()
	local bytes = 0
	for i = 0, 999 do
		local e = call('LINDEX', JOBS, i)
		if not e or bytes > 4194304 then return nil end
		if names(e, id) then return e end
		bytes = bytes + #e
	end
end

-- Among millions it is looked for near both ends only: in between its begin ends it.
local NEAR = 100000
local function take_out(list, e)
	if call('LPOS', list, e, 'MAXLEN', NEAR) then return call('LREM', list, 1, e) end
	if call('LPOS', list, e, 'RANK', -1, 'MAXLEN', NEAR) then
		return call('LREM', list, -1, e)
	end
	return 0
end

call('HSETNX', key, 'cancel', string.format('%.0f', now_ms()))
local is_out = 0
if state == 'delayed' then
	is_out = call('ZREM', P .. 'delayed', id)
elseif state == 'parked' then
	is_out = call('HDEL', P .. 'parked', id)
elseif state == 'alone' then
	is_out = take_out(P .. 'jobs:alone', id)
elseif state == 'queued' then
	is_out = take_out(JOBS, payload)
elseif state == '' then
	payload = find_raw()
	is_out = payload and call('LREM', JOBS, 1, payload) or 0
end
if is_out == 1 then
	call('LPUSH', JOBS, payload)
	if state == '' then
		state = 'queued'
	else
		call('HSET', key, 'state', 'queued', 'last', 'cancel')
		call('HDEL', key, 'alone', 'due_ms', 'from_ms')
	end
end
call('PUBLISH', P .. 'cancel', id)
return { 'OK', state }

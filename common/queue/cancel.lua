-- SPDX-License-Identifier: MIT
-- cancel(id): the flag that begin and journal answer, a message to those who run jobs now,
-- and jobs that wait for a time or a person go to the queue at once, where the next begin
-- ends them. An id that was never begun gets a mark, which its begin will find.
--@include head
local id = ARGV[3]
local key = job_key(id)
local j = call('HMGET', key, 'state', 'payload')
local state = j[1] or ''
if state == 'done' or state == 'failed' or state == 'dead' then
	return { 'FINISHED', state }
end
call('LLEN', JOBS)
call('LLEN', P .. 'jobs:alone')
call('HSETNX', key, 'cancel', string.format('%.0f', now_ms()))
local is_out = 0
if state == 'delayed' then
	is_out = call('ZREM', P .. 'delayed', id)
elseif state == 'parked' then
	is_out = call('HDEL', P .. 'parked', id)
elseif state == 'alone' then
	is_out = call('LREM', P .. 'jobs:alone', 1, id)
end
if is_out == 1 then
	call('RPUSH', JOBS, j[2])
	call('HSET', key, 'state', 'queued', 'last', 'cancel')
	call('HDEL', key, 'alone', 'due_ms', 'from_ms')
end
call('PUBLISH', P .. 'cancel', id)
return { 'OK', state }

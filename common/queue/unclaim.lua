-- SPDX-License-Identifier: MIT
-- unclaim(holder, element, is_id): hands back, to the head, what stands in the holder's
-- list and is in nobody's hand: a raw payload, an id taken from the alone, or the id of a
-- job that was begun and forgotten.
--@include head
--@include budget
local holder, element, is_id = ARGV[3], ARGV[4], ARGV[5] == '1'
local alone, held, key = P .. 'jobs:alone', held_key(holder), job_key(element)
if not is_live(holder) then return fenced(holder) end
call('LLEN', JOBS)
call('LLEN', alone)
if not call('LPOS', held, element) then return { 'ALREADY' } end
if not is_id then
	call('LREM', held, 1, element)
	call('LPUSH', JOBS, element)
	return { 'OK' }
end
local j = call('HMGET', key, 'state', 'holder', 'payload', 'alone', 'reserved')
local is_begun = j[1] == 'held' and j[2] == holder and j[3]
if not is_begun and j[1] ~= 'alone' then return { 'GONE' } end
call('LREM', held, 1, element)
if j[1] == 'alone' or j[4] == '1' then
	call('LPUSH', alone, element)
	call('HSET', key, 'state', 'alone', 'last', 'unclaim')
else
	call('LPUSH', JOBS, j[3])
	call('HSET', key, 'state', 'queued', 'last', 'unclaim')
end
call('HDEL', key, 'claim')
settle(element, j[5], 0, 0)
return { 'OK' }

-- SPDX-License-Identifier: MIT
-- park(holder, id, token, why, ran_ms): put aside until somebody calls resume or cancel;
-- to the head of the queue when that cancel has come already.
--@include head
--@include mine
--@include delay
--@include budget
local holder, id, token, why, ran = ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local f, seen = mine(holder, id, token)
if not f then
	return { (seen.token == token and seen.last == 'park') and 'ALREADY' or 'FENCED' }
end
call('LLEN', JOBS)
call('HLEN', P .. 'parked')
if call('LREM', held_key(holder), 1, id) == 0 then return { 'FENCED' } end
local key = job_key(id)
if f.cancel == 1 then
	requeue(id)
else
	call('HSET', P .. 'parked', id, why)
end
call('HSET', key, 'state', f.cancel == 1 and 'queued' or 'parked', 'last', 'park',
	'why', why)
call('HDEL', key, 'claim')
call('HINCRBY', key, 'run_ms', ran)
settle(id, f.reserved, 0, 0)
count('parked')
return { 'OK' }

-- SPDX-License-Identifier: MIT
-- retry(holder, id, token, delay_ms, why, ran_ms): a failed attempt; the next one is due
-- after the delay, or at once when the job was cancelled meanwhile. The attempt and its
-- running time are counted.
--@include head
--@include mine
--@include delay
--@include budget
local holder, id, token, delay, why, ran = ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6]),
	ARGV[7], ARGV[8]
local f, seen = mine(holder, id, token)
if not f then
	return { (seen.token == token and seen.last == 'retry') and 'ALREADY' or 'FENCED' }
end
call('LLEN', JOBS)
call('ZCARD', P .. 'delayed')
if call('LREM', held_key(holder), 1, id) == 0 then return { 'FENCED' } end
local key = job_key(id)
if f.cancel == 1 then
	requeue(id)
else
	delay_job(id, delay)
end
call('HSET', key, 'state', f.cancel == 1 and 'queued' or 'delayed', 'last', 'retry',
	'why', why)
call('HDEL', key, 'alone', 'claim')
call('HINCRBY', key, 'attempts', 1)
call('HINCRBY', key, 'run_ms', ran)
settle(id, f.reserved, 0, 0)
count('retried')
return { 'OK' }

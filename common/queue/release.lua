-- SPDX-License-Identifier: MIT
-- release(holder, id, token, delay_ms, why, ran_ms, [are others answered]): handed back
-- without spending an attempt: at the head of the queue, or, with a delay, among the delayed. A job that must
-- run alone still must; one that was cancelled meanwhile waits for nothing.
-- The last argument comes when the job has asked its providers in vain: from then on
-- answers to others count against it ('1': there were some since it asked before).
--@include head
--@include mine
--@include delay
--@include budget
local holder, id, token, delay, why, ran = ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6]),
	ARGV[7], ARGV[8]
local f, seen = mine(holder, id, token)
if not f then
	return { (seen.token == token and seen.last == 'release') and 'ALREADY' or 'FENCED' }
end
local alone, delayed = P .. 'jobs:alone', P .. 'delayed'
call('LLEN', JOBS)
call('LLEN', alone)
call('ZCARD', delayed)
if call('LREM', held_key(holder), 1, id) == 0 then return { 'FENCED' } end
local key, state = job_key(id), 'queued'
if f.cancel == 1 then
	requeue(id)
elseif delay > 0 then
	state = 'delayed'
	delay_job(id, delay)
elseif f.is_alone then
	state = 'alone'
	call('LPUSH', alone, id)
else
	requeue(id)
end
call('HSET', key, 'state', state, 'last', 'release', 'why', why)
call('HDEL', key, 'claim')
call('HINCRBY', key, 'run_ms', ran)
if ARGV[9] then call('HSET', key, 'asked_ms', string.format('%.0f', now_ms())) end
if ARGV[9] == '1' then call('HINCRBY', key, 'unanswered', 1) end
settle(id, f.reserved, 0, 0)
count('released')
return { 'OK' }

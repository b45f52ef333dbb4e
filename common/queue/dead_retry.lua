-- SPDX-License-Identifier: MIT
-- dead_retry(element): the letter leaves the list and its payload is queued again, with
-- all counters at zero. GONE: it is no longer there; BUSY: that job is on its way already.
--@include head
--@include dead
--@include budget
local element = ARGV[3]
local letter = dead_decode(element)
if not letter then return { 'GONE', '' } end
local id = letter.job_id
call('LLEN', JOBS)
if not call('LPOS', P .. 'dead', element) then
	local is_done = id ~= '' and call('HGET', job_key(id), 'last') == 'dead_retry'
	return { is_done and 'ALREADY' or 'GONE', '' }
end
if id ~= '' and letter.reason ~= 'job_id_conflict' then
	local key = job_key(id)
	local j = call('HMGET', key, 'state', 'token')
	if j[1] == 'done' then return { 'FINISHED', j[1] } end
	if j[1] and j[1] ~= 'failed' and j[1] ~= 'dead' then return { 'BUSY', j[1] } end
	-- the job may be forgotten; its failed row in the store is not
	local token = math.max(tonumber(j[2] or 0), tonumber(letter.token) or 0)
	call('LLEN', RESULTS .. ':' .. id)
	call('DEL', RESULTS .. ':' .. id)
	call('HDEL', key, 'attempts', 'crashes', 'suspicions', 'cancel', 'run_ms', 'evidence',
		'message', 'done_ms', 'first_ms', 'asked_ms', 'unanswered', 'alone')
	leave_own_family(id)
	call('HSET', key, 'state', 'queued', 'last', 'dead_retry', 'payload', letter.payload,
		'rerun', 1, 'token', token, 'base_token', token)
	call('PERSIST', key)
	call('PERSIST', P .. 'journal:' .. id)
end
call('LREM', P .. 'dead', 1, element)
call('RPUSH', JOBS, letter.payload)
count('dead_retried')
return { 'OK', id }

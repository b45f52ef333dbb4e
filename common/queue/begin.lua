-- SPDX-License-Identifier: MIT
-- begin(holder, is_id, element, id, claim, digest, retry_count, min_token, max_attempts,
--       max_crashes, max_suspicions, ttl, completion queue)
-- The holder starts the job whose raw payload (or, from the list of the alone, whose id)
-- stands in its held list. claim is a number that the holder gives to each element it has
-- taken: the same claim again is the same call sent twice and gets the same token.
--@include head
--@include dead
--@include publish
--@include budget
local holder, is_id, element, id, claim = ARGV[3], ARGV[4] == '1', ARGV[5], ARGV[6], ARGV[7]
local digest, retry_count, min_token = ARGV[8], tonumber(ARGV[9]), tonumber(ARGV[10])
local max_attempts, max_crashes, max_suspicions =
	tonumber(ARGV[11]), tonumber(ARGV[12]), tonumber(ARGV[13])
local ttl, completion = ARGV[14], ARGV[15]

if not is_live(holder) then return fenced(holder) end
publish_check(id, completion)
call('LLEN', P .. 'dead')

local held, key, journal = held_key(holder), job_key(id), P .. 'journal:' .. id
call('LLEN', journal)
local NAMES = { 'state', 'holder', 'token', 'claim', 'digest', 'attempts', 'crashes',
	'suspicions', 'retry_count', 'cancel', 'run_ms', 'first_ms', 'base_token', 'rerun',
	'alone', 'evidence', 'reserved', 'family', 'asked_ms', 'unanswered' }
local j = {} -- the job as it is, and as this call makes it
for i, value in ipairs(call('HMGET', key, unpack(NAMES))) do j[NAMES[i]] = value end
local state, owner, token = j.state, j.holder, tonumber(j.token or 0)
local is_mine = state == 'held' and owner == holder
local now = now_ms()

local function answer()
	local attempts, crashes, suspicions = tonumber(j.attempts or 0), tonumber(j.crashes or 0),
		tonumber(j.suspicions or 0)
	local word = 'OK'
	if j.cancel then
		word = 'CANCELLED'
	elseif attempts >= max_attempts or crashes >= max_crashes or
			suspicions >= max_suspicions then
		word = 'SPENT'
	end
	return { word, tonumber(j.token), attempts, crashes, suspicions,
		tonumber(j.retry_count or 0), tonumber(j.run_ms or 0), tonumber(j.first_ms or 0), now,
		tonumber(j.base_token or 0), j.rerun == '1' and 1 or 0, j.alone == '1' and 1 or 0,
		j.family and 1 or 0, tonumber(j.asked_ms or 0), tonumber(j.unanswered or 0),
		j.evidence or '',
		is_id and call('HGET', key, 'payload') or '', call('LRANGE', journal, 0, -1) }
end

-- the same call again; a caller that met a stored row with a higher token asks for more
if is_mine and j.claim == claim and call('LPOS', held, id) then
	if token <= min_token then
		j.token = min_token + 1
		call('HSET', key, 'token', j.token)
	end
	return answer()
end

-- What was just claimed stands near the tail of a list that may be long.
if not call('LPOS', held, element, 'RANK', -1) then return { 'GONE' } end
-- it stays where it is; the worker hands it back. What was cancelled ends all the same
if not j.cancel and call('HEXISTS', P .. 'meta', 'paused_ms') == 1 then
	return { 'PAUSED' }
end
local function drop(name, word, extra)
	call('LREM', held, -1, element)
	count(name)
	return { word, extra }
end

local has_ended = state == 'done' or state == 'failed' or state == 'dead'
local message = has_ended and call('HGET', key, 'message')
local runs_again = has_ended and (not message or not is_id and state ~= 'done' and
	retry_count > tonumber(j.retry_count or 0))

if not state and is_id then
	dead_letter(id, '', 'internal', 'the payload of this job is lost', now)
	return drop('lost', 'GONE')
end
if state and not is_id and j.digest and j.digest ~= digest and not runs_again then
	dead_letter(id, element, 'job_id_conflict',
		'a job of this id with other content is ' .. state, now)
	return drop('conflict', 'CONFLICT')
end
if has_ended and not runs_again then
	local published = publish(id, message, ttl, completion)
	return drop('republished', 'REPUBLISHED', published)
end
local waits_elsewhere = state == 'delayed' or state == 'parked' or
	(state == 'alone' and not is_id) or (state == 'queued' and is_id)
local is_taken = state == 'held' and (is_live(owner) or false) and
	not (is_mine and is_id)
if waits_elsewhere or is_taken then return drop('duplicate', 'DUPLICATE') end

call('LREM', held, -1, element)
settle(id, j.reserved, 0, 0)
if state == 'held' and not is_mine then call('LREM', held_key(owner), 1, id) end
call('RPUSH', held, id)
local fields = {}
local function set(name, value)
	j[name], fields[#fields + 1], fields[#fields + 2] = value, name, value
end
if runs_again then
	-- the failure that still waits unread is superseded; the counters start anew
	call('DEL', RESULTS .. ':' .. id)
	local old = { 'attempts', 'crashes', 'suspicions', 'cancel', 'run_ms', 'evidence',
		'message', 'done_ms', 'first_ms', 'asked_ms', 'unanswered' }
	call('HDEL', key, unpack(old))
	for _, name in ipairs(old) do j[name] = false end
	if leave_own_family(id) then j.family = false end
	set('base_token', token)
	set('rerun', '1')
	call('PERSIST', key)
	call('PERSIST', journal)
end
local at = string.format('%.0f', now)
set('state', 'held')
set('holder', holder)
set('claim', claim)
set('last', 'begin')
set('token', math.max(token, min_token) + 1)
set('begun_ms', at)
if not j.first_ms then set('first_ms', at) end
if not is_id then
	set('payload', element)
	set('digest', digest)
	set('retry_count', retry_count)
end
call('HSET', key, unpack(fields))
if not is_id and call('EXISTS', P .. 'poison') == 1 then
	redis.pcall('HDEL', P .. 'poison', redis.sha1hex(element))
end
return answer()

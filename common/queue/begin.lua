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
local j = call('HMGET', key, 'state', 'holder', 'token', 'claim', 'digest', 'attempts',
	'crashes', 'suspicions', 'retry_count', 'cancel', 'run_ms', 'first_ms', 'base_token',
	'rerun', 'alone', 'evidence', 'reserved')
local state, owner, token = j[1], j[2], tonumber(j[3] or 0)
local is_mine = state == 'held' and owner == holder
local now = now_ms()

local function answer()
	local f = call('HMGET', key, 'attempts', 'crashes', 'suspicions', 'retry_count',
		'run_ms', 'first_ms', 'base_token', 'rerun', 'cancel', 'alone', 'evidence', 'token',
		'payload', 'family', 'asked_ms', 'unanswered')
	local attempts, crashes, suspicions = tonumber(f[1] or 0), tonumber(f[2] or 0),
		tonumber(f[3] or 0)
	local word = 'OK'
	if f[9] then
		word = 'CANCELLED'
	elseif attempts >= max_attempts or crashes >= max_crashes or
			suspicions >= max_suspicions then
		word = 'SPENT'
	end
	return { word, tonumber(f[12]), attempts, crashes, suspicions, tonumber(f[4] or 0),
		tonumber(f[5] or 0), tonumber(f[6] or 0), now, tonumber(f[7] or 0),
		f[8] == '1' and 1 or 0, f[10] == '1' and 1 or 0, f[14] and 1 or 0,
		tonumber(f[15] or 0), tonumber(f[16] or 0),
		f[11] or '', is_id and f[13] or '', call('LRANGE', journal, 0, -1) }
end

-- the same call again; a caller that met a stored row with a higher token asks for more
if is_mine and j[4] == claim and call('LPOS', held, id) then
	if token <= min_token then call('HSET', key, 'token', min_token + 1) end
	return answer()
end

-- What was just claimed stands near the tail of a list that may be long.
if not call('LPOS', held, element, 'RANK', -1) then return { 'GONE' } end
-- it stays where it is; the worker hands it back. What was cancelled ends all the same
if not j[10] and call('HEXISTS', P .. 'meta', 'paused_ms') == 1 then
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
	retry_count > tonumber(j[9] or 0))

if not state and is_id then
	dead_letter(id, '', 'internal', 'the payload of this job is lost', now)
	return drop('lost', 'GONE')
end
if state and not is_id and j[5] and j[5] ~= digest and not runs_again then
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
settle(id, j[17], 0, 0)
if state == 'held' and not is_mine then call('LREM', held_key(owner), 1, id) end
call('RPUSH', held, id)
if runs_again then
	-- the failure that still waits unread is superseded; the counters start anew
	call('DEL', RESULTS .. ':' .. id)
	call('HDEL', key, 'attempts', 'crashes', 'suspicions', 'cancel', 'run_ms', 'evidence',
		'message', 'done_ms', 'first_ms', 'asked_ms', 'unanswered')
	leave_own_family(id)
	call('HSET', key, 'base_token', token, 'rerun', 1)
	call('PERSIST', key)
	call('PERSIST', journal)
end
local at = string.format('%.0f', now)
local fields = { 'state', 'held', 'holder', holder, 'claim', claim, 'last', 'begin',
	'token', math.max(token, min_token) + 1, 'begun_ms', at }
local function set(name, value)
	fields[#fields + 1], fields[#fields + 2] = name, value
end
if runs_again or not j[12] then set('first_ms', at) end
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

-- SPDX-License-Identifier: MIT
-- recover(holder, is_told, seen beat, blame, culprit, evidence, max_crashes,
--         max_suspicions, may_bury)
-- Fences a dead holder and moves what it held back: at most 100 elements or 4 MiB a call,
-- so it is called until nothing is left. The holder is dead because the supervisor says
-- so (is_told), or because its beat is still the one that was seen a lease ago.
-- blame: "none" charges nobody; "culprit" charges that one job with a crash and makes its
-- next attempt run alone; "payload" charges the one raw payload whose SHA-1 culprit is, or
-- the job that was begun of it meanwhile; "unknown" makes every begun job a suspect, and if
-- there was none, the raw payload that was next to be begun. The first caller's blame
-- holds for all calls, and ends when the list is empty: what a dead client's blocked claim
-- brings in later is innocent.
--@include head
--@include dead
--@include budget
local holder, is_told, seen = ARGV[3], ARGV[4] == '1', ARGV[5]
local blame, culprit, evidence = ARGV[6], ARGV[7], ARGV[8]
local max_crashes, max_suspicions, may_bury =
	tonumber(ARGV[9]), tonumber(ARGV[10]), ARGV[11] == '1'
local QUARANTINE_AT = 3
-- A raw payload is counted by its digest: it goes to dead after three crashes of its own
-- or ten suspicions.
local POISON_AT, POISON_CRASH, POISON_SUSPICION = 10, 4, 1
local alone, held, blame_key = P .. 'jobs:alone', held_key(holder), P .. 'blame:' .. holder
call('LLEN', JOBS)
call('LLEN', alone)
call('LLEN', P .. 'dead')
local now, is_new = now_ms(), 0

local beat = is_live(holder)
if beat and not is_told and beat ~= seen then return { 'ALIVE', beat } end
if not beat and not is_told and not call('ZSCORE', P .. 'fenced', holder) then
	return { 'GONE' }
end
if beat or not call('ZSCORE', P .. 'fenced', holder) then
	is_new = 1
	call('ZREM', P .. 'holders', holder)
	call('ZADD', P .. 'fenced', string.format('%.0f', now), holder)
	if blame ~= 'none' and call('LLEN', held) > 0 then
		call('HSET', blame_key, 'blame', blame, 'culprit', culprit, 'evidence', evidence)
		call('EXPIRE', blame_key, 86400)
	end
	count('fenced')
end
local b = call('HMGET', blame_key, 'blame', 'culprit', 'evidence', 'has_suspects')
blame, culprit, evidence = b[1] or 'none', b[2] or '', b[3] or ''
local has_suspects = b[4]

local to_jobs, to_alone, to_dead = 0, 0, 0
local suspects = {} -- in the order of the list; they queue behind those that wait alone

-- The worker begins what it has claimed in that order, so of all raw payloads only the
-- leftmost, which is moved last, can have been in its hands when it died.
local function charge_raw(raw, weight)
	local digest = redis.sha1hex(raw)
	if call('HINCRBY', P .. 'poison', digest, weight) < POISON_AT or not may_bury then
		return
	end
	call('HDEL', P .. 'poison', digest)
	call('LREM', JOBS, 1, raw)
	dead_letter('', raw, 'crashed',
		'took worker after worker down before it was begun; the last time: ' .. evidence,
		now)
	count('poison')
	to_jobs, to_dead = to_jobs - 1, to_dead + 1
end

local function move_job(id, j)
	local key, crashes, suspicions = job_key(id), tonumber(j[4] or 0), tonumber(j[5] or 0)
	local goes_alone = j[6] == '1'
	if blame == 'culprit' and culprit == id or
			blame == 'payload' and culprit == redis.sha1hex(j[3]) then
		crashes = call('HINCRBY', key, 'crashes', 1)
		call('HSET', key, 'evidence', evidence)
		goes_alone = true
	elseif blame == 'unknown' then
		suspicions = call('HINCRBY', key, 'suspicions', 1)
		has_suspects = true
		call('HSET', key, 'evidence', evidence)
		goes_alone = goes_alone or suspicions >= QUARANTINE_AT
	end
	-- a spent job is not run again, so any worker may bury it; if that fails, too, alone
	if crashes >= max_crashes or suspicions >= max_suspicions then
		goes_alone = crashes > max_crashes or suspicions > max_suspicions
	end
	if goes_alone then
		if blame == 'none' then
			call('LPUSH', alone, id)
		else
			table.insert(suspects, 1, id)
		end
		call('HSET', key, 'state', 'alone', 'last', 'recover', 'alone', 1)
		to_alone = to_alone + 1
	else
		call('LPUSH', JOBS, j[3])
		call('HSET', key, 'state', 'queued', 'last', 'recover')
		call('HDEL', key, 'alone')
		to_jobs = to_jobs + 1
	end
	call('HDEL', key, 'claim')
	settle(id, j[7], 0, 0)
end

local n, bytes, last_raw = 0, 0, nil
while n < 100 do
	local e = call('LINDEX', held, -1)
	if not e then break end
	local j = #e <= 200 and
		call('HMGET', job_key(e), 'state', 'holder', 'payload', 'crashes', 'suspicions',
			'alone', 'reserved') or {}
	local is_begun = j[1] == 'held' and j[2] == holder and j[3]
	local size = is_begun and #j[3] or #e
	if n > 0 and bytes + size > 4194304 then break end
	call('RPOP', held)
	if is_begun then
		move_job(e, j)
	elseif j[1] == 'alone' then
		call('LPUSH', alone, e)
		to_alone = to_alone + 1
	else
		call('LPUSH', JOBS, e)
		to_jobs, last_raw = to_jobs + 1, e
		if blame == 'payload' and culprit == redis.sha1hex(e) then
			charge_raw(e, POISON_CRASH)
			culprit = '' -- a copy of it was not read
		end
	end
	n, bytes = n + 1, bytes + size
end
for _, id in ipairs(suspects) do call('RPUSH', alone, id) end
if n > 0 then count('recovered', n) end
local left = call('LLEN', held)
if left == 0 then
	if last_raw and blame == 'unknown' and not has_suspects then
		charge_raw(last_raw, POISON_SUSPICION)
	end
	call('DEL', blame_key)
elseif has_suspects and not b[4] then
	call('HSET', blame_key, 'has_suspects', 1)
end
return { 'OK', left, is_new, to_jobs, to_alone, to_dead }

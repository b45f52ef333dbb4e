-- SPDX-License-Identifier: MIT
-- fsck_job(repair, id, ttl): is this job in the one place that its state names, with all
-- that it needs? Looks and mends in one step, so nothing moves meanwhile.
--@include head
--@include finding
--@include budget
--@include outstanding
local id, ttl = ARGV[4], tonumber(ARGV[5])
local key, journal = job_key(id), P .. 'journal:' .. id
local delayed, parked, alone = P .. 'delayed', P .. 'parked', P .. 'jobs:alone'
if not has_type(key, 'hash') then return { 'OK', rows } end
if call('EXISTS', key) == 0 then return { 'OK', rows } end

local j = call('HMGET', key, 'state', 'holder', 'payload', 'cancel', 'message', 'reserved')
local state, holder, payload = j[1], j[2], j[3]
local now = now_ms()

local function all_held(element)
	for _, set in ipairs({ 'holders', 'fenced' }) do
		for _, h in ipairs(call('ZRANGE', P .. set, 0, -1)) do
			if call('LPOS', held_key(h), element) then return h end
		end
	end
	return nil
end

local function requeue()
	call('RPUSH', JOBS, payload)
	call('HSET', key, 'state', 'queued', 'last', 'fsck')
	call('HDEL', key, 'claim')
	settle(id, j[6], 0, 0)
end

local places = {
	held = function() return holder and call('LPOS', held_key(holder), id) end,
	delayed = function() return call('ZSCORE', delayed, id) end,
	parked = function() return call('HEXISTS', parked, id) == 1 end,
	alone = function() return call('LPOS', alone, id) or all_held(id) end,
	queued = function() return call('LPOS', JOBS, payload) or all_held(payload) end,
}
local remove = {
	held = function() call('LREM', held_key(holder), 0, id) end,
	delayed = function() call('ZREM', delayed, id) end,
	parked = function() call('HDEL', parked, id) end,
	alone = function() call('LREM', alone, 0, id) end,
}
local put = {
	held = requeue,
	queued = requeue,
	delayed = function() call('ZADD', delayed, string.format('%.0f', now), id) end,
	parked = function() call('HSET', parked, id, '') end,
	alone = function() call('LPUSH', alone, id) end,
}

local function check_elsewhere()
	for _, place in ipairs({ 'held', 'delayed', 'parked', 'alone' }) do
		local is_there
		if place == 'alone' then
			is_there = call('LPOS', alone, id)
		else
			is_there = places[place]()
		end
		local is_claimed = place == 'held' and state == 'alone'
		if place ~= state and is_there and not is_claimed then
			found('error', 'is ' .. state .. ', but stands among the ' .. place .. ' too',
				'take it out there', remove[place])
		end
	end
end

local function check_live()
	if call('TTL', key) ~= -1 then
		found('error', 'is ' .. state .. ', but its hash expires', 'take the expiry off',
			function() call('PERSIST', key) end)
	end
	if call('TTL', journal) >= 0 then
		found('error', 'is ' .. state .. ', but its journal expires',
			'take the expiry off', function() call('PERSIST', journal) end)
	end
	if not payload then
		found('error', 'is ' .. state .. ', but its payload is lost',
			'push the job again under another id')
		return
	end
	if not places[state]() then
		found('error', 'is ' .. state .. ', but stands nowhere', state == 'held' and
			'queue it again' or 'put it back among the ' .. state, put[state])
	elseif state == 'held' and not is_live(holder) and
			not call('ZSCORE', P .. 'fenced', holder) then
		found('error', 'is held by a holder that nobody knows: ' .. holder,
			'fence that holder', function()
				call('ZADD', P .. 'fenced', string.format('%.0f', now), holder)
			end)
	end
end

local function check_ended()
	if call('TTL', key) == -1 then
		found('warning', 'is ' .. state .. ', but never expires', 'set its expiry',
			function() call('EXPIRE', key, ttl) end)
	end
	if call('TTL', journal) == -1 then
		found('warning', 'is ' .. state .. ', but its journal never expires',
			'set its expiry', function() call('EXPIRE', journal, ttl) end)
	end
	if not j[5] then
		found('warning', 'is ' .. state .. ', but its message is not there',
			'none: the next copy of the job reads it from the store')
	end
end

if j[6] and state ~= 'held' then
	found('error', 'has reserved something of a budget, but is ' .. (state or 'nowhere'),
		'give it back', function() settle(id, j[6], 0, 0) end)
end
check_reserved('family', key, 'family_')
if not state then
	local since = tonumber(j[4] or '')
	if not since then
		found('error', 'has no state', 'look at it by hand')
	elseif since < now - ttl * 1000 then
		found('info', 'is the mark of a cancelled job that never came', 'delete it',
			function() call('DEL', key) end)
	end
elseif state == 'done' or state == 'failed' or state == 'dead' then
	check_ended()
	check_elsewhere()
elseif places[state] then
	check_live()
	check_elsewhere()
else
	found('error', 'has the unknown state ' .. state, 'look at it by hand')
end
return { 'OK', rows }

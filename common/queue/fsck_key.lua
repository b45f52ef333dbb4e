-- SPDX-License-Identifier: MIT
-- fsck_key(repair, kind, key, id, ttl): the keys that are no job and no held list.
--@include head
--@include dead
--@include finding
--@include outstanding
local kind, key, id, ttl = ARGV[4], ARGV[5], ARGV[6], tonumber(ARGV[7])

local function expire() call('EXPIRE', key, ttl) end

local function check_ids(ids, remove)
	local seen = {}
	for _, e in ipairs(ids) do
		if call('EXISTS', job_key(e)) == 0 then
			found('error', 'names ' .. e .. ', of which nothing is known',
				'take it out and push the job again', function() remove(e) end)
		elseif seen[e] then
			found('error', 'names ' .. e .. ' twice', 'take one out',
				function() remove(e) end)
		end
		seen[e] = true
	end
end

local checks = {
	journal = { 'list', function()
		if call('TTL', key) == -1 and call('EXISTS', job_key(id)) == 0 then
			found('warning', 'is the journal of a job that is gone', 'set its expiry',
				expire)
		end
	end },
	result = { 'list', function()
		if call('LLEN', key) > 1 then
			found('error', 'holds more than one result', 'look at them by hand')
		end
		if call('TTL', key) == -1 then
			found('warning', 'never expires', 'set its expiry', expire)
		end
	end },
	jobs = { 'list', function()
		local n = 0
		for _, e in ipairs(call('LRANGE', key, 0, 99)) do
			if not e:find('^%s*{') then n = n + 1 end
		end
		if n > 0 then
			found('info', n .. ' of the first payloads are no JSON objects',
				'none: workers file them as dead letters')
		end
	end },
	alone = { 'list', function()
		check_ids(call('LRANGE', key, 0, 9999), function(e) call('LREM', key, 1, e) end)
	end },
	delayed = { 'zset', function()
		check_ids(call('ZRANGE', key, 0, 9999), function(e) call('ZREM', key, e) end)
	end },
	parked = { 'hash', function()
		check_ids(call('HKEYS', key), function(e) call('HDEL', key, e) end)
	end },
	dead = { 'list', function()
		local n = 0
		for _, e in ipairs(call('LRANGE', key, 0, 49)) do
			if not dead_decode(e) then n = n + 1 end
		end
		if n > 0 then
			found('warning', n .. ' of the newest elements are no dead letters',
				'look at them by hand')
		end
	end },
	holders = { 'zset', function()
		for _, h in ipairs(call('ZRANGE', key, 0, -1)) do
			if call('ZSCORE', P .. 'fenced', h) then
				found('error', h .. ' is live and fenced at once', 'let it be fenced',
					function() call('ZREM', key, h) end)
			end
		end
	end },
	session = { 'any', function()
		if call('TTL', key) == -1 then
			found('warning', 'never expires', 'delete it if nobody needs it')
		end
	end },
	owner_day = { 'hash', function()
		if call('TTL', key) == -1 then
			found('warning', 'never expires', 'set its expiry', expire)
		end
		check_reserved('owner', key, '')
	end },
	hash = { 'hash', function() end },
	zset = { 'zset', function() end },
	other = { 'any', function()
		found('info', 'is no key of the queue', 'none')
	end },
}
local check = checks[kind]
if check[1] == 'any' or has_type(key, check[1]) then check[2]() end
return { 'OK', rows }

-- SPDX-License-Identifier: MIT
-- reserve(holder, id, token, turn, owner, day_tokens, day_usd, want_tokens, want_usd,
--         least_tokens, least_usd)
-- Before a model call: reserves what it costs at most (want; money in millionths of a USD)
-- of the owner's day (0: no cap) and of the family's budget, if the job has one. Of what
-- nobody else has reserved a part may be granted, down to least. WAIT: others may give
-- enough back; EXCEEDED: nobody can. All say which budget was tight (1 the owner's day,
-- 2 the family's, 0 none) and of what (1 tokens, 2 USD); these two also used, cap,
-- reserved, and when the day ends.
--@include head
--@include mine
--@include budget
local holder, id, token, turn, owner = ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local day = { tonumber(ARGV[8]), tonumber(ARGV[9]) }
local want = { tonumber(ARGV[10]), tonumber(ARGV[11]) }
local least = { tonumber(ARGV[12]), tonumber(ARGV[13]) }
local DAY_MS, KEPT_SEC = 86400000, 172800

local f = mine(holder, id, token)
if not f then return { 'FENCED' } end
local name = token .. ':' .. turn
local old = f.reserved and cjson.decode(f.reserved)
if old and old.id == name then return { 'ALREADY', old.tokens, old.usd, old.by, old.of } end
settle(id, f.reserved, 0, 0) -- of a turn whose call never came back

local now = now_ms()
local today = math.floor(now / DAY_MS)
local refused, waits, places, by, of = nil, nil, {}, 0, 0

local function look(whose, key, prefix, cap)
	local h = call('HMGET', key, prefix .. 'used_tokens', prefix .. 'used_usd',
		prefix .. 'reserved_tokens', prefix .. 'reserved_usd')
	for unit = 1, 2 do
		local used, reserved = tonumber(h[unit] or 0), tonumber(h[unit + 2] or 0)
		local left = cap[unit] - used
		local what = { whose, unit, used, cap[unit], reserved, (today + 1) * DAY_MS }
		if cap[unit] <= 0 then -- no cap
		elseif least[unit] > left then
			refused = refused or what
		elseif want[unit] > left - reserved then
			if reserved > 0 then
				waits = waits or what
			else
				want[unit], by, of = left, whose, unit
			end
		end
	end
	places[whose] = key
end

if day[1] > 0 or day[2] > 0 then
	look(1, string.format('%slimit:owner:%s:%.0f', P, owner, today), '', day)
end
local root = call('HGET', job_key(id), 'family')
if root then
	local cap = call('HMGET', job_key(root), 'family_cap_tokens', 'family_cap_usd')
	if cap[1] then
		look(2, job_key(root), 'family_', { tonumber(cap[1]), tonumber(cap[2]) })
	else -- forgotten, or started anew: nobody can say what is left of it
		refused = refused or { 2, 1, 0, 0, 0, 0 }
	end
end
if refused or waits then
	return { refused and 'EXCEEDED' or 'WAIT', unpack(refused or waits) }
end
for whose, key in pairs(places) do
	local prefix = whose == 2 and 'family_' or ''
	add(key, prefix .. 'reserved_tokens', want[1])
	add(key, prefix .. 'reserved_usd', want[2])
end
if places[1] then call('EXPIRE', places[1], KEPT_SEC) end
call('HSET', job_key(id), 'reserved', cjson.encode({ id = name, tokens = want[1],
	usd = want[2], owner = places[1], family = places[2], by = by, of = of }))
return { 'OK', want[1], want[2], by, of }

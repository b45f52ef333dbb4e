-- SPDX-License-Identifier: MIT
-- budget.lua - what a job has reserved of budgets that others draw on, too. Its field
-- "reserved" says how much and where: the owner's day (a key of its own) and the family,
-- which is the job that delegated it (fields of that job's hash). It is there exactly
-- while a model call may be under way, so whoever ends or moves the job gives it back.
local function add(key, field, n)
	if n ~= 0 then call('HINCRBY', key, field, string.format('%.0f', n)) end
end

-- Gives back the reservation (the field's text, or false) and charges what was used.
local function settle(id, text, tokens, usd)
	if not text then return end
	local r = cjson.decode(text)
	for prefix, key in pairs({ [''] = r.owner, family_ = r.family }) do
		if call('TYPE', key).ok == 'hash' then -- else that day is long over
			add(key, prefix .. 'reserved_tokens', -r.tokens)
			add(key, prefix .. 'reserved_usd', -r.usd)
			add(key, prefix .. 'used_tokens', tokens)
			add(key, prefix .. 'used_usd', usd)
		end
	end
	call('HDEL', job_key(id), 'reserved')
end

-- A settlement counts once, and only for the reservation that it is about.
local function settle_turn(id, text, name, tokens, usd)
	if text and cjson.decode(text).id == name then
		settle(id, text, tonumber(tokens), tonumber(usd))
		return true
	end
	return false
end

-- A job that runs anew has its whole budget again; its former children have none. True
-- when it had a family of its own.
local function leave_own_family(id)
	local key = job_key(id)
	if call('HGET', key, 'family') ~= id then return end
	for _, field in ipairs({ 'cap', 'used', 'reserved' }) do
		call('HDEL', key, 'family_' .. field .. '_tokens', 'family_' .. field .. '_usd')
	end
	call('HDEL', key, 'family')
	return true
end

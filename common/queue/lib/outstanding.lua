-- SPDX-License-Identifier: MIT
-- outstanding.lua - for fsck: what the held jobs have reserved in a hash ("owner" or
-- "family" names the kind), and the counters put right by it.
local function outstanding(kind, key)
	local sum = { 0, 0 }
	for _, set in ipairs({ 'holders', 'fenced' }) do
		for _, h in ipairs(call('ZRANGE', P .. set, 0, -1)) do
			for _, id in ipairs(call('LRANGE', held_key(h), 0, -1)) do
				local text = #id <= 200 and call('HGET', job_key(id), 'reserved')
				local r = text and cjson.decode(text) or {}
				if r[kind] == key then
					sum = { sum[1] + r.tokens, sum[2] + r.usd }
				end
			end
		end
	end
	return sum
end

local function check_reserved(kind, key, prefix)
	local fields = { prefix .. 'reserved_tokens', prefix .. 'reserved_usd' }
	local has = call('HMGET', key, unpack(fields))
	if tonumber(has[1] or 0) == 0 and tonumber(has[2] or 0) == 0 then return end
	local sum = outstanding(kind, key)
	if tonumber(has[1] or 0) == sum[1] and tonumber(has[2] or 0) == sum[2] then return end
	found('error', string.format('has %s tokens and %s micro-USD reserved, its jobs %.0f and %.0f',
		has[1] or 0, has[2] or 0, sum[1], sum[2]), 'set it to what its jobs have', function()
			for unit = 1, 2 do
				call('HSET', key, fields[unit], string.format('%.0f', sum[unit]))
			end
		end)
end

-- SPDX-License-Identifier: MIT
-- head.lua - what every script starts with: key names from one prefix, and small helpers.
-- Every script is called with KEYS[1] = the job list, ARGV[1] = the prefix ("agent:"),
-- ARGV[2] = the prefix of result lists. Own arguments start at ARGV[3].
-- A script first reads every list that others may have made (a key of a wrong type then
-- stops it before its first write, so no script is ever half done).
local call = redis.call
local JOBS, P, RESULTS = KEYS[1], ARGV[1], ARGV[2]

local function job_key(id) return P .. 'job:' .. id end
local function held_key(holder) return P .. 'held:' .. holder end
local function is_live(holder) return call('ZSCORE', P .. 'holders', holder) end
-- What a fenced holder asks for: the answer, and, when its list is not empty (it claimed
-- before it knew), another hour in which that list is swept.
local function fenced(holder)
	if call('LLEN', held_key(holder)) > 0 then
		local t = call('TIME')
		call('ZADD', P .. 'fenced', string.format('%.0f', t[1] * 1000), holder)
	end
	return { 'FENCED' }
end
-- Figures for people: a key of a wrong type must not leave a script half done.
local function count(name, n) redis.pcall('HINCRBY', P .. 'counters', name, n or 1) end
local function now_ms()
	local t = call('TIME')
	return t[1] * 1000 + math.floor(t[2] / 1000)
end

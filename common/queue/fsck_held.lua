-- SPDX-License-Identifier: MIT
-- fsck_held(repair, holder): does somebody answer for this list, and are the ids in it
-- held by it?
--@include head
--@include finding
local holder = ARGV[4]
local key, fenced = held_key(holder), P .. 'fenced'
if not has_type(key, 'list') then return { 'OK', rows } end

local KNOWN = { queued = 1, held = 1, delayed = 1, parked = 1, done = 1, failed = 1, dead = 1 }
local now = now_ms()
local since = call('ZSCORE', fenced, holder)
local function fence()
	call('ZREM', P .. 'holders', holder)
	call('ZADD', fenced, string.format('%.0f', now), holder)
end
if is_live(holder) then
	if since then
		found('error', 'its holder is live and fenced at once', 'fence it', fence)
	end
elseif not since then
	found('error', 'nobody knows this holder', 'fence it, so that its list is swept', fence)
elseif tonumber(since) < now - 3600000 then
	found('warning', 'its holder was fenced more than an hour ago',
		'let it be swept once more', fence)
end
for _, e in ipairs(call('LRANGE', key, 0, 999)) do
	local j = #e <= 200 and call('HMGET', job_key(e), 'state', 'holder') or {}
	if j[1] and j[1] ~= 'alone' and not (j[1] == 'held' and j[2] == holder) then
		found('error', 'holds the id ' .. e .. ', whose job is ' .. j[1],
			'take it out', KNOWN[j[1]] and function() call('LREM', key, 1, e) end)
	end
end
return { 'OK', rows }

-- SPDX-License-Identifier: MIT
-- adopt(holder, from, n): what stands in the holder's own list, from that place on: per
-- element {is_id, element}. An element is an id exactly when its job says so; any other
-- text, even one that looks like an id, is a raw payload.
--@include head
local holder, from, n = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
if not is_live(holder) then return fenced(holder) end
local rows = {}
local seen = {}
for _, e in ipairs(call('LRANGE', held_key(holder), from, from + n - 1)) do
	local is_id = 0
	if #e <= 200 and not seen[e] then
		local j = call('HMGET', job_key(e), 'state', 'holder')
		if j[1] == 'alone' or (j[1] == 'held' and j[2] == holder) then
			is_id = 1
			seen[e] = true
		end
	end
	rows[#rows + 1] = { is_id, e }
end
return { 'OK', rows }

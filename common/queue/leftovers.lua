-- SPDX-License-Identifier: MIT
-- leftovers(cursor, age_ms, is_dry_run): the marks of cancelled jobs that never came and
-- are older than that, a part of all keys a call: the next cursor ("0": that was all) and
-- how many are (would be) forgotten.
--@include head
local before, is_dry_run = now_ms() - tonumber(ARGV[4]), ARGV[5] == '1'
local r = call('SCAN', ARGV[3], 'MATCH', P .. 'job:*', 'COUNT', 500)
local n = 0
for _, key in ipairs(r[2]) do
	local j = redis.pcall('HMGET', key, 'state', 'cancel')
	if not j.err and not j[1] and j[2] and tonumber(j[2]) < before then
		if not is_dry_run then call('DEL', key) end
		n = n + 1
	end
end
return { 'OK', r[1], n }

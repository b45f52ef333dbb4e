-- SPDX-License-Identifier: MIT
-- refs(cursor): the content that journals name, a part of all keys a call: the next cursor
-- ("0": that was all) and the ids.
--@include head
local r = call('SCAN', ARGV[3], 'MATCH', P .. 'journal:*', 'COUNT', 500)
local ids = {}
for _, key in ipairs(r[2]) do
	local records = redis.pcall('LRANGE', key, 0, -1)
	for _, record in ipairs(records.err and {} or records) do
		for id in record:gmatch('cas://(sha256:%x+)') do ids[#ids + 1] = id end
	end
end
return { 'OK', r[1], ids }

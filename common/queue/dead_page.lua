-- SPDX-License-Identifier: MIT
-- dead_page(from, n): dead letters, newest first: the total, and for each {element,
-- job_id, reason, detail, at_ms, payload, name}; an element that is no letter has an empty
-- reason; name is the SHA-1 of the element, for letters that have no id.
--@include head
--@include dead
local from, n, rows = tonumber(ARGV[3]), tonumber(ARGV[4]), {}
for _, e in ipairs(call('LRANGE', P .. 'dead', from, from + n - 1)) do
	local l = dead_decode(e)
	if l then
		rows[#rows + 1] = { e, l.job_id, tostring(l.reason or ''), tostring(l.detail or ''),
			tonumber(l.at_ms) or 0, l.payload, redis.sha1hex(e) }
	else
		rows[#rows + 1] = { e, '', '', '', 0, '', redis.sha1hex(e) }
	end
end
return { 'OK', call('LLEN', P .. 'dead'), rows }

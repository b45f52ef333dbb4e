-- SPDX-License-Identifier: MIT
-- stats(): how many are where, in one moment; the head of the queue by its digest and its
-- created_at; the counters; since when the queue is paused (0: it is not) and by whom.
--@include head
local held, now = 0, now_ms()
local live = call('ZRANGE', P .. 'holders', 0, -1)
-- those that are swept still (survey): of older ones a busy day leaves thousands
local swept = call('ZRANGEBYSCORE', P .. 'fenced', string.format('%.0f', now - 10800000),
	'+inf')
for _, names in ipairs({ live, swept }) do
	for _, h in ipairs(names) do held = held + call('LLEN', held_key(h)) end
end
local head, digest, created = call('LINDEX', JOBS, 0), '', ''
if head then
	digest = redis.sha1hex(head)
	if #head <= 65536 then
		local ok, doc = pcall(cjson.decode, head)
		if ok and type(doc) == 'table' and type(doc.created_at) == 'string' then
			created = doc.created_at
		end
	end
end
local paused = call('HMGET', P .. 'meta', 'paused_ms', 'paused_by')
return { 'OK', call('LLEN', JOBS), held, call('ZCARD', P .. 'delayed'),
	call('HLEN', P .. 'parked'), call('LLEN', P .. 'jobs:alone'), call('LLEN', P .. 'dead'),
	#live, now, digest, created, call('HGETALL', P .. 'counters'),
	tonumber(paused[1] or 0), paused[2] or '' }

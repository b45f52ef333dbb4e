-- SPDX-License-Identifier: MIT
-- limit_note(name, call, used tokens, share in thousandths, requests a minute, tokens a
--            minute, [limit, remaining, ms until full] of requests, of tokens, closed ms)
-- After a call: gives back what it took too much, or takes the rest. What the provider
-- told (-1: nothing) bounds the bucket from now on, and empties it as far as the provider
-- says that it is empty. closed: it asked not to be asked for so long.
--@include head
--@include limit
local name, id, used, share = ARGV[3], ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]) / 1000
local told = { { tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11]) },
	{ tonumber(ARGV[12]), tonumber(ARGV[13]), tonumber(ARGV[14]) } }
local closed = tonumber(ARGV[15])
local b = bucket_read(name, now_ms())
for i, kind in ipairs(KINDS) do
	local limit, left, full_ms = told[i][1], told[i][2], told[i][3]
	if limit > 0 then
		local rate = limit / 60000
		if full_ms > 0 and left >= 0 and left < limit then
			rate = math.min(rate, (limit - left) / full_ms)
		end
		b[kind].limit, b[kind].rate = limit, rate
		b.told = b.now + LEARNED_MS
		call('HSET', rate_key(name), kind .. '_limit', text_of(limit), kind .. '_rate',
			string.format('%.9f', rate))
	end
end
bucket_refill(b, { tonumber(ARGV[7]), tonumber(ARGV[8]) }, share)
local was = call('HMGET', call_key(id), 'tokens', 'batch')
if was[1] then
	local back = tonumber(was[1]) - used
	if b.t.cap > 0 then b.t.level = math.min(b.t.cap, b.t.level + back) end
	if was[2] == '1' then b.t.batch = math.max(0, math.min(b.t.cap * share, b.t.batch + back)) end
	call('DEL', call_key(id))
end
for i, kind in ipairs(KINDS) do
	if told[i][1] > 0 and told[i][2] >= 0 then
		b[kind].level = math.min(b[kind].level, told[i][2])
	end
end
if closed > 0 then b.closed = math.max(b.closed, b.now + closed) end
bucket_write(name, b)
return { 'OK' }

-- SPDX-License-Identifier: MIT
-- probe(name, holder, sec): may this worker try whether that provider is back? One of all
-- hosts may, for so long; it gives the right up by DEL when the provider answers. The key
-- says by which clock: a right from the future is one from before the clock was set back.
--@include head
local key, holder, ms = P .. 'limit:probe:' .. ARGV[3], ARGV[4], tonumber(ARGV[5]) * 1000
local now = now_ms()
local r = call('HMGET', key, 'holder', 'from_ms', 'until_ms')
if r[1] and now >= tonumber(r[2] or 0) and now < tonumber(r[3] or 0) then
	return { r[1] == holder and 'ALREADY' or 'BUSY' }
end
call('HSET', key, 'holder', holder, 'from_ms', string.format('%.0f', now), 'until_ms',
	string.format('%.0f', now + ms))
call('EXPIRE', key, ARGV[5])
return { 'OK' }

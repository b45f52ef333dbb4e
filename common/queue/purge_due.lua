-- SPDX-License-Identifier: MIT
-- purge_due(every_ms): may the caller clean up now? Of all hosts one may, once in so long;
-- ALREADY to the others.
--@include head
local meta, now = P .. 'meta', now_ms()
local last = tonumber(call('HGET', meta, 'purged_ms') or 0)
if now - last < tonumber(ARGV[3]) and now >= last then return { 'ALREADY' } end
call('HSET', meta, 'purged_ms', string.format('%.0f', now))
return { 'OK' }

-- SPDX-License-Identifier: MIT
-- survey(): every registered holder and its beat (flat pairs), and the fenced holders of
-- the last hours whose lists are not empty. Older fenced names are forgotten after a day.
--@include head
local HOUR, now, left = 3600000, now_ms(), {}
-- one hour is what a late claim may need, two more are a clock that was set forward
for _, h in ipairs(call('ZRANGEBYSCORE', P .. 'fenced', string.format('%.0f', now - 3 * HOUR),
		'+inf')) do
	if call('LLEN', held_key(h)) > 0 then left[#left + 1] = h end
end
for _, h in ipairs(call('ZRANGEBYSCORE', P .. 'fenced', '-inf',
		string.format('%.0f', now - 24 * HOUR), 'LIMIT', 0, 100)) do
	if call('LLEN', held_key(h)) == 0 then call('ZREM', P .. 'fenced', h) end
end
return { 'OK', call('ZRANGE', P .. 'holders', 0, -1, 'WITHSCORES'), left }

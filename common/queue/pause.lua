-- SPDX-License-Identifier: MIT
-- pause(is_pause, by): from 1 on nobody begins a job, until 0. It outlives every process:
-- begin asks for it, so that no job slips through, and a message lets blocked claims go.
-- Answers since when and by whom the queue is (or was) paused; ALREADY when nothing changed.
--@include head
local meta, want, by = P .. 'meta', ARGV[3] == '1', ARGV[4]
local m = call('HMGET', meta, 'paused_ms', 'paused_by')
if want == (m[1] and true or false) then
	return { 'ALREADY', tonumber(m[1] or 0), m[2] or '' }
end
if want then
	m = { string.format('%.0f', now_ms()), by }
	call('HSET', meta, 'paused_ms', m[1], 'paused_by', by)
else
	call('HDEL', meta, 'paused_ms', 'paused_by')
end
call('PUBLISH', P .. 'pause', ARGV[3])
return { 'OK', tonumber(m[1]), m[2] or '' }

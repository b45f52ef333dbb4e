-- SPDX-License-Identifier: MIT
-- use(key, job_id, ttl, mark): counts the jobs that used a shape of pipeline, one after
-- the other: the same job twice in a row (a call sent again, a loop) counts once. mark
-- '1' counts nothing and notes that the shape is a tool now. Answers the count, and
-- whether it is; of a tool nothing more is counted here, so nothing is written.
--@include head
local key, id, ttl, mark = ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local kind = call('TYPE', key).ok
if kind ~= 'hash' and kind ~= 'none' then return { 'OK', 0, 1 } end
local f = call('HMGET', key, 'uses', 'is_tool', 'last')
local uses, is_tool = tonumber(f[1] or 0), f[2] and 1 or 0
if mark == '1' then
	call('HSET', key, 'is_tool', 1)
	call('EXPIRE', key, ttl)
	is_tool = 1
elseif is_tool == 0 and f[3] ~= id then
	uses = call('HINCRBY', key, 'uses', 1)
	call('HSET', key, 'last', id)
	call('EXPIRE', key, ttl)
end
return { 'OK', uses, is_tool }

-- SPDX-License-Identifier: MIT
-- use(key, job_id, ttl, mark): counts the jobs that used a shape of pipeline, one after
-- the other: the same job twice in a row (a call sent again, a loop) counts once. mark
-- '1' counts nothing and notes that the shape is a tool now. Answers the count, and
-- whether it is.
--@include head
local key, id, ttl, mark = ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local kind = call('TYPE', key).ok
if kind ~= 'hash' and kind ~= 'none' then return { 'OK', 0, 1 } end
if mark == '1' then
	call('HSET', key, 'is_tool', 1)
elseif call('HGET', key, 'last') ~= id then
	call('HINCRBY', key, 'uses', 1)
	call('HSET', key, 'last', id)
end
call('EXPIRE', key, ttl)
local f = call('HMGET', key, 'uses', 'is_tool')
return { 'OK', tonumber(f[1] or 0), f[2] and 1 or 0 }

-- SPDX-License-Identifier: MIT
-- take(holder, id): a claim of one cancelled job, which cancel has put at the head of the
-- queue: for workers that claim nothing now, because all their places are taken or the
-- queue is paused. The payload moves to the holder's list, as by any claim. Without an id
-- any cancelled job at the head is taken, whose message may have been missed.
--@include head
--@include names
local holder, id = ARGV[3], ARGV[4]
if not is_live(holder) then return fenced(holder) end
call('LLEN', held_key(holder))

local function is_cancelled(e)
	local name = id ~= '' and id or id_of(e)
	local j = name and call('HMGET', job_key(name), 'state', 'cancel', 'payload') or {}
	if not j[2] or j[1] and j[1] ~= 'queued' then return false end
	return e == j[3] or not j[3] and (id == '' or names(e, id))
end

for i = 0, 15 do
	local e = call('LINDEX', JOBS, i)
	if not e then break end
	if is_cancelled(e) then
		call('LREM', JOBS, 1, e)
		call('RPUSH', held_key(holder), e)
		return { 'OK' }
	end
end
return { 'GONE' }

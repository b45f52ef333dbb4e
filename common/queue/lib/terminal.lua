-- SPDX-License-Identifier: MIT
-- terminal.lua - the end of a job, shared by finish and bury: out of the held list, the
-- message published, the state terminal, and only now an expiry on what the job needed.
local function finish(holder, id, token, state, message, ttl, completion, before)
	local f, seen = mine(holder, id, token)
	if not f then
		if seen.token == token and seen.last == 'finish' then return { 'ALREADY' } end
		return { 'FENCED' }
	end
	publish_check(id, completion)
	call('LLEN', P .. 'dead')
	if call('LREM', held_key(holder), 1, id) == 0 then return { 'FENCED' } end
	local at = now_ms()
	if before then before(at) end
	local published = publish(id, message, ttl, completion)
	local key = job_key(id)
	call('HSET', key, 'state', state, 'last', 'finish', 'message', message,
		'done_ms', string.format('%.0f', at))
	call('HDEL', key, 'payload', 'alone', 'claim', 'due_ms')
	call('EXPIRE', key, ttl)
	call('EXPIRE', P .. 'journal:' .. id, ttl)
	settle(id, f.reserved, 0, 0)
	count(state)
	return { 'OK', published }
end

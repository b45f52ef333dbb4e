-- SPDX-License-Identifier: MIT
-- spawn(holder, id, token, child, payload, cap_tokens, cap_usd, used_tokens, used_usd):
-- queues a job that draws on the budget of the one that delegates it, or on that of the
-- one which delegated that. The first child makes the budget a family's: the parent's own
-- caps (0: none) and what it has used so far; from then on the parent reserves, too.
-- ALREADY: the child is known; BUSY: another job has its id.
--@include head
--@include mine
local holder, id, token, child, payload = ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local key, child_key = job_key(id), job_key(child)
if not mine(holder, id, token) then return { 'FENCED' } end
local c = call('HMGET', child_key, 'state', 'parent')
if c[2] == id then return { 'ALREADY' } end
if c[1] then return { 'BUSY' } end
call('LLEN', JOBS)
local root = call('HGET', key, 'family')
if not root then
	root = id
	call('HSET', key, 'family', id, 'family_cap_tokens', ARGV[8], 'family_cap_usd', ARGV[9],
		'family_used_tokens', ARGV[10], 'family_used_usd', ARGV[11])
end
call('HSET', child_key, 'state', 'queued', 'last', 'spawn', 'payload', payload,
	'parent', id, 'family', root)
call('RPUSH', JOBS, payload)
count('spawned')
return { 'OK' }

-- SPDX-License-Identifier: MIT
-- limit_take(name, call, tokens, is_batch, share in thousandths, requests a minute,
--            tokens a minute)
-- Before a call to a provider: takes one request and so many tokens out of its bucket, or
-- answers WAIT and the milliseconds until it is worth asking again. Who is interactive and
-- waits is known for so long, and batch calls then leave room. What was taken is noted
-- under the call's name, so that the same call sent again takes nothing more.
--@include head
--@include limit
local name, id, is_batch, share = ARGV[3], ARGV[4], ARGV[6] == '1', tonumber(ARGV[7]) / 1000
local SLACK_MS = 2000
if call('EXISTS', call_key(id)) == 1 then return { 'ALREADY', 0 } end
local b = bucket_read(name, now_ms())
bucket_refill(b, { tonumber(ARGV[8]), tonumber(ARGV[9]) }, share)
local want = { 1, tonumber(ARGV[5]) }
local wait = math.max(0, b.closed - b.now)
local taken = {}
for i, kind in ipairs(KINDS) do
	local k = b[kind]
	local need = math.min(want[i], k.cap) -- more than a whole bucket never comes together
	taken[i] = need
	if need > 0 and k.level < need then wait = math.max(wait, (need - k.level) / k.per_ms) end
	if need > 0 and is_batch and b.waits > b.now then
		local part = math.min(need, k.cap * share)
		if share == 0 then
			wait = math.max(wait, b.waits - b.now)
		elseif k.batch < part then
			wait = math.max(wait, (part - k.batch) / (k.per_ms * share))
		end
	end
end
if wait > 0 then
	wait = math.ceil(wait)
	if not is_batch then b.waits = math.max(b.waits, b.now + wait + SLACK_MS) end
	bucket_write(name, b)
	return { 'WAIT', wait }
end
for i, kind in ipairs(KINDS) do
	b[kind].level = b[kind].level - taken[i]
	if is_batch then b[kind].batch = math.max(0, b[kind].batch - taken[i]) end
end
bucket_write(name, b)
call('HSET', call_key(id), 'tokens', text_of(taken[2]), 'batch', is_batch and 1 or 0)
call('EXPIRE', call_key(id), CALL_SEC)
return { 'OK', 0 }

-- SPDX-License-Identifier: MIT
-- limit.lua - the bucket of one provider and model: what may be asked a minute, by all
-- hosts together. Fields of its hash, for requests (q) and tokens (t): limit and rate as
-- the provider told them, level now, batch level now (what agents of class batch may use
-- while interactive jobs wait). A bound that nobody configured or told is 0: none.
local LEARNED_MS, CALL_SEC = 600000, 900
local KINDS = { 'q', 't' }
local function rate_key(name) return P .. 'limit:rate:' .. name end
local function call_key(id) return P .. 'limit:call:' .. id end
local function text_of(n) return string.format('%.3f', n) end

local function bucket_read(name, now)
	local h = call('HMGET', rate_key(name), 'at', 'told', 'closed', 'waits', 'q_limit',
		'q_rate', 'q', 'q_batch', 't_limit', 't_rate', 't', 't_batch')
	local function n(i) return tonumber(h[i] or '') or 0 end
	local at = h[1] and n(1) or now
	local back = math.max(0, at - now) -- the server's clock was set back by that
	local told = n(2) - back > now
	return { now = now, at = at - back, told = n(2) - back, closed = n(3) - back,
		waits = n(4) - back,
		q = { limit = told and n(5) or 0, rate = told and n(6) or 0,
			level = h[7] and n(7), batch = h[8] and n(8) },
		t = { limit = told and n(9) or 0, rate = told and n(10) or 0,
			level = h[11] and n(11), batch = h[12] and n(12) } }
end

-- Lets time flow in, under the tighter of the bound that the configuration sets and the
-- one that the provider told.
local function bucket_refill(b, configured, share)
	for i, kind in ipairs(KINDS) do
		local k, own = b[kind], configured[i]
		k.cap, k.per_ms = own, own / 60000
		if k.limit > 0 and (own == 0 or k.rate < k.per_ms) then
			k.cap, k.per_ms = k.limit, k.rate
		end
		local gone = math.max(0, b.now - b.at)
		if k.cap == 0 then k.level, k.batch = 0, 0 end
		k.level = math.min(k.cap, (k.level or k.cap) + gone * k.per_ms)
		k.batch = math.min(k.cap * share, (k.batch or k.cap * share) + gone * k.per_ms * share)
	end
end

local function bucket_write(name, b)
	local key = rate_key(name)
	call('HSET', key, 'at', string.format('%.0f', b.now), 'told', string.format('%.0f', b.told),
		'closed', string.format('%.0f', b.closed), 'waits', string.format('%.0f', b.waits),
		'q', text_of(b.q.level), 'q_batch', text_of(b.q.batch),
		't', text_of(b.t.level), 't_batch', text_of(b.t.batch))
	call('EXPIRE', key, 86400)
end

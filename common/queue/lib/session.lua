-- SPDX-License-Identifier: MIT
-- session.lua - a session: a list of turns, oldest first, each a JSON object with the
-- job_id it came from and at_ms, when that job ended. A job has one turn at most: the
-- same turn again changes nothing, another run of the job takes the place of the former.
-- What is older than the session could be, or than all that a full one holds, is a late
-- copy and no turn.
local function session_turn(key, id, turn, at, ttl, max, now)
	local kind = call('TYPE', key).ok
	if kind ~= 'list' and kind ~= 'none' then return end
	if at + ttl * 1000 <= now then return end
	local turns = call('LRANGE', key, 0, -1)
	for i, e in ipairs(turns) do
		local ok, t = pcall(cjson.decode, e)
		if not ok or type(t) ~= 'table' then t = {} end
		if i == 1 and #turns >= max and at < (tonumber(t.at_ms) or 0) then return end
		if t.job_id == id then
			if e == turn or at < (tonumber(t.at_ms) or 0) then return end
			call('LREM', key, 1, e)
		end
	end
	call('RPUSH', key, turn)
	call('LTRIM', key, -max, -1)
	call('EXPIRE', key, ttl)
end

-- The arguments of that, from the place on; none, or an empty key: the job has no session.
local function session_note(id, first, now)
	local key = ARGV[first]
	if not key or key == '' then return end
	session_turn(key, id, ARGV[first + 1], tonumber(ARGV[first + 2]),
		tonumber(ARGV[first + 3]), tonumber(ARGV[first + 4]), now)
end

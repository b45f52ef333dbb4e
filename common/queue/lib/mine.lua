-- SPDX-License-Identifier: MIT
-- mine.lua - the fence: is the job still this holder's, under this token?
-- Answers the fields when it is; nil and the fields when it is not.
local function mine(holder, id, token)
	local j = call('HMGET', job_key(id), 'state', 'holder', 'token', 'last', 'cancel',
		'alone', 'reserved')
	local f = { state = j[1], holder = j[2], token = j[3], last = j[4],
		cancel = j[5] and 1 or 0, is_alone = j[6] == '1', reserved = j[7] }
	if f.state == 'held' and f.holder == holder and f.token == token and
			is_live(holder) then
		return f, f
	end
	return nil, f
end

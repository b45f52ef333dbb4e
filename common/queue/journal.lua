-- SPDX-License-Identifier: MIT
-- journal(holder, id, token, index, record, turn, tokens, usd): appends record number
-- index; one that holds an answer settles what was reserved for the call of that turn (''
-- for none). Answers the cancel flag and the length. ALREADY: that record stands there,
-- byte for byte.
--@include head
--@include mine
--@include budget
local holder, id, token, index, record = ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6]), ARGV[7]
local f = mine(holder, id, token)
if not f then return { 'FENCED' } end
local key = P .. 'journal:' .. id
local len = call('LLEN', key)
if len == index then
	call('RPUSH', key, record)
	if ARGV[8] ~= '' then
		settle_turn(id, f.reserved, token .. ':' .. ARGV[8], ARGV[9], ARGV[10])
	end
	return { 'OK', f.cancel, len + 1 }
end
if len > index and call('LINDEX', key, index) == record then
	return { 'ALREADY', f.cancel, len }
end
return { 'MISMATCH', f.cancel, len }

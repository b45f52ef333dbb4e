-- SPDX-License-Identifier: MIT
-- journal(holder, id, token, index, record): appends record number index. Answers the
-- cancel flag and the length. ALREADY: that record stands there, byte for byte.
--@include head
--@include mine
local holder, id, token, index, record = ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6]), ARGV[7]
local f = mine(holder, id, token)
if not f then return { 'FENCED' } end
local key = P .. 'journal:' .. id
local len = call('LLEN', key)
if len == index then
	call('RPUSH', key, record)
	return { 'OK', f.cancel, len + 1 }
end
if len > index and call('LINDEX', key, index) == record then
	return { 'ALREADY', f.cancel, len }
end
return { 'MISMATCH', f.cancel, len }

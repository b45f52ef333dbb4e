-- SPDX-License-Identifier: MIT
-- session_read(key): seconds until it expires (-2: there is none), and its turns.
--@include head
local key = ARGV[3]
if call('TYPE', key).ok ~= 'list' then return { 'OK', -2, {} } end
return { 'OK', call('TTL', key), call('LRANGE', key, 0, -1) }

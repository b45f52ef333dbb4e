-- SPDX-License-Identifier: MIT
-- cache_get(key): the text that is kept there, '' when there is none.
--@include head
local key = ARGV[3]
if call('TYPE', key).ok ~= 'string' then return { 'OK', '' } end
return { 'OK', call('GET', key) or '' }

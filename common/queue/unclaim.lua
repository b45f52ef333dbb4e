-- SPDX-License-Identifier: MIT
-- unclaim(holder, element, is_id): hands back what was taken and not begun.
--@include head
local holder, element, is_id = ARGV[3], ARGV[4], ARGV[5] == '1'
local list = is_id and P .. 'jobs:alone' or JOBS
if not is_live(holder) then return { 'FENCED' } end
call('LLEN', list)
if call('LREM', held_key(holder), 1, element) == 0 then return { 'ALREADY' } end
call('LPUSH', list, element)
return { 'OK' }

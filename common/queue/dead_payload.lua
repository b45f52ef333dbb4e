-- SPDX-License-Identifier: MIT
-- dead_payload(holder, raw, reason, detail): a payload without a readable job id.
--@include head
--@include dead
local holder, raw, reason, detail = ARGV[3], ARGV[4], ARGV[5], ARGV[6]
if not is_live(holder) then return fenced(holder) end
call('LLEN', P .. 'dead')
if call('LREM', held_key(holder), 1, raw) == 0 then return { 'ALREADY' } end
dead_letter('', raw, reason, detail, now_ms())
count('unreadable')
return { 'OK' }

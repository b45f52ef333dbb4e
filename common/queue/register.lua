-- SPDX-License-Identifier: MIT
-- register(holder, beat): the holder exists from now on. Names are never used twice, so a
-- name that is already there is this call's own earlier success.
--@include head
local holder, beat = ARGV[3], ARGV[4]
if call('ZSCORE', P .. 'fenced', holder) then return { 'FENCED' } end
if is_live(holder) then return { 'ALREADY' } end
call('ZADD', P .. 'holders', beat, holder)
return { 'OK' }

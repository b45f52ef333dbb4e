-- SPDX-License-Identifier: MIT
-- settle(holder, id, token, turn, tokens, usd): the call of that turn brought no answer to
-- journal; what it cost all the same is charged, and its reservation given back.
--@include head
--@include mine
--@include budget
local f = mine(ARGV[3], ARGV[4], ARGV[5])
if not f then return { 'FENCED' } end
local is_done = settle_turn(ARGV[4], f.reserved, ARGV[5] .. ':' .. ARGV[6], ARGV[7], ARGV[8])
return { is_done and 'OK' or 'ALREADY' }

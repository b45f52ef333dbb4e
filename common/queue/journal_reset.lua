-- SPDX-License-Identifier: MIT
-- journal_reset(holder, id, token): forget the journal, for a job that runs again from its
-- beginning because the journalled course led to its failure.
--@include head
--@include mine
local holder, id, token = ARGV[3], ARGV[4], ARGV[5]
if not mine(holder, id, token) then return { 'FENCED' } end
call('DEL', P .. 'journal:' .. id)
return { 'OK' }

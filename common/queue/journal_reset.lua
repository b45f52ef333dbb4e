-- SPDX-License-Identifier: MIT
-- journal_reset(holder, id, token): forget the journal, for a job that runs again from its
-- beginning because the journalled course led to its failure. From here on it is a run
-- like any other: what it journals is kept when it resumes.
--@include head
--@include mine
local holder, id, token = ARGV[3], ARGV[4], ARGV[5]
if not mine(holder, id, token) then return { 'FENCED' } end
call('DEL', P .. 'journal:' .. id)
call('HDEL', job_key(id), 'rerun')
return { 'OK' }

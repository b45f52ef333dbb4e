-- SPDX-License-Identifier: MIT
-- bury(holder, id, token, message, ttl, completion queue, reason, detail, [session as in
--      finish]): the job ends as dead: the failed result is published and the dead letter
-- filed in one step.
--@include head
--@include dead
--@include publish
--@include mine
--@include budget
--@include terminal
--@include session
local id, reason, detail = ARGV[4], ARGV[9], ARGV[10]
return finish(ARGV[3], id, ARGV[5], 'dead', ARGV[6], ARGV[7], ARGV[8], function(at)
	dead_letter(id, call('HGET', job_key(id), 'payload') or '', reason, detail, at, ARGV[5])
	session_note(id, 11, at)
end)

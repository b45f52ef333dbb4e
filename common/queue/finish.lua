-- SPDX-License-Identifier: MIT
-- finish(holder, id, token, state, message, ttl, completion queue, [session key, turn,
--        at_ms, session ttl, most turns]): the job ends as done or failed; message is the
-- one that the store holds; its session gets a turn in the same step.
--@include head
--@include publish
--@include mine
--@include budget
--@include terminal
--@include session
return finish(ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8], ARGV[9], function(at)
	session_note(ARGV[4], 10, at)
end)

-- SPDX-License-Identifier: MIT
-- finish(holder, id, token, state, message, ttl, completion queue): the job ends as done
-- or failed; message is the one that the store holds.
--@include head
--@include publish
--@include mine
--@include budget
--@include terminal
return finish(ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8], ARGV[9])

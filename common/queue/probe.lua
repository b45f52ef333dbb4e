-- SPDX-License-Identifier: MIT
-- probe(name, holder, sec): may this worker try whether that provider is back? One of all
-- hosts may, for so long; it gives the right up by DEL when the provider answers.
--@include head
local key, holder = P .. 'limit:probe:' .. ARGV[3], ARGV[4]
if call('HSETNX', key, 'holder', holder) == 1 then
	call('EXPIRE', key, ARGV[5])
	return { 'OK' }
end
return { call('HGET', key, 'holder') == holder and 'ALREADY' or 'BUSY' }

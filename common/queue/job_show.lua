-- SPDX-License-Identifier: MIT
-- job_show(id): the job's fields but payload and message, and what belongs to it.
--@include head
local id = ARGV[3]
local key = job_key(id)
local fields = {}
local all = call('HGETALL', key)
for i = 1, #all, 2 do
	if all[i] ~= 'payload' and all[i] ~= 'message' then
		fields[#fields + 1] = all[i]
		fields[#fields + 1] = all[i + 1]
	end
end
return { 'OK', call('TTL', key), call('LLEN', P .. 'journal:' .. id),
	call('LLEN', RESULTS .. ':' .. id), fields }

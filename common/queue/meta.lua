-- SPDX-License-Identifier: MIT
-- meta(protocol, store id): the first daemon writes who this queue belongs to; later ones
-- must agree. Other queue names are refused while anybody works under the present ones.
--@include head
local key, protocol, store = P .. 'meta', ARGV[3], ARGV[4]
local m = call('HMGET', key, 'protocol', 'store_id', 'jobs', 'results')
if m[1] and m[1] ~= protocol then return { 'OTHER', 'protocol', m[1] } end
if store ~= '' and m[2] and m[2] ~= store then return { 'OTHER', 'store', m[2] } end
if call('ZCARD', P .. 'holders') > 0 then
	if m[3] and m[3] ~= JOBS then return { 'OTHER', 'queue.jobs', m[3] } end
	if m[4] and m[4] ~= RESULTS then return { 'OTHER', 'queue.results_prefix', m[4] } end
end
call('HSET', key, 'protocol', protocol, 'jobs', JOBS, 'results', RESULTS)
if store ~= '' then call('HSET', key, 'store_id', store) end
return { 'OK', '', '' }

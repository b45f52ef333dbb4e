-- SPDX-License-Identifier: MIT
-- dead_drop(element): the letter leaves the list for good.
--@include head
if call('LREM', P .. 'dead', 1, ARGV[3]) == 0 then return { 'GONE', '' } end
count('dead_dropped')
return { 'OK', '' }

-- SPDX-License-Identifier: MIT
-- cache_put(key, text, ttl): keeps a text for so many seconds.
--@include head
call('SET', ARGV[3], ARGV[4], 'EX', ARGV[5])
return { 'OK' }

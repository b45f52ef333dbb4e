-- SPDX-License-Identifier: MIT
-- rights(lines, completion queue): which of these commands may this user not run? A line is
-- a command with its arguments; the words in capitals below stand for keys. Before
-- Redis 7 nobody can tell.
--@include head
local stand = { KEY = P .. 'meta', JOBS = JOBS, RESULT = RESULTS .. ':x',
	COMPLETION = ARGV[4], CHANNEL = P .. 'cancel' }
local refused = {}
for line in (redis.acl_check_cmd and ARGV[3] or ''):gmatch('[^\n]+') do
	local words = {}
	for w in line:gmatch('%S+') do words[#words + 1] = stand[w] or w end
	if not (ARGV[4] == '' and line:find('COMPLETION', 1, true)) and
			not redis.acl_check_cmd(unpack(words)) then
		refused[#refused + 1] = table.concat(words, ' ')
	end
end
return { 'OK', refused[1] or '', #refused }

-- SPDX-License-Identifier: MIT
-- beat(beat, holders one a line): a new beat for each registered holder; answers those
-- that are fenced. A holder that has not registered yet is left alone.
--@include head
local beat, fenced = ARGV[3], {}
for holder in ARGV[4]:gmatch('[^\n]+') do
	if is_live(holder) then
		call('ZADD', P .. 'holders', 'XX', beat, holder)
	elseif call('ZSCORE', P .. 'fenced', holder) then
		fenced[#fenced + 1] = holder
	end
end
return { 'OK', fenced }

-- SPDX-License-Identifier: MIT
-- finding.lua - rows of fsck: {severity, what, remedy, was it repaired}.
local rows, repair = {}, ARGV[3] == '1'

local function found(severity, what, remedy, mend)
	local done = 0
	if repair and mend then
		mend()
		done = 1
	end
	rows[#rows + 1] = { severity, what, remedy, done }
end

local function has_type(key, want)
	local is = call('TYPE', key).ok
	if is == want or is == 'none' then return true end
	found('error', 'is a ' .. is .. ', not a ' .. want, 'move it away by hand')
	return false
end

-- SPDX-License-Identifier: MIT
-- dead.lua - the dead letter: one JSON text on the list "dead", newest first.
-- A payload that is not UTF-8 is written with every byte above 127 as the character of
-- that number ("encoding":"latin1"), which is reversible and cheap. token is the one under
-- which the job was buried: its row in the store has no higher one.
local function is_utf8(s)
	if not s:find('[\128-\255]') then return true end
	s = s:gsub('[\194-\223][\128-\191]', ' ')
	s = s:gsub('\224[\160-\191][\128-\191]', ' '):gsub('\237[\128-\159][\128-\191]', ' ')
	s = s:gsub('[\225-\236\238\239][\128-\191][\128-\191]', ' ')
	s = s:gsub('\240[\144-\191][\128-\191][\128-\191]', ' ')
	s = s:gsub('\244[\128-\143][\128-\191][\128-\191]', ' ')
	s = s:gsub('[\241-\243][\128-\191][\128-\191][\128-\191]', ' ')
	return not s:find('[\128-\255]')
end

local function widen(s)
	return (s:gsub('[\128-\255]', function(c)
		local b = c:byte()
		return string.char(b < 192 and 194 or 195, b < 192 and b or b - 64)
	end))
end

local function narrow(s)
	return (s:gsub('([\194\195])([\128-\191])', function(a, b)
		return string.char(a == '\194' and b:byte() or b:byte() + 64)
	end))
end

local function dead_letter(id, payload, reason, detail, at, token)
	local text = cjson.encode
	local encoding = 'utf-8'
	if not is_utf8(payload) then
		payload, encoding = widen(payload), 'latin1'
	end
	if not is_utf8(detail) then detail = widen(detail) end
	call('LPUSH', P .. 'dead', '{"job_id":' .. (id == '' and 'null' or text(id)) ..
		',"reason":' .. text(reason) .. ',"detail":' .. text(detail) ..
		',"at_ms":' .. string.format('%.0f', at) ..
		(token and ',"token":' .. token or '') ..
		',"encoding":"' .. encoding .. '","payload":' .. text(payload) .. '}')
end

local function dead_decode(element)
	local ok, letter = pcall(cjson.decode, element)
	if not ok or type(letter) ~= 'table' or type(letter.payload) ~= 'string' then
		return nil
	end
	if type(letter.job_id) ~= 'string' then letter.job_id = '' end
	if letter.encoding == 'latin1' then letter.payload = narrow(letter.payload) end
	return letter
end

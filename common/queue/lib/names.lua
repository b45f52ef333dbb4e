-- SPDX-License-Identifier: MIT
-- names.lua - whose payload is it? One that is too long or cannot be read is nobody's.
local function id_of(payload)
	if #payload > 65536 then return nil end
	local ok, doc = pcall(cjson.decode, payload)
	local id = ok and type(doc) == 'table' and doc.job_id
	return type(id) == 'string' and id or nil
end

-- A text that does not hold the id byte for byte is not read at all.
local function names(payload, id)
	return payload:find(id, 1, true) and id_of(payload) == id
end

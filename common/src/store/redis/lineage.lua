-- Where logs come from. A lineage is the ids of a log and of those before it, newest first, 16 bytes each.
local function is_among(log, lineage)
  for i = 1, #lineage, 16 do
    if string.sub(lineage, i, i + 15) == log then return true end
  end
  return false
end

-- How the store's log stands to an issuer's lineage: "same"; "back", the store shows a log that the issuer
-- left, so it went back; "on", it goes on from the issuer's log or from one before it; or "other".
local function descent(at, lineage)
  if at.log == string.sub(lineage, 1, 16) then return 'same' end
  if is_among(at.log, lineage) then return 'back' end
  local before = at.before or at.parent or ''
  for i = 1, #lineage, 16 do
    if is_among(string.sub(lineage, i, i + 15), before) then return 'on' end
  end
  return 'other'
end


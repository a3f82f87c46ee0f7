-- Where a cursor is: nil on the log, or why it is not. A cursor whose entry was trimmed away is on the
-- log as long as the entry after it names it.
local function place_of(at, log, revision, fingerprint)
  local last = tonumber(at.revision)
  if revision > last then return 'beyond' end
  local function field(of, name)
    local id = string.format('%.0f-0', of)
    local found = redis.call('XRANGE', log, id, id)[1]
    if not found then return nil end
    local fields = found[2]
    for i = 1, #fields, 2 do
      if fields[i] == name then return fields[i + 1] end
    end
  end
  local there
  if revision == last then there = at.fingerprint
  elseif revision == 0 then there = field(1, 'p')
  else there = field(revision, 'f') or field(revision + 1, 'p') end
  if not there then return 'trimmed' end
  if there ~= fingerprint then return 'fork' end
end


-- Who is on the roster. Before the scripts that may change it.
-- When the first issuer came to this stream. Nobody is silent who had no lease's time to come to it: a
-- server that was away for long, or went back to an older state, holds old times of everybody.
local function begun_of(at, head, stream, now)
  local begun = string.match(at.stream or '', '^' .. stream .. ' (%d+)$')
  if not begun then
    begun = string.format('%.0f', now)
    at.stream = stream .. ' ' .. begun
    redis.call('HSET', head, 'stream', at.stream)
  end
  return tonumber(begun)
end

local function set_roster(at, head, roster)
  at.roster = roster
  at.version = string.format('%.0f', tonumber(at.version or '0') + 1)
  redis.call('HSET', head, 'roster', roster, 'version', at.version)
end

local function strike_off(at, head, stream, id)
  local rest = {}
  for other in string.gmatch(at.roster or '', '[^,]+') do
    if other ~= id then rest[#rest + 1] = other end
  end
  set_roster(at, head, table.concat(rest, ','))
  local function forget(field)
    at[field] = nil
    redis.call('HDEL', head, field)
  end
  forget('m:' .. id)
  -- Its vouch for this stream stays: others may demand it until they remember this roster.
  for field, vouch in pairs(at) do
    local of = string.match(field, '^v:(.+)$')
    if of and not is_listed(at, of) and not string.find(vouch, stream .. ' ', 1, true) then
      forget(field)
    end
  end
end

-- Strikes off all others that came longer ago than the lease.
local function strike_off_silent(at, head, stream, me, now, lease)
  local begun = begun_of(at, head, stream, now)
  for id in string.gmatch(at.roster or '', '[^,]+') do
    local last = tonumber(string.match(at['m:' .. id] or '', '^(%d+)') or '0')
    if id ~= me and now - math.max(last, begun) > lease then strike_off(at, head, stream, id) end
  end
end


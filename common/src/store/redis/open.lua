-- Opens a history where an issuer misses what it acknowledged: a new log id, and revision and serial
-- past all that was ever heard of. Nobody has vouched for it yet, and it lacks what its opener and the
-- others remember until `settle.lua`.
-- KEYS: head, log, histories. ARGV: the lineage of its log, issuer, stream, revision, fingerprint, version of the
-- roster and roster that it remembers, new log id, new fingerprint, serial that it heard of, jump, log
-- id in hexadecimal; revision and fingerprint of the state that it holds.
-- Answers "opened", the revision at which the store stood, and whether that holds all of this state; or
-- what else is so.
local at = {}
do
  local flat = redis.call('HGETALL', KEYS[1])
  for i = 1, #flat, 2 do at[flat[i]] = flat[i + 1] end
end
if not at.log then return {'gone'} end
if at.log == ARGV[8] then return {'opened', at.fork, at.whole} end
local how = descent(at, ARGV[1])
if how == 'on' then return {'reopened'} end
if how == 'other' then return {'other'} end
if stream_of() ~= ARGV[3] then return {'moved'} end
local version = tonumber(at.version or '0')
local lacks = how == 'back' or place_of(at, KEYS[2], tonumber(ARGV[4]), ARGV[5])
  or version < tonumber(ARGV[6])
  or (version == tonumber(ARGV[6]) and (at.roster or '') ~= ARGV[7])
if not lacks then return {'found'} end
local holds = how == 'same' and not place_of(at, KEYS[2], tonumber(ARGV[13]), ARGV[14])
local whole = holds and '1' or '0'

local function text(number) return string.format('%.0f', number) end
local time = redis.call('TIME')
local now = text(tonumber(time[1]) * 1000000 + tonumber(time[2]))
local roster, fields = at.roster or '', {}
for id in string.gmatch(ARGV[7], '[^,]+') do
  if not is_listed({roster = roster}, id) then roster = roster == '' and id or roster .. ',' .. id end
end
for id in string.gmatch(roster, '[^,]+') do
  if not at['m:' .. id] then
    fields[#fields + 1] = 'm:' .. id
    fields[#fields + 1] = now .. ' 0'
  end
end
for field in pairs(at) do
  local kind = string.sub(field, 1, 2)
  if kind == 'v:' or kind == 'd:' then redis.call('HDEL', KEYS[1], field) end
end
redis.call('HDEL', KEYS[1], 'settled', 'settledf')
local jump = tonumber(ARGV[11])
local revision = text(math.max(tonumber(at.revision), tonumber(ARGV[4]), tonumber(ARGV[13])) + jump)
local serial = text(math.max(tonumber(at.serial), tonumber(ARGV[10])) + jump)
redis.call('HSET', KEYS[1], 'log', ARGV[8], 'parent', string.sub(ARGV[1], 1, 16),
  'before', ARGV[1], 'opener', ARGV[2],
  'fork', at.revision, 'whole', whole, 'revision', revision, 'fingerprint', ARGV[9], 'serial', serial,
  'version', text(math.max(version, tonumber(ARGV[6])) + 1), 'roster', roster, unpack(fields))
redis.call('UNLINK', KEYS[2])
redis.call('RPUSH', KEYS[3], table.concat({
  now, ARGV[12], at.revision, ARGV[4], at.serial, ARGV[10], revision, serial}, ' '))
return {'opened', at.revision, whole}

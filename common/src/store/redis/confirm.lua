-- Is a cursor on the log? If it is: writes a receipt, so that the answer leaves only once this is
-- durable. What was seen is noted by what follows this, and that answers. KEYS[1]: the receipts; the
-- head and the log are not declared, for a follower's user may only read them.
-- ARGV: head, stream, log id, revision, fingerprint, follower, its bound in ms (0: none), the log id
-- in hexadecimal, the prefix of the pages of used tokens; then for each used token its id and hour.
-- Answers "on", the time in ms, the head, how many followers' notes wait; or why not.
local head = redis.call('HGETALL', ARGV[1])
local at = {}
for i = 1, #head, 2 do at[head[i]] = head[i + 1] end
if not at.log then return {'gone'} end
if at.log ~= ARGV[3] then return {'other'} end

local applied, last = tonumber(ARGV[4]), tonumber(at.revision)
if applied > last then return {'beyond'} end

local function field(revision, name)
  local id = string.format('%.0f-0', revision)
  local found = redis.call('XRANGE', ARGV[2], id, id)[1]
  if not found then return nil end
  local fields = found[2]
  for i = 1, #fields, 2 do
    if fields[i] == name then return fields[i + 1] end
  end
end

local there
if applied == last then there = at.fingerprint
elseif applied == 0 then there = field(1, 'p')
else there = field(applied, 'f') or field(applied + 1, 'p') end
if not there then return {'trimmed'} end
if there ~= ARGV[5] then return {'fork'} end

local time = redis.call('TIME')
local micros = tonumber(time[1]) * 1000000 + tonumber(time[2])
redis.call('HSET', KEYS[1], ARGV[6],
  ARGV[4] .. ' ' .. string.format('%.0f', micros) .. ' ' .. ARGV[7] .. ' ' .. ARGV[8])
local millis = string.format('%.0f', math.floor(micros / 1000))

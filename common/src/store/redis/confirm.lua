#!lua flags=allow-oom
-- Is a cursor on the log? If it is: writes a receipt, so that the answer leaves only once this is
-- durable. KEYS[1]: the receipts; the head and the log are not declared, for a follower's user may
-- only read them. ARGV: head, stream, log id, revision, fingerprint, follower.
-- Answers "on", the time in ms, the head; or why not.
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
local now = string.format('%.0f', tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000))
redis.call('HSET', KEYS[1], ARGV[6], ARGV[4] .. ' ' .. now)
return {'on', now, head}

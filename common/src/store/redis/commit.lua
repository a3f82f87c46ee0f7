-- A group of commits, each all or nothing, in order.
-- ARGV, after what buckets.lua takes: the issuer, its stream, the mode of `judged`, the commits. A commit: how many arguments follow it, request id,
-- fingerprint, response, changes, the expectations' count, the expectations in runs of one letter and
-- kind (letter, kind, how many, the arguments of each), the writes.
-- Answers what `opening` in script.rs takes, and for each commit a letter and what belongs to it: C committed, R repeated (cursor
-- and response), X conflict (the expectation's index). Or only why nothing is written.
--
-- An error rolls nothing back: all checks of a commit come before its first write, and the entry is
-- the first write, so that a half-written commit makes the next one fail instead of going unseen.
local since = judged(head, ARGV[3], ARGV[4], ARGV[5])
if type(since) == 'table' then return since end
local stream = prefix .. 'f:log'
local revision, fingerprint = tonumber(head.revision), head.fingerprint
local serial, revoked, bytes = head.serial, tonumber(head.revoked), tonumber(head.bytes)
local time = call('TIME')
local now = text(tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000))
-- Records in a bucket on average: one that isn't split yet holds up to twice as many. Looking one up
-- is a walk through the bucket: 64 took a tenth longer for 2 bytes of memory less a record.
local load = 32
-- Of one kind in one commit: as many as one needs that is as large as can be. A realm whose buckets
-- were filled higher comes down by and by.
local most_splits = 8
local changed = false

local function delete_all(key, fields)
  -- unpack fails at 8,000 values.
  for i = 1, #fields, 2000 do
    call('HDEL', key, unpack(fields, i, math.min(i + 1999, #fields)))
  end
end

-- Some records of one bucket go to a new last one: it begins as a copy, and each loses what is the
-- other's. Readers rely on records only moving upwards.
local function split(kind)
  local from = kind.buckets - kind.high / 2
  local old, new = kind.prefix .. text(from), kind.prefix .. text(kind.buckets)
  local stay, move = {}, {}
  for _, field in ipairs(call('HKEYS', old)) do
    local side = stay
    if unpack_number('>I4', field) % kind.high ~= from then side = move end
    side[#side + 1] = field
  end
  if #move > 0 then
    assert(call('COPY', old, new) == 1, 'a bucket stands behind the last')
    delete_all(new, stay)
    delete_all(old, move)
  end
  kind.buckets = kind.buckets + 1
  if kind.buckets == kind.high then kind.high = kind.high * 2 end
end

local function counted(kind, by)
  if by ~= 0 then
    kind.count = kind.count + by
    kind.changed = true
  end
end

-- A floor's value is its revision and its serial, each 8 bytes.
local function floor_of(value)
  if not value then return 0 end
  return (unpack_number('>I8', value, 9))
end

-- An org's view of a token: its last byte is its state, and what is revoked (4) stays.
local function is_final(value) return value and value:byte(-1) == 4 end

-- By letter, how many arguments an expectation has beside its kind, and whether it holds.
local width = {a = 1, u = 2, f = 2, n = 2}
local holds = {
  a = function(kind, field) return call('HEXISTS', bucket_of(kind, field), field) == 0 end,
  u = function(kind, field, since)
    local value = call('HGET', bucket_of(kind, field), field)
    return value and unpack_number('>I8', value) <= tonumber(since)
  end,
  f = function(kind, field, below)
    return floor_of(call('HGET', bucket_of(kind, field), field)) < tonumber(below)
  end,
  n = function(_, page, offset) return call('GETBIT', prefix .. 'f:bits:' .. page, offset) == 0 end,
}

-- An entry's fingerprint covers all that came before it: two logs that went apart and then took the
-- same commit at the same revision are not taken for one. `digest` covers the entry alone.
local function chained(predecessor, digest)
  local hex = redis.sha1hex(predecessor .. digest)
  return (string.gsub(string.sub(hex, 1, 32), '..', function(byte) return string.char(tonumber(byte, 16)) end))
end

local stamp, pages = nil, {}
-- Each takes the index of its first argument and answers the index after its last.
local write = {
  P = function(i)
    local kind, n = kind_of(ARGV[i]), tonumber(ARGV[i + 1])
    i = i + 2
    local added = 0
    for _ = 1, n do
      local field = ARGV[i]
      added = added + call('HSET', bucket_of(kind, field), field, stamp .. ARGV[i + 1])
      i = i + 2
    end
    counted(kind, added)
    return i
  end,
  V = function(i)
    local kind, n = kind_of(ARGV[i]), tonumber(ARGV[i + 1])
    i = i + 2
    local added = 0
    for _ = 1, n do
      local field = ARGV[i]
      local key = bucket_of(kind, field)
      if not is_final(call('HGET', key, field)) then
        added = added + call('HSET', key, field, stamp .. ARGV[i + 1])
      end
      i = i + 2
    end
    counted(kind, added)
    return i
  end,
  D = function(i)
    local kind, n = kind_of(ARGV[i]), tonumber(ARGV[i + 1])
    i = i + 2
    local gone = 0
    for _ = 1, n do
      gone = gone + call('HDEL', bucket_of(kind, ARGV[i]), ARGV[i])
      i = i + 1
    end
    counted(kind, -gone)
    return i
  end,
  -- To a serial, or to the counter; never down. Written even when it is that high already.
  F = function(i)
    local kind, field = kind_of(ARGV[i]), ARGV[i + 1]
    local to = tonumber(ARGV[i + 2] == '' and serial or ARGV[i + 2])
    local key = bucket_of(kind, field)
    to = math.max(to, floor_of(call('HGET', key, field)))
    counted(kind, call('HSET', key, field, stamp .. pack('>I8', to)))
    return i + 3
  end,
  R = function(i)
    local n = tonumber(ARGV[i])
    i = i + 1
    for _ = 1, n do
      local page = ARGV[i]
      if not pages[page] then
        call('SADD', prefix .. 'f:pages', page)
        pages[page] = true
      end
      if call('SETBIT', prefix .. 'f:bits:' .. page, ARGV[i + 1], 1) == 0 then revoked = revoked + 1 end
      i = i + 2
    end
    return i
  end,
  I = function(i)
    call('SADD', prefix .. 'i:o:' .. ARGV[i], ARGV[i + 1])
    return i + 2
  end,
  -- Members sort as their bytes: time, token. Both empty when there is none.
  E = function(i)
    local key, was, at = prefix .. 'i:expiries', ARGV[i], ARGV[i + 1]
    if was ~= '' then call('ZREM', key, was) end
    if at ~= '' then call('ZADD', key, 0, at) end
    return i + 2
  end,
  A = function(i)
    call('XADD', prefix .. 'i:audit', 'MAXLEN', '~', '100000', '*',
      'r', text(revision), 't', now, 'd', ARGV[i])
    return i + 1
  end,
}

-- The first of n expectations that doesn't hold; or nil, and where the writes begin. What is brought back
-- into an opened history held its expectations when it was acknowledged; the revisions that they name are
-- of the log before.
local function conflict(i, n)
  local compared = 0
  while compared < n do
    local held, step, kind = holds[ARGV[i]], width[ARGV[i]], kind_of(ARGV[i + 1])
    local run = tonumber(ARGV[i + 2])
    i = i + 3
    for e = 0, run - 1 do
      if ARGV[5] ~= 'bring' and not held(kind, ARGV[i], ARGV[i + 1]) then return compared + e end
      i = i + step
    end
    compared = compared + run
  end
  return nil, i
end

local requests_kept = '86400000'
local answers, at = {'ok', since, head.version or '0', head.roster or '', serial}, 6
while at <= #ARGV do
  local after = at + 1 + tonumber(ARGV[at])
  local request = prefix .. 'i:q:' .. ARGV[at + 1]
  local known = call('GET', request)
  local failed, i
  if not known then failed, i = conflict(at + 6, tonumber(ARGV[at + 5])) end
  if known then
    -- A write, so that the answer leaves only once this is durable.
    call('PEXPIRE', request, requests_kept)
    answers[#answers + 1] = 'R' .. known
  elseif failed then
    answers[#answers + 1] = 'X' .. text(failed)
  else
    local predecessor, changes = fingerprint, ARGV[at + 4]
    revision, bytes = revision + 1, bytes + #changes + 100
    fingerprint = chained(predecessor, ARGV[at + 2])
    stamp, changed = pack('>I8', revision), true
    call('XADD', stream, text(revision) .. '-0', 'f', fingerprint, 'p', predecessor,
      's', serial, 't', now, 'b', text(bytes), 'c', changes)
    call('SET', request, stamp .. fingerprint .. ARGV[at + 3], 'PX', requests_kept)
    while i < after do i = write[ARGV[i]](i + 1) end
    answers[#answers + 1] = 'C' .. stamp .. fingerprint
    for _, kind in pairs(kinds) do
      for _ = 1, most_splits do
        if kind.count <= load * kind.buckets then break end
        split(kind)
        kind.changed = true
      end
    end
  end
  at = after
end

if changed then
  local fields = {
    'revision', text(revision), 'fingerprint', fingerprint,
    'revoked', text(revoked), 'bytes', text(bytes),
  }
  for number, kind in pairs(kinds) do
    if kind.changed then
      for _, value in ipairs({
        'count' .. number, text(kind.count), 'buckets' .. number, text(kind.buckets),
      }) do fields[#fields + 1] = value end
    end
  end
  call('HSET', KEYS[1], unpack(fields))
end
return answers

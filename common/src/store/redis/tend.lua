-- An issuer comes by: it vouches for the stream if what it remembers is on the log, joins the roster,
-- and strikes off those that came too long ago.
-- KEYS: head, log. ARGV: the lineage of its log, issuer, stream, revision ('': it remembers nothing), fingerprint,
-- version of the roster and roster that it remembers, the lease in us, whether there is one data node
-- or an operator takes the server as it is, and what else: "" nothing, or "leave".
-- Answers "ok", the answer of `vouched` or '', version, roster, revision, fingerprint, serial, the
-- lowest version that another issuer remembers, and the lineage before this log; or "missing" and why, or what else is wrong.
local at = {}
do
  local flat = redis.call('HGETALL', KEYS[1])
  for i = 1, #flat, 2 do at[flat[i]] = flat[i + 1] end
end
if not at.log then return {'gone'} end
local how = descent(at, ARGV[1])
if how == 'other' then return {'other'} end
if how == 'on' then
  return {'reopened', at.log, at.fork, at.settled or '', at.settledf or '', at.version, at.roster}
end
local me, stream, remembers, alone = ARGV[2], ARGV[3], ARGV[4] ~= '', ARGV[9] == '1'
if stream_of() ~= stream then return {'moved'} end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local function came()
  return string.format('%.0f', now) .. ' ' .. ARGV[6]
end
begun_of(at, KEYS[1], stream, now)

if how == 'back' or remembers then
  local version = tonumber(at.version or '0')
  local why = how == 'back' and 'back' or place_of(at, KEYS[2], tonumber(ARGV[4]), ARGV[5])
  if not why and version < tonumber(ARGV[6]) then why = 'roster' end
  if not why and version == tonumber(ARGV[6]) and (at.roster or '') ~= ARGV[7] then why = 'roster' end
  if why then
    -- Who was struck off meanwhile lets its memory go: the others went on without it.
    local went_on = why ~= 'back' and version > tonumber(ARGV[6]) and not is_listed(at, me)
      and vouched(at, stream)
    redis.call('HDEL', KEYS[1], 'v:' .. me)
    -- It is alive: nobody goes on without what it remembers.
    if is_listed(at, me) then redis.call('HSET', KEYS[1], 'm:' .. me, came()) end
    return {went_on and 'forget' or 'missing', why}
  end
end

local function set(field, value)
  if at[field] == value then return end
  at[field] = value
  redis.call('HSET', KEYS[1], field, value)
end
local function vouch()
  local sync = alone and '-' or told_of('stats', 'sync_full:(%d+)') or '-'
  set('v:' .. me, stream .. ' ' .. sync .. ' ' .. (alone and '' or ARGV[7]))
end

if remembers and is_listed(at, me) then vouch() end
local since = vouched(at, stream)

-- On a stream that not everybody vouched for nobody joins and nobody is struck off. With one data node
-- there is none that forgot, so that one who is silent is taken for dead.
if since or alone then
  strike_off_silent(at, KEYS[1], stream, me, now, tonumber(ARGV[8]))
  since = vouched(at, stream)
end
if since and ARGV[10] == 'leave' then
  -- Of several data nodes one may know less than this issuer knew, so the last one stays: that nobody
  -- remembers is then seen.
  if is_listed(at, me) and (alone or at.roster ~= me) then
    strike_off(at, KEYS[1], stream, me)
  end
elseif since and remembers and not is_listed(at, me) then
  set_roster(at, KEYS[1], (at.roster or '') == '' and me or at.roster .. ',' .. me)
  vouch()
  since = vouched(at, stream)
end
if is_listed(at, me) then
  set('m:' .. me, came())
end
-- Nobody of the roster brings back anything any more: whoever opened this history is gone.
if since and at.opener and not at.settled then
  redis.call('HSET', KEYS[1], 'settled', at.revision, 'settledf', at.fingerprint)
end
local version = tonumber(at.version or '0')
local lowest = version
for id in string.gmatch(at.roster or '', '[^,]+') do
  local knows = tonumber(string.match(at['m:' .. id] or '', ' (%d+)$') or '0')
  if id ~= me and knows < lowest then lowest = knows end
end
return {'ok', since or '', string.format('%.0f', version), at.roster or '', at.revision,
  at.fingerprint, at.serial, string.format('%.0f', lowest), at.before or at.parent or ''}

-- Before every script that judges the stream. A stream is one uninterrupted time of one node as the
-- primary: a node that is demoted and promoted again, or restarted, has another. A server that hides
-- its stream has the empty one for ever, and then the operator vouches for it.
-- Of the head these are read: "roster", the issuers' ids by commas; "version", how often the roster
-- changed; "v:<id>", what an issuer vouched for: stream, full resyncs served until then, whom else it
-- demands; "m:<id>", when an issuer last came, in us, and the version of the roster that it remembers;
-- "stream", the newest stream and when the first issuer came to it.
local function told_of(section, pattern)
  local told = redis.pcall('INFO', section)
  if type(told) ~= 'string' then return nil end
  return string.match(told, pattern)
end

local function stream_of() return told_of('replication', 'master_replid:(%x+)') or '' end

local function is_listed(at, id)
  return string.find(',' .. (at.roster or '') .. ',', ',' .. id .. ',', 1, true) ~= nil
end

-- Whether every issuer that must has vouched for the stream: those of the roster, and those whom they
-- remember beside them. Answers the full resyncs served by the earliest vouch, '-' where they are
-- unknown; or nil.
local function vouched(at, stream)
  local needed = {}
  local function need(ids)
    for id in string.gmatch(ids, '[^,]+') do needed[id] = true end
  end
  local function vouch_of(id)
    local of, sync, others = string.match(at['v:' .. id] or '', '^(%x*) (%S+) (%S*)$')
    if of == stream then return sync, others end
  end
  need(at.roster or '')
  for id in string.gmatch(at.roster or '', '[^,]+') do
    local sync, others = vouch_of(id)
    if not sync then return nil end
    need(others)
  end
  local since
  for id in pairs(needed) do
    local sync = vouch_of(id)
    if not sync then return nil end
    if sync == '-' then since = '-'
    elseif since ~= '-' and (not since or tonumber(sync) < tonumber(since)) then since = sync end
  end
  return since or '-'
end


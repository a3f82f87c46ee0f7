#!lua
-- Makes a realm where there is none. KEYS: head, stream. ARGV: log id.
if redis.call('EXISTS', KEYS[1]) == 1 then
  -- The log id was drawn for this call: it made the realm, and its answer was lost.
  if redis.call('HGET', KEYS[1], 'log') == ARGV[1] then return 'made' end
  return 'there'
end
-- A log without its head is a loss, not a new realm.
if redis.call('EXISTS', KEYS[2]) == 1 then return 'headless' end
redis.call('HSET', KEYS[1], 'format', '1', 'log', ARGV[1], 'revision', '0',
  'fingerprint', string.rep('\0', 16), 'serial', '0', 'revoked', '0', 'bytes', '0')
return 'made'

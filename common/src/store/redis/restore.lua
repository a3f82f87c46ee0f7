#!lua
-- Makes a realm that is being restored, and ends that. KEYS: head, stream.
-- ARGV: log id; to make it also revision, fingerprint, serial, and the log id and cursor of its origin.
-- Such a realm has a format of its own, so that nobody opens it, whatever its version.
local log = redis.call('HGET', KEYS[1], 'log')
if #ARGV == 1 then
  if log ~= ARGV[1] then return 'other' end
  redis.call('HSET', KEYS[1], 'format', '1')
  return 'done'
end
if log then
  -- The log id was drawn for this call: it made the realm, and its answer was lost.
  if log == ARGV[1] then return 'made' end
  return 'there'
end
if redis.call('EXISTS', KEYS[2]) == 1 then return 'there' end
redis.call('HSET', KEYS[1], 'format', 'restoring', 'log', ARGV[1], 'revision', ARGV[2],
  'fingerprint', ARGV[3], 'serial', ARGV[4], 'revoked', '0', 'bytes', '0',
  'origin', ARGV[5], 'origin_cursor', ARGV[6])
return 'made'

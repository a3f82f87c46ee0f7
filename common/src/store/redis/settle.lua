-- The opener of a history has brought back all that was handed in. KEYS: head, what was handed in.
-- ARGV: log id, issuer. Answers "ok", the revision, the fingerprint, the version and the roster.
local at = {}
do
  local flat = redis.call('HGETALL', KEYS[1])
  for i = 1, #flat, 2 do at[flat[i]] = flat[i + 1] end
end
if at.log ~= ARGV[1] then return {'other'} end
if at.opener ~= ARGV[2] then return {'unlisted'} end
redis.call('HSET', KEYS[1], 'settled', at.revision, 'settledf', at.fingerprint)
redis.call('UNLINK', KEYS[2])
return {'ok', at.revision, at.fingerprint, at.version, at.roster}

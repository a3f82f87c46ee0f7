-- The next serial, by the issuer ARGV[2] on the stream ARGV[3], unless ARGV[4] is "any". KEYS[1]: the
-- head. ARGV[1]: log id. Answers what `opening` in script.rs takes, and the serial.
local at = {}
do
  local flat = redis.call('HGETALL', KEYS[1])
  for i = 1, #flat, 2 do at[flat[i]] = flat[i + 1] end
end
if not at.log then return {'gone'} end
if at.log ~= ARGV[1] then return {'other'} end
local since = judged(at, ARGV[2], ARGV[3], ARGV[4])
if type(since) == 'table' then return since end
return {'ok', since, at.version or '0', at.roster or '', redis.call('HINCRBY', KEYS[1], 'serial', 1)}

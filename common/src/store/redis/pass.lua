-- Gives out no serial up to ARGV[5] any more: the counter goes on after it. By the issuer ARGV[2] on the
-- stream ARGV[3], unless ARGV[4] is "any". KEYS[1]: the head. ARGV[1]: log id. Answers what `opening` in
-- script.rs takes, and the counter.
local at = {}
do
  local flat = redis.call('HGETALL', KEYS[1])
  for i = 1, #flat, 2 do at[flat[i]] = flat[i + 1] end
end
if not at.log then return {'gone'} end
if at.log ~= ARGV[1] then return {'other'} end
local since = judged(at, ARGV[2], ARGV[3], ARGV[4])
if type(since) == 'table' then return since end
local serial = math.max(tonumber(at.serial), tonumber(ARGV[5]))
-- Written even when it is that high already, so that the answer leaves only once this is durable.
redis.call('HSET', KEYS[1], 'serial', string.format('%.0f', serial))
return {'ok', since, at.version or '0', at.roster or '', serial}

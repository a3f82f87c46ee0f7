-- An issuer hands in what it remembers of the log before. KEYS: head, what is handed in. ARGV: log id,
-- issuer, whether this is the last piece, then fields and values.
-- Answers "ok", whether every issuer of the roster has handed in all, and who brings it back: whoever
-- opened the history, or another once that one was struck off.
local at = {}
do
  local flat = redis.call('HGETALL', KEYS[1])
  for i = 1, #flat, 2 do at[flat[i]] = flat[i + 1] end
end
if at.log ~= ARGV[1] then return {'other'} end
for i = 4, #ARGV, 2 do redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1]) end
if ARGV[3] == '1' then
  at['d:' .. ARGV[2]] = '1'
  redis.call('HSET', KEYS[1], 'd:' .. ARGV[2], '1')
end
if not is_listed(at, at.opener) and is_listed(at, ARGV[2]) and not at.settled then
  at.opener = ARGV[2]
  redis.call('HSET', KEYS[1], 'opener', ARGV[2], 'whole', '-')
end
local all = '1'
for id in string.gmatch(at.roster or '', '[^,]+') do
  if not at['d:' .. id] then all = '0' end
end
return {'ok', all, at.opener}

-- An issuer hands in what it remembers of the log before. KEYS: head, what is handed in. ARGV: log id,
-- issuer, stream, the lease in us, whether there is one data node, the serial that it heard of, how far
-- serials go on past that, whether this is the last piece, then fields and values.
-- Answers "ok", whether every issuer of the roster has handed in all, and who brings it back: whoever
-- opened the history, or another once that one was struck off. Or what else is so.
local at = {}
do
  local flat = redis.call('HGETALL', KEYS[1])
  for i = 1, #flat, 2 do at[flat[i]] = flat[i + 1] end
end
if at.log ~= ARGV[1] then return {'other'} end
-- What comes later than that is nobody's to bring back.
if at.settled then return {'settled'} end
local me, stream = ARGV[2], ARGV[3]
if stream_of() ~= stream then return {'moved'} end
for i = 9, #ARGV, 2 do redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1]) end
if tonumber(ARGV[6]) > tonumber(at.serial) then
  redis.call('HSET', KEYS[1], 'serial', string.format('%.0f', tonumber(ARGV[6]) + tonumber(ARGV[7])))
end
if is_listed(at, me) then
  local time = redis.call('TIME')
  local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
  local version = string.match(at['m:' .. me] or '', ' (%d+)$') or '0'
  redis.call('HSET', KEYS[1], 'm:' .. me, string.format('%.0f', now) .. ' ' .. version)
  -- As in `tend.lua`: with one data node there is none that forgot, so that one who is silent is dead.
  if ARGV[5] == '1' then strike_off_silent(at, KEYS[1], stream, me, now, tonumber(ARGV[4])) end
  if ARGV[8] == '1' then
    at['d:' .. me] = '1'
    redis.call('HSET', KEYS[1], 'd:' .. me, '1')
  end
  if not is_listed(at, at.opener) then
    at.opener = me
    redis.call('HSET', KEYS[1], 'opener', me, 'whole', '-')
  end
end
local all = '1'
for id in string.gmatch(at.roster or '', '[^,]+') do
  if not at['d:' .. id] then all = '0' end
end
return {'ok', all, at.opener}

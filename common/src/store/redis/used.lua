-- After confirm.lua, in a script, where the server has no functions: straight into the pages.
-- An hour never goes back, and what was never minted takes no room. 1,024 tokens to a page.
for i = 11, #ARGV, 2 do
  local token, hour = tonumber(ARGV[i]), tonumber(ARGV[i + 1])
  local key, offset = ARGV[9] .. string.format('%.0f', math.floor(token / 1024)), token % 1024 * 4
  local known = redis.call('GETRANGE', key, offset, offset + 3)
  local newer = #known < 4 or struct.unpack('>I4', known) < hour
  if newer and token <= tonumber(at.serial) then
    redis.call('SETRANGE', key, offset, struct.pack('>I4', hour))
  end
end
return {'on', millis, head, 0, since}

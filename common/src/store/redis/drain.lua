#!lua flags=allow-oom
-- Moves what followers have seen into the pages of used tokens. KEYS[1]: the hash where it waits.
-- ARGV: the head, the prefix of the pages. Answers how many followers' notes still wait.
-- A few fields a call: everyone else waits meanwhile. Whoever may write the hash may write anything
-- there, so what is malformed, was never minted or lies ahead is dropped.
local serial = tonumber(redis.call('HGET', ARGV[1], 'serial') or '0')
local now = tonumber(redis.call('TIME')[1]) / 3600
for _, follower in ipairs(redis.call('HRANDFIELD', KEYS[1], 4)) do
  local size = redis.call('HSTRLEN', KEYS[1], follower)
  if size <= 24576 and size % 12 == 0 then
    local notes = redis.call('HGET', KEYS[1], follower)
    for i = 1, size, 12 do
      local token, hour = struct.unpack('>I8I4', notes, i)
      if token >= 0 and token <= serial and hour <= now + 1 then
        local page, offset = math.floor(token / 1024), token % 1024 * 4
        local key = ARGV[2] .. string.format('%.0f', page)
        local known = redis.call('GETRANGE', key, offset, offset + 3)
        -- An hour never goes back.
        if #known < 4 or struct.unpack('>I4', known) < hour then
          redis.call('SETRANGE', key, offset, struct.pack('>I4', hour))
        end
      end
    end
  end
  redis.call('HDEL', KEYS[1], follower)
end
return redis.call('HLEN', KEYS[1])

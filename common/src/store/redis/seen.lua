-- After confirm.lua, in a function: what was seen waits in a hash, a field for each follower, until
-- an issuer moves it into the pages (drain.lua). A function runs with its caller's rights, and a
-- follower's user that could write pages could make them as large as it likes.
-- KEYS[2]: the hash. Where too much waits, as when no issuer runs, what comes is dropped.
local waiting = redis.call('HLEN', KEYS[2])
if #ARGV > 10 then
  local most_followers, most_bytes = 1024, 24576
  local noted = redis.call('HGET', KEYS[2], ARGV[6])
  if noted or waiting < most_followers then
    if not noted then waiting = waiting + 1 end
    local notes = {noted or ''}
    local room = most_bytes - #notes[1]
    for i = 11, #ARGV, 2 do
      if room < 12 then break end
      notes[#notes + 1] = struct.pack('>I8I4', tonumber(ARGV[i]), tonumber(ARGV[i + 1]))
      room = room - 12
    end
    redis.call('HSET', KEYS[2], ARGV[6], table.concat(notes))
  end
end
return {'on', millis, head, waiting, since}

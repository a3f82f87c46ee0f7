-- Is a cursor on the log of a stream that every issuer vouched for? If it is: writes a receipt, so that
-- the answer leaves only once this is durable. What was seen is noted by what follows this, and that
-- answers. KEYS[1]: the receipts; the head and the log are not declared, for a follower's user may only
-- read them.
-- ARGV: head, stream, log id, revision, fingerprint, follower, its bound in ms (0: none), the log id
-- in hexadecimal, the prefix of the pages of used tokens, whether the vouches are judged; then for each
-- used token its id and hour.
-- Answers "on", the time in ms, the head, how many followers' notes wait, the full resyncs served by
-- the earliest vouch; or why not.
local head = redis.call('HGETALL', ARGV[1])
local at = {}
for i = 1, #head, 2 do at[head[i]] = head[i + 1] end
if not at.log then return {'gone'} end
local since = '-'
if ARGV[10] == '1' then since = vouched(at, stream_of()) end
if not since then return {'unvouched'} end
if at.log ~= ARGV[3] then return {'other'} end
local lost = place_of(at, ARGV[2], tonumber(ARGV[4]), ARGV[5])
if lost then return {lost} end

local time = redis.call('TIME')
local micros = tonumber(time[1]) * 1000000 + tonumber(time[2])
redis.call('HSET', KEYS[1], ARGV[6],
  ARGV[4] .. ' ' .. string.format('%.0f', micros) .. ' ' .. ARGV[7] .. ' ' .. ARGV[8])
local millis = string.format('%.0f', math.floor(micros / 1000))

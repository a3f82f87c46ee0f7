#!lua
-- The next serial. KEYS[1]: the head. ARGV: log id.
local log = redis.call('HGET', KEYS[1], 'log')
if not log then return {'gone'} end
if log ~= ARGV[1] then return {'other'} end
return {'ok', redis.call('HINCRBY', KEYS[1], 'serial', 1)}

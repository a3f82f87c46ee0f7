-- The head and the buckets, before every script that needs them. KEYS[1]: the head.
-- ARGV: key prefix, log id. Answers only "gone" or "other" when this isn't the log meant.
--
-- Numbers are doubles: below 2^53, never through tostring. Strings are not compared by order
-- (strcoll would follow the server's locale): versions are unpacked first.
local call, pack, unpack_number, format = redis.call, struct.pack, struct.unpack, string.format
local prefix, log = ARGV[1], ARGV[2]

local head = {}
do
  local flat = call('HGETALL', KEYS[1])
  for i = 1, #flat, 2 do head[flat[i]] = flat[i + 1] end
end
if not head.log then return {'gone'} end
if head.log ~= log then return {'other'} end

local function text(number) return format('%.0f', number) end

-- Linear hashing: `high` is the smallest power of two above the number of buckets.
local kinds = {}
local function kind_of(number)
  local kind = kinds[number]
  if not kind then
    local buckets = tonumber(head['buckets' .. number] or '1')
    local high = 2
    while high <= buckets do high = high * 2 end
    local private = number == '7' or number == '32' or number == '33'
    local space = private and 'i:r' or 'f:r'
    kind = {
      count = tonumber(head['count' .. number] or '0'), buckets = buckets, high = high,
      prefix = prefix .. space .. number .. ':', changed = false, names = {},
    }
    kinds[number] = kind
  end
  return kind
end

local function bucket_of(kind, field)
  local hash = unpack_number('>I4', field)
  local bucket = hash % kind.high
  if bucket >= kind.buckets then bucket = hash % (kind.high / 2) end
  -- What is expected is most often written too.
  local name = kind.names[bucket]
  if not name then
    name = kind.prefix .. text(bucket)
    kind.names[bucket] = name
  end
  return name
end

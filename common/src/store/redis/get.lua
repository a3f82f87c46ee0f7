-- Stored values, nil where there is none. ARGV, after what buckets.lua takes: kind and field of each.
-- What is missing is missing for certain only on a stream that every issuer vouched for: a primary that
-- was just promoted may lack what was acknowledged.
local found, missed = {'ok'}, false
for i = 3, #ARGV, 2 do
  local value = call('HGET', bucket_of(kind_of(ARGV[i]), ARGV[i + 1]), ARGV[i + 1])
  missed = missed or not value
  found[#found + 1] = value
end
if missed and not vouched(head, stream_of()) then return {'unvouched'} end
return found

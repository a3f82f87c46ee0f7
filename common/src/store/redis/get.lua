-- Stored values, nil where there is none. ARGV, after what buckets.lua takes: kind and field of each.
local found = {'ok'}
for i = 3, #ARGV, 2 do
  found[#found + 1] = call('HGET', bucket_of(kind_of(ARGV[i]), ARGV[i + 1]), ARGV[i + 1])
end
return found

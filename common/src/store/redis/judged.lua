-- Whether this issuer may write on this stream: the answer of `vouched`, or the whole answer that
-- refuses. `mode` is "" in general, "bring" for what an opened history lacks, and "any" in a test.
local function judged(at, issuer, stream, mode)
  if mode == 'any' then return '-' end
  if stream_of() ~= stream then return {'moved'} end
  if not is_listed(at, issuer) then return {'unlisted'} end
  local since = vouched(at, stream)
  if mode == 'bring' then return at.opener == issuer and (since or '-') or {'unlisted'} end
  return since or {'unvouched'}
end


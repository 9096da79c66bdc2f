
-- Comments as they stand, and the outbox, read and drained apart from appends.

-- Whether an anchor's position is not in this history: one that is trimmed may have been.
local function is_gone(state, log, position)
  if position == '' then
    return false
  end
  local found = call('HMGET', state, 'position', 'base')
  return seq_of(position) >= seq_of(found[2]) and not is_in_history(log, position, found[1], found[2])
end

-- keys: state, log, comments; args: a comment, or nothing for all
-- reply: nothing, if the document is not there; or for each comment its id, itself, and 1 if its anchor's
--        position is not in this history
local function comments(keys, args)
  bind()
  if not call('HGET', keys[1], 'position') then
    return nil
  end
  local found
  if args[1] then
    local one = call('HGET', keys[3], args[1])
    found = one and { args[1], one } or {}
  else
    found = call('HGETALL', keys[3])
  end
  local reply, gone = {}, {}
  for i = 1, #found, 2 do
    if #found[i] == 33 and byte(found[i]) == 99 then
      local anchored = _G.cmsgpack.unpack(found[i + 1])[5]
      if gone[anchored] == nil then
        gone[anchored] = is_gone(keys[1], keys[2], anchored)
      end
      local n = #reply
      reply[n + 1], reply[n + 2], reply[n + 3] = found[i], found[i + 1], gone[anchored] and 1 or 0
    end
  end
  return reply
end

-- keys: a hash; args: most fields. Some of its fields with their values.
local function some_of(keys, args)
  bind()
  return call('HRANDFIELD', keys[1], args[1], 'WITHVALUES')
end

-- keys: a hash; args: fields with their values. Removes each that still has it.
local function done_with(keys, args)
  bind()
  for i = 1, #args, 2 do
    if call('HGET', keys[1], args[i]) == args[i + 1] then
      call('HDEL', keys[1], args[i])
    end
  end
  return 1
end

redis.register_function({
  function_name = '@LIBRARY@_comments',
  callback = comments,
  flags = { 'no-writes' },
})
redis.register_function({
  function_name = '@LIBRARY@_some_of',
  callback = some_of,
  flags = { 'no-writes' },
})
redis.register_function('@LIBRARY@_done_with', done_with)

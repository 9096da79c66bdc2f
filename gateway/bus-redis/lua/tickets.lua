
-- One-time tickets. A ticket is one key, named by the ticket's hash and gone by itself: a hash with
--   content    what the replica that made it wants to know later
--   redeemer   who redeemed it, once somebody did

-- keys: the ticket; args: content, milliseconds to live
local function ticket_keep(keys, args)
  bind()
  call('DEL', keys[1])
  call('HSET', keys[1], 'content', args[1])
  call('PEXPIRE', keys[1], args[2])
  return 1
end

-- keys: the ticket; args: redeemer, milliseconds for which the same one may come again
-- reply: the content, or nil
local function ticket_redeem(keys, args)
  bind()
  local found = call('HMGET', keys[1], 'content', 'redeemer')
  if not found[1] then
    return false
  end
  if not found[2] then
    call('HSET', keys[1], 'redeemer', args[1])
    if call('PTTL', keys[1]) > tonumber(args[2]) then
      call('PEXPIRE', keys[1], args[2])
    end
  elseif found[2] ~= args[1] then
    return false
  end
  return found[1]
end

redis.register_function('@LIBRARY@_ticket_keep', ticket_keep)
redis.register_function('@LIBRARY@_ticket_redeem', ticket_redeem)


-- What the user who asks may not do, of all that the gateway does with a document: one text for each,
-- a command and what it is applied to. The keys are declared like a document's; nothing is touched.
local function permits(keys, args)
  bind()
  local state, log, channel, probe = keys[1], keys[2], args[1], args[2]
  local needed = {
    { 'PING' },
    { 'TIME' },
    { 'EXISTS', log },
    { 'HGET', state, 'position' },
    { 'HMGET', state, 'position' },
    { 'HSET', state, 'position', '' },
    { 'HDEL', state, 'position' },
    { 'HLEN', state },
    { 'HRANDFIELD', state, '1', 'WITHVALUES' },
    { 'DEL', state },
    { 'PEXPIRE', state, '1' },
    { 'PTTL', state },
    { 'XADD', log, '1-0', 'e', '' },
    { 'XRANGE', log, '-', '+' },
    { 'XTRIM', log, 'MAXLEN', '0' },
    { 'HGETALL', state },
    { 'XLEN', log },
    { 'XGROUP', 'CREATE', log, 'g', '0', 'MKSTREAM' },
    { 'XGROUP', 'DELCONSUMER', log, 'g', 'c' },
    { 'XREADGROUP', 'GROUP', 'g', 'c', 'COUNT', '1', 'STREAMS', log, '>' },
    { 'XACK', log, 'g', '1-0' },
    { 'XDEL', log, '1-0' },
    { 'XCLAIM', log, 'g', 'c', '0', '1-0' },
    { 'XPENDING', log, 'g', '-', '+', '1' },
    { 'XINFO', 'CONSUMERS', log, 'g' },
    { 'SPUBLISH', channel, '' },
    { 'SSUBSCRIBE', channel },
    { 'SUNSUBSCRIBE', channel },
    { 'SPUBLISH', probe, '' },
    { 'SSUBSCRIBE', probe },
  }
  if args[3] ~= '0' then
    needed[#needed + 1] = { 'WAIT', '1', '1' }
  end
  local missing = {}
  for _, command in pairs(needed) do
    if not redis.acl_check_cmd(unpack(command)) then
      local target = command[2]
      local named = target == state or target == log or target == channel or target == probe
      missing[#missing + 1] = named and command[1] .. ' on ' .. target or command[1]
    end
  end
  return missing
end

redis.register_function({
  function_name = '@LIBRARY@_permits',
  callback = permits,
  flags = { 'no-writes' },
})

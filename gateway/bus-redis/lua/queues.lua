
-- What stands in a queue's keys, which share the hash tag `{queue}` with those of where it parks:
--   state  a hash: `sent:<sender and number>` the ids under which a group was stored;
--          `refused:<id>` the consumer that refused a message last
--   nodes  a hash: the name of a replica's lease, "<its end, ms> <its receivers here>"
--   log    a stream: a message in `e`, and in `p` its id in the queue that parked it. Its one group
--          knows who holds what: consumers are "<lease>:<receiver>", and `-` stands for nobody,
--          for what was given out and came back.
--
-- An acknowledged message is deleted, so the length of the stream is the queue's. Redis counts how often
-- each message was given out.

local GROUP = 'receivers'
local NOBODY = '-'
-- Taken back in one call from leases that are over: Redis does nothing else meanwhile.
local BACK_MAX = 1000
-- Given out to one receiver before the next one's turn comes, and bytes in one call.
local TAKEN_AT_ONCE = 8
local TURN_BYTES_MAX = 1048576
-- Looked at besides what is wanted, since the receiver may have refused some.
local REFUSED_SEEN = 64
-- Rows looked at for each that is added.
local SEEN_PRUNED = 4

local function queue_open(state, nodes, log)
  if not call('HGET', state, 'made') then
    call('HSET', state, 'made', '1')
    call('HSET', nodes, NOBODY, '0 0')
    redis.pcall('XGROUP', 'CREATE', log, GROUP, '0', 'MKSTREAM')
  end
end

local function now_ms()
  local time = call('TIME')
  return tonumber(time[1]) * 1000 + floor(tonumber(time[2]) / 1000)
end

-- keys: state, nodes, log
-- args: the channel; a head: most messages (4 bytes), milliseconds for which a group is known (4),
--       number of groups (4); for each group its name, the number of its messages, and these.
-- reply: for each group the ids of its messages with spaces between, or nothing if there is no room.
local function queue_send(keys, args)
  bind()
  local state, log = keys[1], keys[3]
  queue_open(state, keys[2], log)
  local messages_max, window, groups = decode('>I4I4I4', args[2])
  local depth, at, stored, replies = call('XLEN', log), 3, 0, {}
  for group = 1, groups do
    local name, count = 'sent:' .. args[at], tonumber(args[at + 1])
    at = at + 2
    local reply = call('HGET', state, name)
    if reply then
      -- Written again, so that a WAIT after this call covers it.
      call('HSET', state, name, reply)
    elseif depth + count > messages_max then
      reply = ''
    else
      local ids = {}
      for i = 1, count do
        ids[i] = call('XADD', log, '*', 'e', args[at + i - 1])
      end
      depth, stored = depth + count, stored + 1
      reply = concat(ids, ' ')
      call('HSET', state, name, reply)
    end
    at = at + count
    replies[group] = reply
  end
  if stored > 0 then
    call('SPUBLISH', args[1], '')
    local oldest = now_ms() - window
    local sample = call('HRANDFIELD', state, SEEN_PRUNED * stored, 'WITHVALUES')
    for i = 1, #sample, 2 do
      if sub(sample[i], 1, 5) == 'sent:' then
        local at_ms = tonumber(string.match(sample[i + 1], '^%d+'))
        if at_ms and at_ms < oldest then
          call('HDEL', state, sample[i])
        end
      end
    end
  end
  return replies
end

-- Gives back a message that was given out `attempts` times.
local function give_back(queue, id, attempts, refused_by)
  local is_tired = queue.attempts_max > 0 and attempts >= queue.attempts_max
  if is_tired and queue.parked and call('XLEN', queue.parked) < queue.messages_max then
    local found = call('XRANGE', queue.log, id, id)[1]
    if found then
      call('XADD', queue.parked, '*', 'e', found[2][2], 'p', id)
    end
    call('XACK', queue.log, GROUP, id)
    call('XDEL', queue.log, id)
    call('HDEL', queue.state, 'refused:' .. id)
    queue.parked_count = queue.parked_count + 1
    return
  end
  call('XCLAIM', queue.log, GROUP, NOBODY, '0', id, 'JUSTID')
  if refused_by then
    call('HSET', queue.state, 'refused:' .. id, refused_by)
  else
    call('HDEL', queue.state, 'refused:' .. id)
  end
  queue.is_returned = true
end

-- Gives back what a consumer holds, as much as may be; whether that was all.
local function end_consumer(queue, consumer)
  while queue.back_max > 0 do
    local held = call('XPENDING', queue.log, GROUP, '-', '+', queue.back_max, consumer)
    if #held == 0 then
      call('XGROUP', 'DELCONSUMER', queue.log, GROUP, consumer)
      return true
    end
    for i = 1, #held do
      give_back(queue, held[i][1], held[i][4])
    end
    queue.back_max = queue.back_max - #held
  end
  return false
end

local function end_lease(queue, lease)
  local prefix = lease .. ':'
  local consumers = call('XINFO', 'CONSUMERS', queue.log, GROUP)
  for i = 1, #consumers do
    local name = consumers[i][2]
    if sub(name, 1, #prefix) == prefix and not end_consumer(queue, name) then
      return false
    end
  end
  return true
end

local function put(out, entry, attempts)
  local fields = entry[2]
  local n = #out
  out[n + 1], out[n + 2], out[n + 3], out[n + 4] = entry[1], attempts, fields[4] or '', fields[2]
  return #fields[2]
end

-- Gives out up to `want` messages: how many, and their bytes.
local function take(queue, consumer, want, out)
  local taken, bytes = 0, 0
  if not queue.is_drained then
    local back = call('XPENDING', queue.log, GROUP, '-', '+', want + REFUSED_SEEN, NOBODY)
    queue.is_drained = #back == 0
    for i = 1, #back do
      local id = back[i][1]
      local is_own = queue.has_others and call('HGET', queue.state, 'refused:' .. id) == consumer
      if taken < want and not is_own then
        local entry = call('XCLAIM', queue.log, GROUP, consumer, '0', id)[1]
        if entry then
          taken = taken + 1
          bytes = bytes + put(out, entry, back[i][4] + 1)
        end
      end
    end
  end
  -- While more is to be taken back, nothing later may be given out before it.
  if taken < want and not queue.is_behind then
    local found = call('XREADGROUP', 'GROUP', GROUP, consumer, 'COUNT', want - taken,
      'STREAMS', queue.log, '>')
    local entries = found and found[1] and found[1][2] or {}
    for i = 1, #entries do
      taken = taken + 1
      bytes = bytes + put(out, entries[i], 1)
    end
  end
  return taken, bytes
end

-- keys: state, nodes, log; and the log where refused messages are parked, unless these are
-- args: the channel; that of the parked ones; the lease; a head of 4 bytes each: its milliseconds, most
--       attempts, most messages, receivers after this turn, 1 if the lease begins, number of those that
--       follow. For each receiver its number; 4 bytes each: 1 if it leaves, 1 if it recovers, messages
--       it wants, number of acknowledged and of refused ones; and their ids.
-- reply: nothing, if the lease is over; or milliseconds until the next lease of others ends or -1, 1 if
--       there is more, messages in the queue, how many were parked; then for each receiver a table: the
--       ids that it did not hold, with spaces between; then for each message its id, how often it was
--       given out, its id where it was parked, and its content.
local function queue_turn(keys, args)
  bind()
  local nodes, me, now = keys[2], args[3], now_ms()
  queue_open(keys[1], nodes, keys[3])
  local lease_ms, attempts_max, messages_max, count, begins, parts = decode('>I4I4I4I4I4I4', args[4])
  local queue = {
    state = keys[1], log = keys[3], parked = keys[4],
    attempts_max = attempts_max, messages_max = messages_max,
    back_max = BACK_MAX, parked_count = 0,
  }

  local others, ends, is_held = 0, -1, begins == 1
  local leases = call('HGETALL', nodes)
  for i = 1, #leases, 2 do
    local lease = leases[i]
    local lease_ends, receivers = string.match(leases[i + 1], '^(%d+) (%d+)$')
    local left = tonumber(lease_ends) - now
    if lease == NOBODY then
      -- Nobody's lease is for the key to be there.
    elseif left <= 0 then
      if end_lease(queue, lease) then
        call('HDEL', nodes, lease)
      else
        queue.is_behind = true
      end
    elseif lease == me then
      is_held = true
    else
      others = others + tonumber(receivers)
      ends = ends < 0 and left or min(ends, left)
    end
  end
  if not is_held then
    if queue.is_returned and others > 0 then
      call('SPUBLISH', args[1], '')
    end
    return nil
  end

  queue.has_others = others + count > 1
  local reply, receivers, at = { ends, 0, 0, 0 }, {}, 5
  for part = 1, parts do
    local consumer = me .. ':' .. args[at]
    local leaves, recovers, wants, acks, nacks = decode('>I4I4I4I4I4', args[at + 1])
    local lost = {}
    at = at + 2
    for i = at, at + acks + nacks - 1 do
      local id = args[i]
      local held = call('XPENDING', queue.log, GROUP, id, id, 1, consumer)[1]
      if not held then
        lost[#lost + 1] = id
      elseif i < at + acks then
        call('XACK', queue.log, GROUP, id)
        call('XDEL', queue.log, id)
        if held[4] > 1 then
          call('HDEL', queue.state, 'refused:' .. id)
        end
      else
        give_back(queue, id, held[4], consumer)
      end
    end
    at = at + acks + nacks
    if leaves == 1 then
      queue.back_max = max(queue.back_max, BACK_MAX)
      while not end_consumer(queue, consumer) do
        queue.back_max = BACK_MAX
      end
      wants = 0
    end
    local out = { concat(lost, ' ') }
    reply[part + 4] = out
    receivers[part] = { consumer = consumer, wants = wants, recovers = recovers == 1 and leaves == 0 }
  end

  local bytes = 0
  for part = 1, parts do
    local receiver, out = receivers[part], reply[part + 4]
    if receiver.recovers then
      local held = call('XPENDING', queue.log, GROUP, '-', '+', 65536, receiver.consumer)
      for i = 1, #held do
        local entry = call('XRANGE', queue.log, held[i][1], held[i][1])[1]
        if entry then
          bytes = bytes + put(out, entry, held[i][4])
        end
      end
    end
  end
  local is_moving = true
  while is_moving do
    is_moving = false
    for part = 1, parts do
      local receiver = receivers[part]
      if receiver.wants > 0 and bytes >= TURN_BYTES_MAX then
        reply[2] = 1
      elseif receiver.wants > 0 then
        local want = min(receiver.wants, TAKEN_AT_ONCE)
        local taken, taken_bytes = take(queue, receiver.consumer, want, reply[part + 4])
        bytes = bytes + taken_bytes
        receiver.wants = taken < want and 0 or receiver.wants - taken
        is_moving = is_moving or receiver.wants > 0
      end
    end
    if bytes >= TURN_BYTES_MAX then
      for part = 1, parts do
        reply[2] = receivers[part].wants > 0 and 1 or reply[2]
      end
      is_moving = false
    end
  end

  if count > 0 then
    call('HSET', nodes, me, now + lease_ms .. ' ' .. count)
  elseif end_lease(queue, me) then
    call('HDEL', nodes, me)
  else
    call('HSET', nodes, me, '0 0')
  end
  if queue.is_behind then
    reply[2] = 1
  end
  reply[3], reply[4] = call('XLEN', queue.log), queue.parked_count
  if queue.is_returned and others > 0 then
    call('SPUBLISH', args[1], '')
  end
  if queue.parked_count > 0 then
    call('SPUBLISH', args[2], '')
  end
  return reply
end

redis.register_function('@LIBRARY@_queue_send', queue_send)
redis.register_function('@LIBRARY@_queue_turn', queue_turn)

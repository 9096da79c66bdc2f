
-- C1: appends entries of one document, each checked after the ones before it.
--
-- keys: state, log
-- args: the channel; a head: deadline by this server's clock (10 digits of seconds, 4 bytes of
--       microseconds), most entries of the log (4), seconds for which an unused row is kept (4), number
--       of fields (2), hash(0) of a new log (16);
--       the fields of state that are needed, `position` first; then for each entry
--       its key: client_seq (8), call it came in (2), its row's field (2), its author's access field
--       or 0 for a change of access (2), digest (16); and the packed entry.
-- reply: 'x' if the deadline is past, or for each entry one of
--       '+' position, '=' seq and hash of the row, 'g' row, 'c' row, 'u', 'r', 'f', 'd'.

-- Rows looked at for pruning whenever a new one is made: more than can have been added meanwhile.
local PRUNED_AT_ONCE = 4

local function prune(state, oldest)
  local sample = call('HRANDFIELD', state, PRUNED_AT_ONCE, 'WITHVALUES')
  for i = 1, #sample, 2 do
    if sub(sample[i], 1, 7) == 'client:' and tonumber(sub(sample[i + 1], 1, 10)) < oldest then
      call('HDEL', state, sample[i])
    end
  end
end

local function append(keys, args)
  bind()
  local deadline, micros, log_max, row_ttl, fields, hash0 = decode('>c10I4I4I4I2c16', args[2])
  local time = call('TIME')
  local now = time[1]
  if now > deadline or (now == deadline and tonumber(time[2]) > micros) then
    return 'x'
  end

  local state_key, log_key = keys[1], keys[2]
  local state = call('HMGET', state_key, unpack(args, 3, fields + 2))
  local position = state[1] or create(state_key, log_key, hash0)
  local seq, hash = seq_of(position), sub(position, -16)

  local replies, records, changed = {}, {}, {}
  local replies_n, records_n = 0, 0
  local group, refused, base, new_row

  for i = fields + 3, #args, 2 do
    local client_seq, of, row_at, access_at, digest = decode('>I8I2I2I2c16', args[i])
    if of ~= group then
      group, refused = of, nil
    end
    local row, access = state[row_at], state[access_at]
    local last = row and decode('>I8', row, 11) or 0
    local reply

    if refused and refused[row_at] then
      reply = 'd'
    elseif access and byte(access, 18) % 2 == 1 then
      reply = 'r'
    elseif not row and client_seq ~= 1 then
      reply = 'u'
    elseif client_seq <= last then
      local at = #row - (last - client_seq) * 4
      if at >= ROW_HEAD + 4 and sub(row, at - 3, at) == sub(digest, 1, 4) then
        -- Written again, so that a WAIT after this call covers it.
        state[row_at] = now .. sub(row, 11)
        changed[row_at] = true
        reply = '=' .. sub(row, 19, ROW_HEAD)
      else
        reply = 'c' .. row
      end
    elseif client_seq > last + 1 then
      reply = 'g' .. row
    else
      if access_at ~= 0 and seq >= log_max then
        base = base or seq_of(call('HGET', state_key, 'base'))
      end
      if base and access_at ~= 0 and seq - base >= log_max then
        reply = 'f'
      else
        seq = seq + 1
        hash = sub(sha1hex(hash .. digest), 1, 16)
        position = seq .. '-' .. hash
        local record = position .. args[i + 1]
        call('XADD', log_key, seq .. '-0', 'e', record)
        records_n = records_n + 1
        records[records_n] = record
        local digests = ''
        if row then
          digests = sub(row, max(ROW_HEAD + 1, #row - ROW_DIGESTS_BYTES_MAX + 5))
        else
          new_row = true
        end
        state[row_at] = now .. pack('>I8I8', client_seq, seq) .. hash .. digests .. sub(digest, 1, 4)
        changed[row_at] = true
        reply = '+' .. position
      end
    end

    local kind = byte(reply)
    if kind ~= 43 and kind ~= 61 then
      refused = refused or {}
      refused[row_at] = true
    end
    replies_n = replies_n + 1
    replies[replies_n] = reply
  end

  if records_n > 0 then
    local writes, n = { state_key, 'position', position }, 3
    for at in pairs(changed) do
      writes[n + 1], writes[n + 2] = args[at + 2], state[at]
      n = n + 2
    end
    call('HSET', unpack(writes, 1, n))
    call('SPUBLISH', args[1], records_n == 1 and records[1] or concat(records))
  else
    for at in pairs(changed) do
      call('HSET', state_key, args[at + 2], state[at])
    end
  end
  if new_row then
    prune(state_key, tonumber(now) - row_ttl)
  end
  return replies
end

redis.register_function('@LIBRARY@_append', append)

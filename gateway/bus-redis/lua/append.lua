
-- C1: appends entries of one document, each checked after the ones before it.
--
-- keys: state, log; of a document also comments, outbox
-- args: the channel; a head: deadline by this server's clock (10 digits of seconds, 4 bytes of
--       microseconds), most entries of the log (4), the latest that it keeps (4; 0: all of them, and it
--       may be full), seconds for which an unused row is kept (4), number of fields (2), hash(0) of a
--       new log (16), number of effects (2); the fields of state that are needed besides `position`,
--       counted from 2; then for each entry its key: client_seq (8), call it came in (2; from 32768: all or nothing), its row's
--       field (2), its author's access field or 0 for a change of access (2), digest (16); and the
--       packed entry; then the effects on comments (review.lua).
-- reply: 'x' if the deadline is past, or for each entry one of
--       its position, '=' seq and hash of the row, 'g' row, 'c' row, 'u', 'r', 'f', 'd', 'kf', 'ku', 'kd',
--       'kn', 'ka' (what it does to comments: forbidden, unknown, deleted, too many, too many authors);
--       rows with their length in front (2). All in one string: for a table Redis would allocate, and
--       write, blocks of 16 KiB.
--
-- Redis runs nothing else meanwhile, so what is done per entry counts: strings are made once, and a row
-- is put together once for all entries of its client that follow one another.

-- Rows looked at for pruning whenever a new one is made: more than can have been added meanwhile.
local PRUNED_AT_ONCE = 4

local function prune(state, oldest)
  -- Names alone: a snapshot may be large.
  for _, field in pairs(call('HRANDFIELD', state, PRUNED_AT_ONCE)) do
    if sub(field, 1, 7) == 'client:' and tonumber(sub(call('HGET', state, field), 1, 10)) < oldest then
      call('HDEL', state, field)
    end
  end
end

-- A row after its client's last entries, whose short digests are `tail`.
local function row_of(row, now, last, seq, hash, tail)
  local head = now .. pack('>I8I8', last, seq) .. hash
  local room = ROW_DIGESTS_BYTES_MAX - #tail
  if not row or room <= 0 then
    return head .. sub(tail, -ROW_DIGESTS_BYTES_MAX)
  end
  return head .. sub(row, max(ROW_HEAD + 1, #row - room + 1)) .. tail
end

-- Most people who are remembered as having written in a document.
local PEOPLE_MAX = 1000

-- The lowest number of a call that is taken whole.
local WHOLE = 32768

-- The first of a whole call's entries, from the one at `first`, that would be refused if those before it
-- had been appended, and what it is answered. `room` is how many entries the log still takes.
local function first_refusal(args, first, state, room, entries_end, effects, draft)
  local next_of, of, appended = {}, nil, 0
  local tried = draft and draft_of(draft.key, draft)
  for i = first, entries_end, 2 do
    local client_seq, call_of, row_at, access_at, digest = decode('>I8I2I2I2c16', args[i])
    of = of or call_of
    if call_of ~= of then
      return nil
    end
    local access, row = state[access_at], state[row_at]
    local last = row and decode('>I8', row, 11) or 0
    local expected = next_of[row_at] or last + 1
    if access and byte(access, 18) % 2 == 1 then
      return i, 'r'
    elseif client_seq == expected then
      if appended >= room then
        return i, 'f'
      end
      local why = effects and effects[i] and review(tried, effects[i], '')
      if why then
        return i, why
      end
      appended = appended + 1
      next_of[row_at] = expected + 1
    elseif not row then
      return i, 'u'
    elseif client_seq > last or client_seq == 0 then
      return i, 'g' .. pack('>I2', #row) .. row
    else
      local found = #row - (#row + 2) % 4 - (last - client_seq) * 4
      if found < ROW_HEAD + 4 or sub(row, found - 3, found) ~= sub(digest, 1, 4) then
        return i, 'c' .. pack('>I2', #row) .. row
      end
    end
  end
end

-- Drops all but the latest entries, once in an eighth as many: whenever the seq reaches a multiple of
-- that. The base is the position just below the first that is left, so that a resume exactly there can
-- still be checked.
local function retain(state_key, log_key, before, seq, latest)
  local step = max(1, floor(latest / 8))
  if seq - seq % step <= before or seq <= latest then
    return
  end
  if seq - seq_of(call('HGET', state_key, 'base')) <= latest then
    return
  end
  local base = position_at(log_key, seq - latest)
  if base then
    call('HSET', state_key, 'base', base)
    call('XTRIM', log_key, 'MAXLEN', latest)
    local snapshot_at = call('HGET', state_key, 'snapshot_at')
    if snapshot_at and seq_of(snapshot_at) < seq - latest then
      -- What follows it is no longer here.
      call('HDEL', state_key, 'snapshot', 'snapshot_at')
    end
  end
end

local function append(keys, args)
  bind()
  local deadline, micros, log_max, latest, row_ttl, fields, hash0, effects_n =
    decode('>c10I4I4I4I4I2c16I2', args[2])
  local time = call('TIME')
  local now = time[1]
  if now > deadline or (now == deadline and tonumber(time[2]) > micros) then
    return 'x'
  end

  local state_key, log_key = keys[1], keys[2]
  local state = call('HMGET', state_key, 'position', unpack(args, 3, fields + 2))
  local position = state[1] or create(state_key, log_key, hash0, keys[3], keys[4])
  local seq, hash = seq_of(position), sub(position, -16)

  local replies, replies_n, records, records_n, changed = {}, 0, {}, 0, nil
  local group, refused, refused_whole, its_reply, base, new_row
  -- The row at `at`, the last number in it, what was appended since it was put together, and whether its
  -- client wrote nothing but comments.
  local at, row, last, tail, only
  local entries_end, effects, draft = #args - effects_n, nil, nil
  if effects_n > 0 then
    effects, draft = {}, draft_of(keys[3])
    for i = entries_end + 1, #args do
      local effect = _G.cmsgpack.unpack(args[i])
      effects[fields + 3 + effect[1] * 2] = effect
    end
  end

  for i = fields + 3, entries_end, 2 do
    local client_seq, of, row_at, access_at, digest = decode('>I8I2I2I2c16', args[i])
    local is_whole = false
    if of ~= group then
      group, refused, refused_whole, its_reply = of, nil, nil, nil
      is_whole = of >= WHOLE
    end
    if row_at ~= at or access_at == at or is_whole then
      if tail then
        changed = changed or {}
        row = row_of(row, now, last, seq, hash, tail)
        state[at] = only and row .. 'c' or row
        changed[at], tail = true, nil
      end
      at, row = row_at, state[row_at]
      only = row and #row % 4 == 3
      if only then
        row = sub(row, 1, -2)
      end
      last = row and decode('>I8', row, 11) or 0
    end
    if is_whole then
      local room = #args
      if latest == 0 then
        base = base or seq_of(call('HGET', state_key, 'base'))
        room = log_max - (seq - base)
      end
      refused_whole, its_reply = first_refusal(args, i, state, room, entries_end, effects, draft)
    end
    local access = state[access_at]
    local reply, is_taken

    if refused_whole then
      reply = i == refused_whole and its_reply or 'd'
    elseif refused and refused[at] then
      reply = 'd'
    elseif access and byte(access, 18) % 2 == 1 then
      reply = 'r'
    elseif client_seq == last + 1 then
      if latest == 0 and access_at ~= 0 and seq >= log_max then
        base = base or seq_of(call('HGET', state_key, 'base'))
      end
      if base and access_at ~= 0 and seq - base >= log_max then
        reply = 'f'
      else
        local digits, extended = seq + 1 .. '-', sub(sha1hex(hash .. digest), 1, 16)
        local effect = effects and effects[i]
        reply = effect and review(draft, effect, digits .. extended)
        if not reply then
          seq, hash = seq + 1, extended
          position = digits .. hash
          local record = position .. args[i + 1]
          call('XADD', log_key, digits .. '0', 'e', record)
          records_n = records_n + 1
          records[records_n] = record
          if only or not (row or tail) then
            new_row, only = true, effect ~= nil
            if not effect and access_at ~= 0 and keys[3] then
              -- Behind `client:`, a UUID and a colon stands the author.
              draft = draft or draft_of(keys[3])
              contributed(draft, sub(args[at + 1], 45), PEOPLE_MAX)
            end
          end
          last = client_seq
          tail = tail and tail .. sub(digest, 1, 4) or sub(digest, 1, 4)
          reply, is_taken = position, true
        end
      end
    elseif last == 0 then
      reply = 'u'
    else
      if tail then
        changed = changed or {}
        row = row_of(row, now, last, seq, hash, tail)
        state[at], changed[at], tail = only and row .. 'c' or row, true, nil
      end
      if client_seq > last or client_seq == 0 then
        reply = 'g' .. pack('>I2', #row) .. row
      else
        local found = #row - (last - client_seq) * 4
        if found >= ROW_HEAD + 4 and sub(row, found - 3, found) == sub(digest, 1, 4) then
          -- Written again, so that a WAIT after this call covers it.
          changed = changed or {}
          row = now .. sub(row, 11)
          state[at], changed[at] = only and row .. 'c' or row, true
          reply, is_taken = '=' .. sub(row, 19, ROW_HEAD), true
        else
          reply = 'c' .. pack('>I2', #row) .. row
        end
      end
    end

    if not is_taken and not refused_whole then
      refused = refused or {}
      refused[at] = true
    end
    replies_n = replies_n + 1
    replies[replies_n] = reply
  end

  if tail then
    row = row_of(row, now, last, seq, hash, tail)
    state[at] = only and row .. 'c' or row
    if not changed then
      call('HSET', state_key, 'position', position, args[at + 1], state[at])
    else
      changed[at] = true
    end
  end
  if changed then
    local writes, n = { state_key, 'position', position }, 3
    for each in pairs(changed) do
      writes[n + 1], writes[n + 2] = args[each + 1], state[each]
      n = n + 2
    end
    call('HSET', unpack(writes, 1, n))
  end
  if draft then
    write_review(draft, keys[4])
  end
  if records_n > 0 then
    call('SPUBLISH', args[1], records_n == 1 and records[1] or concat(records))
    if latest > 0 then
      retain(state_key, log_key, seq - records_n, seq, latest)
    end
  end
  if new_row then
    prune(state_key, tonumber(now) - row_ttl)
  end
  return replies_n == 1 and replies[1] or concat(replies)
end

redis.register_function('@LIBRARY@_append', append)


-- C13: who is in a document, held there by sessions of replicas that have a lease.
--
-- presence, a hash that is there while somebody is in the document:
--   version            "<seq>-<16 hex digits>"; seq rises with this server's clock, over absences too
--   <uuid>:<subject>   a participant: role (1 digit), since when (13 digits, ms), then its holders, 32
--                      digits each: incarnation of the replica (16), session (16)
-- leases, a hash: <incarnation> -> when its lease ends (ms of this server's clock); or, once it was
--   declared dead, 'x' and until when somebody is removing its participants. The dead never come back.
-- documents, a hash for each incarnation: <document> -> '', where it may hold somebody.

local PARTICIPANT_HEAD = 14
local HOLDER = 32
-- How long one replica has for some of a dead one's documents, before another tries as well.
local CLAIM_MS = 3000

local function clock()
  local time = call('TIME')
  return time[1] * 1000 + floor(time[2] / 1000), time[1] .. '.' .. time[2]
end

local function digits(n)
  return string.format('%.0f', n)
end

-- An entry without the holders that begin with `prefix`.
local function without(entry, prefix)
  local kept, n = { sub(entry, 1, PARTICIPANT_HEAD) }, 1
  for at = PARTICIPANT_HEAD + 1, #entry, HOLDER do
    if sub(entry, at, at + #prefix - 1) ~= prefix then
      n = n + 1
      kept[n] = sub(entry, at, at + HOLDER - 1)
    end
  end
  return concat(kept)
end

-- Writes what changed and announces it; the version afterwards, or nil if nobody is there.
local function conclude(key, channel, version, changed, events)
  for who, entry in pairs(changed) do
    if entry then
      call('HSET', key, who, entry)
    else
      call('HDEL', key, who)
    end
  end
  if #events == 0 then
    return version
  end
  local seq, salt = clock()
  if version then
    seq = max(seq, seq_of(version) + 1)
  end
  local text = concat(events)
  local after = digits(seq) .. '-' .. sub(sha1hex((version or '') .. salt .. text), 1, 16)
  local before = version or ''
  call('SPUBLISH', channel, pack('>c1BBc0Bc0', 'p', 1, #before, before, #after, after) .. text)
  local count = call('HLEN', key)
  if version then
    count = count - 1
  end
  if count > 0 then
    call('HSET', key, 'version', after)
    return after
  end
  call('DEL', key)
  return nil
end

local function left(who)
  return pack('>c1H', 'l', #who) .. who
end

-- keys: presence; args: the channel, the end of the caller's lease (ms), its incarnation, most
--       participants, 1 if the whole set is wanted; then the changes: 'e' or 'l', role (1), session
--       (16), participant
-- reply: 'x' if the lease is over; the version, empty if nobody is there; or all fields of the set
local function presence(keys, args)
  bind()
  local key, node, most = keys[1], args[3], tonumber(args[4])
  local now = clock()
  if #args > 5 and now >= tonumber(args[2]) then
    return 'x'
  end
  local names = { 'version' }
  for i = 6, #args do
    names[i - 4] = sub(args[i], 19)
  end
  local found = call('HMGET', key, unpack(names))
  local version = found[1] or nil
  local entries, changed, events, events_n = {}, {}, {}, 0
  for i = 2, #names do
    entries[names[i]] = found[i]
  end
  local count = #args > 5 and call('HLEN', key) or 0
  for i = 6, #args do
    local kind, holder, who = sub(args[i], 1, 1), node .. sub(args[i], 3, 18), names[i - 4]
    local entry = entries[who]
    if kind == 'e' then
      if not entry then
        if count <= most then
          local head = sub(args[i], 2, 2) .. string.format('%013.0f', now)
          count, events_n = count + 1, events_n + 1
          events[events_n] = pack('>c1H', 'e', #head + #who) .. head .. who
          entry = head .. holder
          entries[who], changed[who] = entry, entry
        end
      elseif without(entry, holder) == entry then
        entry = entry .. holder
        entries[who], changed[who] = entry, entry
      end
    elseif entry then
      local rest = without(entry, holder)
      if #rest == PARTICIPANT_HEAD then
        count, events_n = count - 1, events_n + 1
        events[events_n] = left(who)
        entries[who], changed[who] = false, false
      elseif rest ~= entry then
        entries[who], changed[who] = rest, rest
      end
    end
  end
  version = conclude(key, args[1], version, changed, events)
  if args[5] == '1' then
    return call('HGETALL', key)
  end
  return version or ''
end

-- keys: presence; args: the channel, the incarnation that is dead
local function presence_reap(keys, args)
  bind()
  local all = call('HGETALL', keys[1])
  local version, changed, events, events_n = nil, {}, {}, 0
  for i = 1, #all, 2 do
    local who, entry = all[i], all[i + 1]
    if who == 'version' then
      version = entry
    else
      local rest = without(entry, args[2])
      if #rest == PARTICIPANT_HEAD then
        events_n = events_n + 1
        events[events_n], changed[who] = left(who), false
      elseif rest ~= entry then
        changed[who] = rest
      end
    end
  end
  conclude(keys[1], args[1], version, changed, events)
  return events_n
end

-- keys: leases; args: incarnation, length of a lease (ms), how often it is renewed (ms), 1 if it is new,
--       the end that the caller knows: an earlier one comes from a stale copy, and so may the sets
-- reply: nothing, if this incarnation is not known (any more); or when its lease ends, when the next
--        lease of another ends ('' for none), and the dead whose participants the caller is to remove
local function lease_renew(keys, args)
  bind()
  local key, own, length = keys[1], args[1], tonumber(args[2])
  local now = clock()
  local all = call('HGETALL', key)
  local newest, is_known
  for i = 1, #all, 2 do
    if sub(all[i + 1], 1, 1) ~= 'x' then
      newest = max(newest or 0, tonumber(all[i + 1]))
      is_known = is_known or (all[i] == own and tonumber(all[i + 1]) >= tonumber(args[5]))
    end
  end
  if not is_known and args[4] ~= '1' then
    return false
  end
  -- If nobody renewed for a while, it was this server that was away, and they are given their time.
  local was_away = newest and newest < now + length - 2 * tonumber(args[3])
  local ends_at = digits(now + length)
  local reply, n, next_end = { ends_at, '' }, 2, nil
  for i = 1, #all, 2 do
    local node, lease = all[i], all[i + 1]
    if node ~= own then
      local is_dead = sub(lease, 1, 1) == 'x'
      local until_ms = tonumber(is_dead and sub(lease, 2) or lease)
      if not is_dead and was_away then
        until_ms = now + length
        call('HSET', key, node, ends_at)
      end
      if until_ms <= now then
        call('HSET', key, node, 'x' .. digits(now + CLAIM_MS))
        n = n + 1
        reply[n] = node
      else
        next_end = min(next_end or until_ms, until_ms)
      end
    end
  end
  call('HSET', key, own, ends_at)
  if next_end then
    reply[2] = digits(next_end)
  end
  return reply
end

-- keys: leases; args: incarnation, and how long its participants are to stay (ms), or '' if it is to
-- be forgotten, since nobody is held by it
local function lease_end(keys, args)
  bind()
  if args[2] == '' then
    return call('HDEL', keys[1], args[1])
  end
  local lease = call('HGET', keys[1], args[1])
  local now = clock()
  if lease and sub(lease, 1, 1) ~= 'x' then
    call('HSET', keys[1], args[1], digits(min(tonumber(lease), now + tonumber(args[2]))))
  end
  return 1
end

-- keys: documents; args: the end of the caller's lease (ms), and documents
local function documents_note(keys, args)
  bind()
  if clock() >= tonumber(args[1]) then
    return 'x'
  end
  for i = 2, #args do
    call('HSET', keys[1], args[i], '')
  end
  return 1
end

-- keys: documents; args: documents
local function documents_forget(keys, args)
  bind()
  return call('HDEL', keys[1], unpack(args))
end

-- keys: documents; args: how many at most
local function documents_some(keys, args)
  bind()
  return call('HRANDFIELD', keys[1], args[1])
end

redis.register_function('@LIBRARY@_presence', presence)
redis.register_function('@LIBRARY@_presence_reap', presence_reap)
redis.register_function('@LIBRARY@_lease_renew', lease_renew)
redis.register_function('@LIBRARY@_lease_end', lease_end)
redis.register_function('@LIBRARY@_documents_note', documents_note)
redis.register_function('@LIBRARY@_documents_forget', documents_forget)
redis.register_function('@LIBRARY@_documents_some', documents_some)


-- C6: one page of a log with the head and where the askers stand, all at one moment.
--
-- keys: state, log; for `open` of a document also comments, outbox
-- args: a head: most entries (4 bytes) and bytes (4) of the page, number of fields (2); the resume
--       point, empty for the start and '+' for the head; then the fields of state that are wanted, `position`, `base`,
--       `snapshot_at` and `deleted` first; for `open` last of all hash(0) of a new log.
-- reply: nothing, if the document is not there, which `open` makes first; or
--       'c' if the page continues the resume point, 't' if that is trimmed, 'd' if it diverged, 'x' if it
--       was deleted; the position after which the page begins; the head; its records in one string; up to
--       where a snapshot covers the log or trimming took it; the snapshot, if the page starts at it; then
--       the other fields that were asked for. What there is none of is empty.

-- Few at first, since entries may be large; then as many as the bytes so far let one expect.
local CHUNK_FIRST = 16

-- Why a position is not in this history: its document was deleted, it was trimmed, or it diverged.
local function lost_by(from, base, deleted)
  local seq = seq_of(from)
  if deleted and from ~= deleted and seq <= seq_of(deleted) then
    return 'x'
  end
  return seq < seq_of(base) and 't' or 'd'
end

local function page(log, seq, entries_max, bytes_max)
  local records, n, bytes, chunk = {}, 0, 0, CHUNK_FIRST
  while n < entries_max do
    local want = min(chunk, entries_max - n)
    local found = call('XRANGE', log, seq + n + 1 .. '-0', '+', 'COUNT', want)
    for i = 1, #found do
      local record = found[i][2][2]
      if n > 0 and bytes + #record > bytes_max then
        return records
      end
      n = n + 1
      records[n] = record
      bytes = bytes + #record
    end
    if #found < want then
      return records
    end
    chunk = max(1, floor((bytes_max - bytes) * n / max(bytes, 1)))
  end
  return records
end

local function read(keys, args)
  bind()
  local entries_max, bytes_max, fields = decode('>I4I4I2', args[1])
  local from = args[2]
  local state = call('HMGET', keys[1], unpack(args, 3, fields + 2))
  local head, base, snapshot_at, deleted = state[1], state[2], state[3], state[4]
  if not head then
    return nil
  end

  local kind, after, snapshot = 'c', from, ''
  if from == '+' then
    after = head
  elseif from ~= '' and not is_in_history(keys[2], from, head, base) then
    kind = lost_by(from, base, deleted)
  end
  if from == '' or kind ~= 'c' then
    after = base
    if snapshot_at then
      after, snapshot = snapshot_at, call('HGET', keys[1], 'snapshot')
    end
  end
  local covered = snapshot_at or base
  if seq_of(base) > seq_of(covered) then
    covered = base
  end

  local reply = { kind, after, head, '', covered, snapshot }
  if after ~= head then
    reply[4] = concat(page(keys[2], seq_of(after), max(1, entries_max), bytes_max))
  end
  for i = 5, fields do
    reply[i + 2] = state[i] or ''
  end
  return reply
end

local function open(keys, args)
  bind()
  if not call('HGET', keys[1], 'position') then
    create(keys[1], keys[2], args[#args], keys[3], keys[4])
  end
  return read(keys, args)
end

-- It says that it writes nothing, or Redis would refuse it whenever it refuses writes: without enough
-- replicas, out of memory, or with a full disk.
redis.register_function({
  function_name = '@LIBRARY@_read',
  callback = read,
  flags = { 'no-writes' },
})
redis.register_function('@LIBRARY@_open', open)

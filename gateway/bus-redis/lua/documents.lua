
-- C9: the application's snapshot of a document, and a document's end.

-- The most comments that a refusal names; gateway/bus/src/documents.rs says the same.
local LACKING_ANCHORS_MAX = 32

-- What a snapshot does to anchored comments: fields and values to write, or else the first of those it has
-- to name and does not, in the order of their creation.
--
-- args: behind the fifth, for each comment it names: its id, then start and end, or nothing twice: orphaned
local function map_anchors(key, at, args)
  local seq, named, written, lacking = seq_of(at), {}, {}, {}
  for i = 6, #args, 3 do
    named[args[i]] = i
  end
  local found = call('HGETALL', key)
  for i = 1, #found, 2 do
    local id = found[i]
    if #id == 33 and byte(id) == 99 then
      local comment = _G.cmsgpack.unpack(found[i + 1])
      local anchor, created, place = comment[6], seq_of(comment[4]), named[id]
      if anchor ~= '' and created <= seq then
        if not place then
          if comment[12] == 0 and comment[10] == '' then
            lacking[#lacking + 1] = { created, id }
          end
        elseif args[place + 1] == '' then
          comment[13] = 1
          written[id] = _G.cmsgpack.pack(comment)
        else
          -- Its JSON begins with position, start and end: no text of its author stands before the unit.
          local rest = sub(anchor, string.find(anchor, ',"unit":', 1, true), -1)
          comment[5], comment[13] = at, 0
          comment[6] = '{"position":"' .. at .. '","start":' .. args[place + 1] .. ',"end":'
            .. args[place + 2] .. rest
          written[id] = _G.cmsgpack.pack(comment)
        end
      end
    end
  end
  table.sort(lacking, function(one, other)
    return one[1] < other[1]
  end)
  local first = {}
  for i = 1, min(#lacking, LACKING_ANCHORS_MAX) do
    first[i] = lacking[i][2]
  end
  return written, first
end

-- Keeps a snapshot if its position is in this history and newer than the last one; then the entries
-- below it are dropped, less a tail.
--
-- keys: state, log; of a document also comments, outbox
-- args: its position, or nothing for a seed, which needs a log without entries; the snapshot; how many
--       entries stay below it; the author's access field; hash(0) of a new log, for a seed; then where
--       anchors are (see map_anchors)
-- reply: 'k', where it stands, where the log begins now; or 'n' if that is not in this history, 'o' if it
--       is not newer, 'r' if the author's access was revoked, 'a' and ids of comments that it has to name
local function put_snapshot(keys, args)
  bind()
  local state_key, log_key, at = keys[1], keys[2], args[1]
  local state = call('HMGET', state_key, 'position', 'base', 'snapshot_at', args[4])
  local head, base, last, access = state[1], state[2], state[3], state[4]
  if access and byte(access, 18) % 2 == 1 then
    return { 'r' }
  end
  if at == '' then
    if not head then
      base = create(state_key, log_key, args[5], keys[3], keys[4])
      head = base
    end
    at = head == base and head or ''
  end
  if not head or at == '' or not is_in_history(log_key, at, head, base) then
    return { 'n' }
  end
  local seq = seq_of(at)
  if last and seq <= seq_of(last) then
    return { 'o' }
  end
  if keys[3] then
    local written, lacking = map_anchors(keys[3], at, args)
    if lacking[1] then
      return { 'a', unpack(lacking) }
    end
    for id, comment in pairs(written) do
      call('HSET', keys[3], id, comment)
    end
  end

  call('HSET', state_key, 'snapshot', args[2], 'snapshot_at', at)
  local dropped = seq - tonumber(args[3])
  local new_base = dropped > seq_of(base) and position_at(log_key, dropped)
  if new_base then
    base = new_base
    call('HSET', state_key, 'base', base)
    call('XTRIM', log_key, 'MINID', dropped + 1 .. '-0')
  end
  return { 'k', at, base }
end

-- Drops the entries and the snapshot, and begins another history just behind the last seq: so each
-- position from before is known by its number. Rows, changes of access and what people are still to be
-- notified of stay.
--
-- keys: state, log; of a document also comments, outbox
-- args: the channel; the hash of where the new history begins; a record without its position and
--       another hash for it: announced as the next entry it extends nothing, so whoever hears it reads
-- reply: where the new history begins, or nothing if there is no such document
local function delete(keys, args)
  bind()
  local state_key, log_key = keys[1], keys[2]
  local head = call('HGET', state_key, 'position')
  if not head then
    return false
  end
  local seq = seq_of(head)
  local start = seq .. '-' .. args[2]
  call('HSET', state_key, 'position', start, 'base', start, 'deleted', start)
  call('HDEL', state_key, 'snapshot', 'snapshot_at')
  call('XTRIM', log_key, 'MAXLEN', '0')
  if keys[3] then
    call('DEL', keys[3])
    call('HSET', keys[3], 'n', '0')
  end
  call('SPUBLISH', args[1], seq + 1 .. '-' .. args[4] .. args[3])
  return start
end

redis.register_function('@LIBRARY@_put_snapshot', put_snapshot)
redis.register_function('@LIBRARY@_delete', delete)

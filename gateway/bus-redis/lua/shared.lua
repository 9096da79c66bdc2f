#!lua name=@LIBRARY@

-- What stands in a document's two keys, and what every function needs of it.
--
-- state, a hash; every field of it is read and written by these functions alone:
--   position               the head, "<seq>-<hash>"
--   base                   the position just below the first entry of the log
--   snapshot               the application's content: length of its content type (2 bytes), that, payload
--   snapshot_at            the position of it; both are there or neither
--   deleted                where this history began, if another one was deleted below it
--   client:<uuid>:<author> a client's row
--   access:<subject>       the row of the client that numbers changes of this subject's access: an odd
--                          number means revoked. Never pruned.
-- log, a stream: id <seq>-0, one field whose value is the record: the position, then the packed entry.
--
-- A row: time of last use (10 digits, seconds), client_seq (8 bytes), seq (8) and hash (16) of its last
-- entry, then the short digests of its last numbers, oldest first (4 each). Integers are big-endian. One
-- byte more, a 'c', says that its client wrote nothing but comments.

local ROW_HEAD = 42
local ROW_DIGESTS_BYTES_MAX = 64 * 4

-- Redis shows a library none of these while it loads, so the first call of a function binds them.
local call, unpack, pairs, tonumber
local sub, byte, concat, pack, decode, sha1hex, min, max, floor

local function bind()
  if call then
    return
  end
  call, sha1hex = redis.call, redis.sha1hex
  sub, byte = string.sub, string.byte
  concat, pack, decode = table.concat, struct.pack, struct.unpack
  min, max, floor = math.min, math.max, math.floor
  unpack, pairs, tonumber = _G.unpack, _G.pairs, _G.tonumber
end

local function seq_of(position)
  return tonumber(sub(position, 1, -18))
end

-- All keys exist from here on: a declared key that is absent answers TRYAGAIN while its slot moves.
-- `comments` and `outbox` are those of a document; other logs have none.
local function create(state, log, hash, comments, outbox)
  if call('EXISTS', log) == 1 then
    error('DAMAGED the log has entries, but its state is gone')
  end
  local start = '0-' .. hash
  call('HSET', state, 'position', start, 'base', start)
  call('XADD', log, '0-1', 'e', '')
  call('XTRIM', log, 'MAXLEN', '0')
  if comments then
    call('HSET', comments, 'n', '0')
    call('HSET', outbox, '-', '')
  end
  return start
end

-- The position of the entry with this seq, if the log holds it.
local function position_at(log, seq)
  local id = seq .. '-0'
  local found = call('XRANGE', log, id, id)[1]
  return found and sub(found[2][2], 1, #id + 15)
end

local function is_in_history(log, position, head, base)
  if position == head or position == base then
    return true
  end
  local seq = seq_of(position)
  return seq > seq_of(base) and seq < seq_of(head) and position_at(log, seq) == position
end

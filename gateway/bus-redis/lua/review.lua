-- C11, C12: what an entry does to the comments of its document, and who is told of it, in the step that
-- appends it. Called by append alone.
--
-- comments, a hash:
--   n, bytes               how many comments there are, and the bytes of text and quotes in them
--   people                 who ever wrote an entry that is no comment, a line each
--   authors:<thread>       who wrote in a thread, a line each
--   c<32 digits>           a comment: thread, author, at, position, the anchor's position and the anchor
--                          (JSON), text, mentions (a line each), edited at, who resolved it and when,
--                          deleted (0 or 1), orphaned (0 or 1), bytes of the quote; what is absent is
--                          empty or 0
-- outbox, a hash:
--   -                      nothing, so that the key exists
--   <position>             whom to tell of the entry there: author, client, client_seq, at, comment,
--                          thread, the beginning of the text, then who is told of a mention, a reply, a
--                          comment, and a thread that was resolved (a line each)
-- Both are MessagePack arrays.
--
-- An effect, as the gateway packs it: its entry's place (counted from 0), what it does (c, r, e, s, u or
-- d: create, reply, edit, resolve, take that back, delete), the comment, for a reply the one it answers,
-- whether an owner does it (0 or 1), author, client, client_seq, at, text, mentions (a line each), whether
-- an edit names mentions (0 or 1), the anchor's position, the anchor (JSON), bytes of its quote; most
-- comments, bytes in them, and people and authors.

-- Bytes of text in an outbox: 280 characters of it are told.
local NOTICE_BYTES = 1120

-- What a call does to comments, until it is written.
local function draft_of(key, below)
  return { key = key, below = below, written = {}, notices = {} }
end

local function look(draft, field)
  local value = draft.written[field]
  if value == nil and draft.below then
    return look(draft.below, field)
  end
  if value == nil then
    value = call('HGET', draft.key, field)
  end
  return value
end

local function number_in(draft, field)
  return tonumber(look(draft, field) or 0)
end

local function comment_in(draft, id)
  local packed = look(draft, id)
  return packed and _G.cmsgpack.unpack(packed)
end

local function put(draft, id, comment)
  draft.written[id] = _G.cmsgpack.pack(comment)
end

local function has_line(lines, line)
  return string.find('\n' .. lines .. '\n', '\n' .. line .. '\n', 1, true) ~= nil
end

local function with_line(lines, line)
  return lines == '' and line or lines .. '\n' .. line
end

local function lines_in(lines)
  local _, breaks = string.gsub(lines, '\n', '')
  return lines == '' and 0 or breaks + 1
end

-- Somebody wrote an entry that is no comment.
local function contributed(draft, author, people_max)
  local people = look(draft, 'people') or ''
  if not has_line(people, author) and lines_in(people) < people_max then
    draft.written.people = with_line(people, author)
  end
end

-- Of several reasons to tell somebody the first counts.
local function tell(draft, effect, position, comment, thread, text, reasons)
  local known, lists, any = { [effect[6]] = true }, {}, false
  for i = 1, 4 do
    local list = {}
    for who in string.gmatch(reasons[i] or '', '[^\n]+') do
      if not known[who] then
        known[who], any = true, true
        list[#list + 1] = who
      end
    end
    lists[i] = concat(list, '\n')
  end
  if any then
    draft.notices[#draft.notices + 1] = { position, _G.cmsgpack.pack({
      effect[6], effect[7], effect[8], effect[9], comment, thread, sub(text, 1, NOTICE_BYTES),
      lists[1], lists[2], lists[3], lists[4],
    }) }
  end
end

local function add(draft, effect, position)
  local op, id, author, text, mentions = effect[2], effect[3], effect[6], effect[10], effect[11]
  local thread, authors = id, ''
  if op == 'r' then
    local answered = comment_in(draft, effect[4])
    if not answered then
      return 'ku'
    end
    thread = answered[1]
    authors = look(draft, 'authors:' .. thread) or ''
    if lines_in(authors) >= effect[18] and not has_line(authors, author) then
      return 'ka'
    end
  end
  local n, bytes = number_in(draft, 'n'), number_in(draft, 'bytes') + #text + effect[15]
  if n >= effect[16] or bytes > effect[17] then
    return 'kn'
  end
  if look(draft, id) then
    return nil
  end
  put(draft, id, {
    thread, author, effect[9], position, effect[13], effect[14], text, mentions, 0, '', 0, 0, 0,
    effect[15],
  })
  draft.written.n, draft.written.bytes = n + 1, bytes
  if not has_line(authors, author) then
    draft.written['authors:' .. thread] = with_line(authors, author)
  end
  local people = look(draft, 'people') or ''
  tell(draft, effect, position, id, thread, text, { mentions, authors, people })
end

-- Does it, unless something speaks against it: then it says what, and has done nothing.
local function review(draft, effect, position)
  local op, id = effect[2], effect[3]
  if op == 'c' or op == 'r' then
    return add(draft, effect, position)
  end
  local comment = comment_in(draft, id)
  if not comment then
    return 'ku'
  end
  if op == 's' or op == 'u' then
    local thread = comment[1]
    local first = comment_in(draft, thread)
    if (first[10] ~= '') == (op == 's') then
      return nil
    end
    first[10], first[11] = op == 's' and effect[6] or '', op == 's' and effect[9] or 0
    put(draft, thread, first)
    if op == 's' then
      local authors = look(draft, 'authors:' .. thread) or ''
      tell(draft, effect, position, id, thread, first[7], { '', '', '', authors })
    end
    return nil
  end
  if effect[5] == 0 and comment[2] ~= effect[6] then
    return 'kf'
  end
  local bytes = number_in(draft, 'bytes') - #comment[7]
  if op == 'd' then
    draft.written.bytes = bytes - comment[14]
    comment[5], comment[6], comment[7], comment[8] = '', '', '', ''
    comment[12], comment[13], comment[14] = 1, 0, 0
    put(draft, id, comment)
    return nil
  end
  if comment[12] == 1 then
    return 'kd'
  end
  local text = effect[10]
  if bytes + #text > effect[17] then
    return 'kn'
  end
  draft.written.bytes = bytes + #text
  comment[7], comment[9] = text, effect[9]
  if effect[12] == 1 then
    local new = ''
    for who in string.gmatch(effect[11], '[^\n]+') do
      if not has_line(comment[8], who) then
        new = with_line(new, who)
      end
    end
    comment[8] = effect[11]
    tell(draft, effect, position, id, comment[1], text, { new })
  end
  put(draft, id, comment)
end

local function write_review(draft, outbox)
  for field, value in pairs(draft.written) do
    call('HSET', draft.key, field, value)
  end
  for i = 1, #draft.notices do
    call('HSET', outbox, draft.notices[i][1], draft.notices[i][2])
  end
end



-- Who owns what. A claim is one key, gone by itself when its lease is over: a hash with
--   owner   the address of the replica whose it is, or nothing: somebody ended it

local function put_claim(key, owner, lease)
  call('HSET', key, 'owner', owner)
  call('PEXPIRE', key, lease)
end

-- keys: claims; args: the claimant's address, milliseconds of the lease
-- reply: the owner of each, from here on
local function claim(keys, args)
  bind()
  local owners = {}
  for n, key in pairs(keys) do
    local owner = call('HGET', key, 'owner')
    if not owner or owner == args[1] then
      put_claim(key, args[1], args[2])
      owner = args[1]
    end
    owners[n] = owner
  end
  return owners
end

-- keys: a claim; args: the address of who gives it back
local function claim_release(keys, args)
  bind()
  if call('HGET', keys[1], 'owner') == args[1] then
    call('DEL', keys[1])
  end
  return 1
end

-- keys: a claim; args: milliseconds for which it is kept from everybody
local function claim_end(keys, args)
  bind()
  put_claim(keys[1], '', args[1])
  return 1
end

redis.register_function('@LIBRARY@_claim', claim)
redis.register_function('@LIBRARY@_claim_release', claim_release)
redis.register_function('@LIBRARY@_claim_end', claim_end)

-- Counts outcomes, each intent once, all of a batch or nothing of it.
--
--   {ns}:intents:<generation>:<bucket>  set   fingerprints of intents that were counted, 64-bit integers: 8 bytes each
--                                             while there are at most 512 of them. A generation is half an hour; 16384
--                                             buckets. Looked for in this generation and the two before, expires then
--   {ns}:outcomes:<flag>:<minute>       hash  what was counted (see core/outcomes.py) -> how often. Expires
--
-- Which of these keys are meant is known by this server's clock alone. They have the hash tag of the one that is named.
--
-- KEYS  {ns}:outcomes, which holds nothing
-- ARGV  {ns}:intents, seconds that counts are kept, fields from which on groups get no new ones, most fields;
--       how many kinds; of each kind: flag, how many fields, the fields;
--       then the outcomes, a line each: fingerprint, bucket, kind (from 1), amount, with a space between
-- Returns how many outcomes were new.
--
-- As in commit.lua all that can fail is looked at before the first write: a key of another type is an error of the first
-- command that reads it, and the first write is refused where memory is used up.

local outcomes, intents = KEYS[1], ARGV[1]
local kept_s, groups_until, most_fields = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local GENERATION_S, GENERATIONS = 1800, 3
local OF_A_GROUP = "\31[^\31]+\31[^\31]*$" -- the last part but one is not empty

local now = tonumber(redis.call("TIME")[1])
local minute, generation = math.floor(now / 60), math.floor(now / GENERATION_S)

local kinds, at = {}, 6
for i = 1, tonumber(ARGV[5]) do
  local length = tonumber(ARGV[at + 1])
  kinds[i] = {flag = ARGV[at], first = at + 2, last = at + 1 + length, amount = 0}
  at = at + 2 + length
end

local function intents_at(age, bucket)
  return intents .. ":" .. (generation - age) .. ":" .. bucket
end

local function known(fingerprint, bucket)
  for age = 0, GENERATIONS - 1 do
    if redis.call("SISMEMBER", intents_at(age, bucket), fingerprint) == 1 then
      return true
    end
  end
  return false
end

local new, seen = {}, {}
for fingerprint, bucket, kind, amount in string.gmatch(ARGV[at], "(%S+) (%S+) (%S+) (%S+)\n") do
  if not seen[fingerprint] and not known(fingerprint, bucket) then
    new[#new + 1] = {fingerprint, intents_at(0, bucket)}
    kind = kinds[tonumber(kind)]
    kind.amount = kind.amount + tonumber(amount)
  end
  seen[fingerprint] = true
end

local hashes = {} -- flag -> {key, length before, fields to raise}
local function hash_of(flag)
  if not hashes[flag] then
    local key = outcomes .. ":" .. flag .. ":" .. minute
    local length = redis.call("HLEN", key)
    hashes[flag] = {key = key, before = length, length = length, raised = {}}
  end
  return hashes[flag]
end

local function has(hash, field)
  return hash.raised[field] or redis.call("HEXISTS", hash.key, field) == 1
end

local function place(hash, field)
  if has(hash, field) then
    return field
  end
  local most = string.find(field, OF_A_GROUP) and groups_until or most_fields - 1
  if hash.length >= most then
    return "folded"
  end
  hash.length = hash.length + 1
  return field
end

for _, kind in ipairs(kinds) do
  if kind.amount > 0 then
    local hash = hash_of(kind.flag)
    for i = kind.first, kind.last do
      local field = place(hash, ARGV[i])
      hash.raised[field] = (hash.raised[field] or 0) + kind.amount
    end
  end
end

for _, intent in ipairs(new) do
  local fingerprint, key = intent[1], intent[2]
  redis.call("SADD", key, fingerprint)
  if redis.call("SCARD", key) == 1 then
    redis.call("EXPIREAT", key, (generation + GENERATIONS) * GENERATION_S)
  end
end
for _, hash in pairs(hashes) do
  for field, amount in pairs(hash.raised) do
    redis.call("HINCRBY", hash.key, field, amount)
  end
  if hash.before == 0 then
    redis.call("EXPIRE", hash.key, kept_s)
  end
end
return #new

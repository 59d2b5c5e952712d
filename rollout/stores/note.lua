-- Writes down what changed no state: the audit's chain goes on, the revision stays, and followers hear nothing.
--
--   {ns}:notes  stream  id <revision>-<number of the note at it, from 1>, entry: the audit line. Never trimmed
--
-- The chain of the audit runs through {ns}:audit and {ns}:notes in the order of their ids. {ns}:head: see commit.lua.
--
-- KEYS  head, notes
-- ARGV  expected revision, expected number of notes at it, hash of the audit line before ("" for none), at_ms, audit
--       line, its hash
-- Returns {"noted"}, {"conflict"}, {"earlier", at_ms of the last entry} or {"type", key, its type}.

local head, notes = KEYS[1], KEYS[2]
local revision, number, expected_hash, at_ms, entry, hash = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]

for key, wanted in pairs({[head] = "hash", [notes] = "stream"}) do
  local found = redis.call("TYPE", key).ok
  if found ~= "none" and found ~= wanted then
    return {"type", key, found}
  end
end

local last = redis.call("HMGET", head, "revision", "notes", "hash", "at_ms")
if (last[1] or "0") ~= revision or (last[2] or "0") ~= number or (last[3] or "") ~= expected_hash then
  return {"conflict"}
end
if tonumber(at_ms) < tonumber(last[4] or "0") then
  return {"earlier", last[4]}
end

local following = string.format("%.0f", tonumber(number) + 1)
redis.call("XADD", notes, revision .. "-" .. following, "entry", entry)
redis.call("HSET", head, "revision", revision, "notes", following, "hash", hash, "at_ms", at_ms)
return {"noted"}

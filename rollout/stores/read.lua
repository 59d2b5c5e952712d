-- Reads the state as of one moment. The keys and what they mean: see commit.lua.
--
-- A script and not MULTI/EXEC: while memory is used up, Redis 7.0 refuses to queue even a read, and a service that
-- starts then must still learn its state.
--
-- KEYS  head, shared, flags, ticks
-- ARGV  "all", or "some" and then flag keys
-- Returns {revision, at_ms, ticked_ms, {seconds, microseconds} now, shared, {flag key, document, ...}}; nil for what is
--       not there.

local head, shared, flags, ticks = KEYS[1], KEYS[2], KEYS[3], KEYS[4]

local found = ARGV[1] == "all" and redis.call("HGETALL", flags) or {}
for i = 2, #ARGV do
  local document = redis.call("HGET", flags, ARGV[i])
  if document then
    found[#found + 1] = ARGV[i]
    found[#found + 1] = document
  end
end
local last = redis.call("HMGET", head, "revision", "at_ms")
local ticked_ms = redis.call("HGET", ticks, "ticked_ms")
return {last[1], last[2], ticked_ms, redis.call("TIME"), redis.call("GET", shared), found}

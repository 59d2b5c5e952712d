-- Reads the state as of one moment. The keys and what they mean: see commit.lua.
--
-- A script and not MULTI/EXEC: while memory is used up, Redis 7.0 refuses to queue even a read, and a service that
-- starts then must still learn its state.
--
-- KEYS  head, shared, flags, ticks, lost
-- ARGV  the longest gap (ms) between two ticks that still counts; "all", or "some" and then flag keys
-- Returns {revision, at_ms, ticked_ms, {seconds, microseconds} now, shared, {flag key, document, ...}, hash, notes,
--       lost}; nil for what is not there. ticked_ms is what the next tick would count if it came now: a bake that begins
--       between two ticks must not count the time before it.

local head, shared, flags, ticks = KEYS[1], KEYS[2], KEYS[3], KEYS[4]

local found = ARGV[2] == "all" and redis.call("HGETALL", flags) or {}
for i = 3, #ARGV do
  local document = redis.call("HGET", flags, ARGV[i])
  if document then
    found[#found + 1] = ARGV[i]
    found[#found + 1] = document
  end
end
local last = redis.call("HMGET", head, "revision", "at_ms", "hash", "notes")
local time, tick = redis.call("TIME"), redis.call("HMGET", ticks, "ticked_ms", "last_at_ms")
local ticked_ms = tick[1]
if ticked_ms then
  local gap = time[1] * 1000 + math.floor(time[2] / 1000) - tonumber(tick[2])
  if gap > 0 and gap <= tonumber(ARGV[1]) then
    ticked_ms = string.format("%.0f", tonumber(ticked_ms) + gap)
  end
end
return {last[1], last[2], ticked_ms, time, redis.call("GET", shared), found, last[3], last[4], redis.call("GET", KEYS[5])}

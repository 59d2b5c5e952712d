-- Counts the time in which somebody was there to see: a stage does not bake while every server is down.
--
--   {ns}:ticks  hash  ticked_ms: how long servers have been ticking in all; last_at_ms: when one ticked last
--
-- KEYS  ticks
-- ARGV  the longest gap (ms) between two ticks that still counts
-- Returns {now, ticked_ms}, both in ms on this server's clock. A clock that was set back counts nothing.

local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local found = redis.call("HMGET", KEYS[1], "ticked_ms", "last_at_ms")
local ticked, gap = tonumber(found[1] or "0"), now - tonumber(found[2] or "0")
if gap > 0 and gap <= tonumber(ARGV[1]) then
  ticked = ticked + gap
end

local now_text, ticked_text = string.format("%.0f", now), string.format("%.0f", ticked)
redis.call("HSET", KEYS[1], "ticked_ms", ticked_text, "last_at_ms", now_text)
return {now_text, ticked_text}

-- The only way to write state: one commit, all of it or nothing.
--
-- All keys carry the hash tag {namespace}, so that Redis Cluster keeps them in one slot. Documents, audit lines and
-- answers are opaque strings: cjson would turn [] into {} and round integers above 2^53, so nothing is decoded here.
--
--   {ns}:head           hash    revision: number of the last commit; notes: how many were noted since (note.lua);
--                               at_ms, hash: time and hash of the last audit line, which the next one names. Absent:
--                               nothing was ever written
--   {ns}:shared         string  the document that belongs to no single flag
--   {ns}:flags          hash    flag key -> document
--   {ns}:blob:<digest>  string  content under its own address, never overwritten
--   {ns}:audit          stream  id <revision>-0, entry: the audit line. Never trimmed
--   {ns}:changes        stream  id <revision>-0, about the last 1024 commits as followers hear of them. whole: "1" says
--                               read everything anew; "0" says that the other fields are all that changed:
--                               "+<flag key>" -> its document, "-<flag key>" -> "" where it was removed
--   {ns}:evidence       hash    flag key -> what the guards' judgement of it rests on; between commits by judge.lua
--   {ns}:request:<id>   string  "<revision>\n<answer>", for 24 hours: told again to whoever repeats the request
--
-- Written elsewhere, because no revision counts them: {ns}:ticks by tick.lua, and by redis.py heartbeats and uses:
--   {ns}:lost           string  what a server still has of the record that was lost here; raises are refused meanwhile
--   {ns}:server:<id>    string  the server's last report, expires when its lifetime is over
--   {ns}:servers        zset    server id -> when it was heard last (ms): which of the above to look for
--   {ns}:key-uses       hash    id of a caller's key -> the hour (since 1970) in which it was used last
--   {ns}:exposed:<day>  set     names of the day's counters, <id of the key>/<flag>; with the next until the day is noted
--   {ns}:people:<day>:<name>    HyperLogLog of who was served the flag's on side, as keyed hashes; or for nine days
--   {ns}:drawn:<flag>:<period>  hash  what was counted of a flag's draw in five minutes, by name; "people <name>" says
--                               that there is the next. Both for half an hour
--   {ns}:people-drawn:<flag>:<period>:<name>  HyperLogLog of who was inside a share, or in its control group
--   {ns}:claim:<name>   string  somebody does this already, until it expires
-- and outcomes by count.lua.
--
-- KEYS  head, shared, flags, audit, changes, request, evidence, blob...
-- ARGV  expected revision, next revision, at_ms, audit line, request record, whole ("1" or "0"), hash of the audit
--       line, hash of the one before ("" for none, "*" for whichever it is), then four groups, each its length and its
--       members: shared (0 or 1), flags written (key, document, ...), flags removed (key, ...), evidence (flag key, "1"
--       where there was some or "0", that before, "1" or "0", that after, ...); then the content of each blob.
-- Returns {"committed"}, {"repeated", record}, {"conflict", revision}, {"forked"}, {"judged", flag key of which there is
--       other evidence}, {"earlier", at_ms of the last commit}, {"ahead", revision of the audit log} or {"type", key,
--       its type}.
--
-- A script is atomic, yet an error midway does not take back what it wrote. So everything that can fail is looked at
-- before the first write, and the first write is one that the server itself refuses when memory is used up, on a
-- replica, or while it cannot persist; it does not look at these again later in the same script. What cannot be seen
-- here is a user who may run some of the commands below and not others: give it +@read +@write +@scripting +@connection
-- +time, on all keys of the namespace.
-- Redis 6.2 and Valkey 7.2 run this: no shebang, no functions.

local head, shared, flags, audit, changes, request = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local evidence = KEYS[7]
local FIRST_BLOB = 8
local expected, following, at_ms, entry, record, whole = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local hash, expected_hash = ARGV[7], ARGV[8]
local next_argument = 9

local function take_group()
  local group = {}
  local length = tonumber(ARGV[next_argument])
  for i = 1, length do
    group[i] = ARGV[next_argument + i]
  end
  next_argument = next_argument + length + 1
  return group
end

local shared_written, flags_written, flags_removed, judged = take_group(), take_group(), take_group(), take_group()

local types = { -- all others: string
  [head] = "hash", [flags] = "hash", [audit] = "stream", [changes] = "stream", [evidence] = "hash",
}
for _, key in ipairs(KEYS) do
  local found = redis.call("TYPE", key).ok
  if found ~= "none" and found ~= (types[key] or "string") then
    return {"type", key, found}
  end
end

local answered = redis.call("GET", request)
if answered then
  return {"repeated", answered}
end

local last = redis.call("HMGET", head, "revision", "at_ms", "hash")
local revision, last_at_ms = last[1] or "0", last[2] or "0"
if revision ~= expected then
  return {"conflict", revision}
end
if expected_hash ~= "*" and expected_hash ~= (last[3] or "") then
  return {"forked"} -- another history came to the same revision
end
for i = 1, #judged, 5 do
  local stored = redis.call("HGET", evidence, judged[i])
  if stored ~= (judged[i + 1] == "1" and judged[i + 2]) then -- false where there is none, on both sides
    return {"judged", judged[i]}
  end
end
if tonumber(at_ms) < tonumber(last_at_ms) then
  return {"earlier", last_at_ms}
end

local newest = redis.call("XREVRANGE", audit, "+", "-", "COUNT", 1)[1]
local audited = newest and string.match(newest[1], "^%d+") or "0"
if tonumber(audited) > tonumber(expected) then
  return {"ahead", audited} -- the head was lost or set back: the next audit line has no place
end

local id = following .. "-0"
local change = {"whole", whole}
if whole == "0" then
  for i = 1, #flags_written, 2 do
    change[#change + 1] = "+" .. flags_written[i]
    change[#change + 1] = flags_written[i + 1]
  end
  for _, key in ipairs(flags_removed) do
    change[#change + 1] = "-" .. key
    change[#change + 1] = ""
  end
end

redis.call("XADD", audit, id, "entry", entry)
local added = redis.pcall("XADD", changes, "MAXLEN", "~", "1024", id, unpack(change))
if type(added) == "table" and added.err then
  redis.call("DEL", changes) -- was ahead of the head; followers who miss it read everything anew
  redis.call("XADD", changes, id, unpack(change))
end
redis.call("HSET", head, "revision", following, "notes", "0", "at_ms", at_ms, "hash", hash)
for _, document in ipairs(shared_written) do
  redis.call("SET", shared, document)
end
for i = 1, #flags_written, 2 do
  redis.call("HSET", flags, flags_written[i], flags_written[i + 1])
end
for _, key in ipairs(flags_removed) do
  redis.call("HDEL", flags, key)
end
for i = 1, #judged, 5 do
  if judged[i + 3] == "1" then
    redis.call("HSET", evidence, judged[i], judged[i + 4])
  else
    redis.call("HDEL", evidence, judged[i])
  end
end
for i = FIRST_BLOB, #KEYS do
  redis.call("SET", KEYS[i], ARGV[next_argument + i - FIRST_BLOB], "NX")
end
redis.call("SET", request, record, "EX", "86400")
return {"committed"}

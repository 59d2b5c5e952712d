-- Puts one flag's evidence in the place of what it was made from, where no decision comes of it that needs a commit.
-- So each minute is judged once, however many servers judge.
--
--   {ns}:evidence  hash  flag key -> what the guards' judgement of it rests on; in commits by commit.lua
--
-- KEYS  evidence
-- ARGV  flag key, "1" where there was some or "0", that before, "1" or "0", that after
-- Returns 1, or 0 where something else is there: then nothing is written.

local evidence, flag = KEYS[1], ARGV[1]
local stored = redis.call("HGET", evidence, flag)
if stored ~= (ARGV[2] == "1" and ARGV[3]) then -- false where there is none, on both sides
  return 0
end
if ARGV[4] == "1" then
  redis.call("HSET", evidence, flag, ARGV[5])
else
  redis.call("HDEL", evidence, flag)
end
return 1

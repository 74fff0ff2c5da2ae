"""What Redis does for `Connections` in one step, with nothing coming between: scripts in Lua."""

# Checks that the connection exists and takes one token of its bucket. A record that does not say
# which client's it is was made by an earlier version, and counts as none: its client connects
# again. KEYS: connection. ARGV: tokens a second, bucket size. Answers {user, session, client or '',
# scopes, seconds to wait} or {}.
ADMIT = """
local fields = {'user_id', 'session_id', 'client_id', 'scopes', 'tokens', 'at'}
local c = redis.call('HMGET', KEYS[1], unpack(fields))
if not c[1] or not c[3] then return {} end
local t = redis.call('TIME')
local now, rate, burst = t[1] + t[2] / 1000000, tonumber(ARGV[1]), tonumber(ARGV[2])
local tokens = math.min(burst, (tonumber(c[5]) or burst) + (now - (tonumber(c[6]) or now)) * rate)
if tokens < 1 then return {c[1], c[2], c[3], c[4], tostring((1 - tokens) / rate)} end
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens - 1), 'at', string.format('%.6f', now))
return {c[1], c[2], c[3], c[4], '0'}
"""

# Counts a refused frame. KEYS: connection. ARGV: µs that a token takes, bucket size. Answers 1 if
# there have been too many.
REFUSE = """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local full = math.max(tonumber(redis.call('HGET', KEYS[1], 'refused') or now), now) + ARGV[1]
if full - now > ARGV[1] * ARGV[2] then return 1 end
redis.call('HSET', KEYS[1], 'refused', string.format('%.0f', full))
return 0
"""

# Adds a socket to its user's. KEYS: the user's sockets. ARGV: socket, now, expiry, lifetime.
# Answers those that were there, oldest first.
OPEN = """
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[2])
local live = redis.call('ZRANGE', KEYS[1], 0, -1)
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[4])
return live
"""

# Keeps a socket's record alive. KEYS: connection. ARGV: now, lifetime, seconds between renewals of
# what it watches, seconds between checks of its session. Answers {whom it watches if that is to be
# renewed, 1 if the session is to be checked}.
RENEW = """
local c = redis.call('HMGET', KEYS[1], 'user_id', 'watching', 'watched_at', 'checked_at')
if not c[1] then return {'', 0} end
local now, check = tonumber(ARGV[1]), 0
redis.call('EXPIRE', KEYS[1], ARGV[2])
if now - (tonumber(c[4]) or 0) >= tonumber(ARGV[4]) then
  check = 1
  redis.call('HSET', KEYS[1], 'checked_at', ARGV[1])
end
local due = c[2] and now - (tonumber(c[3]) or 0) >= tonumber(ARGV[3])
return {due and c[2] or '', check}
"""

# Keeps a socket among its user's. KEYS: the user's sockets, and last seen unless it is a program's.
# ARGV: socket, now, expiry, lifetime, how long last seen is kept.
STAY = """
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[1], 'XX', ARGV[3], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[4])
if KEYS[2] then redis.call('SET', KEYS[2], ARGV[2], 'EX', ARGV[5]) end
return 0
"""

# Watches users of one shard. KEYS: of each its sockets, last seen and watchers. ARGV: socket, now,
# for how long. Answers of each {how many sockets, last seen or ''}.
WATCH = """
local found = {}
for i = 1, #KEYS, 3 do
  found[#found + 1] = redis.call('ZCOUNT', KEYS[i], ARGV[2], '+inf')
  found[#found + 1] = redis.call('GET', KEYS[i + 1]) or ''
  redis.call('ZREMRANGEBYSCORE', KEYS[i + 2], '-inf', ARGV[2])
  redis.call('ZADD', KEYS[i + 2], ARGV[2] + ARGV[3], ARGV[1])
  redis.call('EXPIRE', KEYS[i + 2], ARGV[3])
end
return found
"""

# Stops watching users of one shard. KEYS: their watchers. ARGV: socket.
UNWATCH = """
for i = 1, #KEYS do redis.call('ZREM', KEYS[i], ARGV[1]) end
return 0
"""

# Notes whom a socket watches, unless it was dropped meanwhile. KEYS: connection. ARGV: whom, now.
NOTE_WATCHED = """
if redis.call('HEXISTS', KEYS[1], 'user_id') == 1 then
  redis.call('HSET', KEYS[1], 'watching', ARGV[1], 'watched_at', ARGV[2])
end
return 0
"""

# Takes a socket from its user's. KEYS: the user's sockets, and last seen unless it is a program's.
# ARGV: socket, now, how long last seen is kept. Answers 1 to whoever took the last one that makes
# its user online, and to nobody else.
CLOSE = """
if redis.call('ZREM', KEYS[1], ARGV[1]) == 0 or not KEYS[2] then return 0 end
redis.call('SET', KEYS[2], ARGV[2], 'EX', ARGV[3])
return redis.call('ZCOUNT', KEYS[1], ARGV[2], '+inf') == 0 and 1 or 0
"""

# Lists a user's sockets, those of programs last; with a seq, notes that whoever has one that is no
# program's owes an acknowledgement of it. What is owed of a chat is kept as "first last".
# KEYS: the user's sockets, those of programs, owed deadlines, owed seqs. ARGV: now, owing,
# deadline, seq.
REACH = """
local live = redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[1], '+inf')
if #live > 0 and ARGV[4] ~= '' then
  redis.call('ZADD', KEYS[3], 'NX', ARGV[3], ARGV[2])
  local first, last = tonumber(ARGV[4]), tonumber(ARGV[4])
  local owed = redis.call('HGET', KEYS[4], ARGV[2])
  if owed then
    local a, b = owed:match('(%d+) (%d+)')
    first, last = math.min(first, tonumber(a)), math.max(last, tonumber(b))
  end
  redis.call('HSET', KEYS[4], ARGV[2], string.format('%.0f %.0f', first, last))
end
for _, socket in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], ARGV[1], '+inf')) do
  live[#live + 1] = socket
end
return live
"""

# Strikes out what was owed from one seq to another. What was sent after it stays owed, with a new
# deadline; what was sent before it stays owed as it is.
# KEYS: owed deadlines, owed seqs. ARGV: owing, first, last, deadline.
STRIKE = """
local owed = redis.call('HGET', KEYS[2], ARGV[1])
if not owed then return 0 end
local a, b = owed:match('(%d+) (%d+)')
local first, last = tonumber(a), tonumber(b)
if tonumber(ARGV[2]) <= first and first <= tonumber(ARGV[3]) then
  first = tonumber(ARGV[3]) + 1
  redis.call('ZADD', KEYS[1], 'XX', ARGV[4], ARGV[1])
elseif first < tonumber(ARGV[2]) and last <= tonumber(ARGV[3]) then
  last = math.min(last, tonumber(ARGV[2]) - 1)
end
if first > last then
  redis.call('ZREM', KEYS[1], ARGV[1])
  redis.call('HDEL', KEYS[2], ARGV[1])
else
  redis.call('HSET', KEYS[2], ARGV[1], string.format('%.0f %.0f', first, last))
end
return 0
"""

# Claims what is overdue: moves its deadline, so that it comes again unless it is struck out. What a
# user has beyond their share goes behind everything else that is overdue, so that nobody waits for
# all of it. KEYS: owed deadlines, owed seqs. ARGV: now, next deadline, how many, how many of one
# user, how many to look at. Answers {owing, "first last", …}.
CLAIM = """
local found, shares = {}, {}
local overdue = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[5])
for _, owing in ipairs(overdue) do
  local user = owing:match('%S+')
  local share = shares[user] or 0
  if share >= tonumber(ARGV[4]) then
    redis.call('ZADD', KEYS[1], ARGV[1], owing)
  elseif #found < 2 * tonumber(ARGV[3]) then
    shares[user] = share + 1
    redis.call('ZADD', KEYS[1], ARGV[2], owing)
    found[#found + 1] = owing
    found[#found + 1] = redis.call('HGET', KEYS[2], owing) or '0 0'
  end
end
return found
"""

"""Scripts in Lua: what Redis does for `Connections` in one atomic step."""

# Checks that the connection exists and takes one token of its bucket. A record without `client_id`
# is from an earlier version and counts as none: its client connects again.
# KEYS: connection. ARGV: tokens a second, bucket size, seconds between checks of its session.
# Answers {user, session, client or '', scopes, seconds to wait, 1 if the session must be checked}
# or {}.
ADMIT = """
local fields = {'user_id', 'session_id', 'client_id', 'scopes', 'tokens', 'at', 'checked_at'}
local c = redis.call('HMGET', KEYS[1], unpack(fields))
if not c[1] or not c[3] then return {} end
local t = redis.call('TIME')
local now, rate, burst = t[1] + t[2] / 1000000, tonumber(ARGV[1]), tonumber(ARGV[2])
local tokens = math.min(burst, (tonumber(c[5]) or burst) + (now - (tonumber(c[6]) or now)) * rate)
local look = now - (tonumber(c[7]) or 0) >= tonumber(ARGV[3]) and 1 or 0
if tokens < 1 then return {c[1], c[2], c[3], c[4], tostring((1 - tokens) / rate), look} end
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens - 1), 'at', string.format('%.6f', now))
return {c[1], c[2], c[3], c[4], '0', look}
"""

# Counts a refused frame. KEYS: connection. ARGV: µs that a token takes, bucket size, seconds that
# closing a socket may take. Answers 1 if there have been too many, and nobody is closing it.
REFUSE = """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local full = math.max(tonumber(redis.call('HGET', KEYS[1], 'refused') or now), now) + ARGV[1]
if full - now > ARGV[1] * ARGV[2] then
  local since = tonumber(redis.call('HGET', KEYS[1], 'closing') or 0)
  if now - since < ARGV[3] * 1000000 then return 0 end
  redis.call('HSET', KEYS[1], 'closing', string.format('%.0f', now))
  return 1
end
redis.call('HSET', KEYS[1], 'refused', string.format('%.0f', full))
return 0
"""

# Adds a socket to its user's. KEYS: the user's sockets, and last seen unless it is a program's.
# ARGV: socket, lifetime, how long last seen is kept. Answers those that were there, oldest first.
OPEN = """
local now = tonumber(redis.call('TIME')[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local live = redis.call('ZRANGE', KEYS[1], 0, -1)
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
if KEYS[2] then redis.call('SET', KEYS[2], now, 'EX', ARGV[3]) end
return live
"""

# Records who has a socket. KEYS: connection. ARGV: lifetime, then fields and values.
RECORD = """
redis.call('HSET', KEYS[1], 'checked_at', redis.call('TIME')[1], unpack(ARGV, 2))
redis.call('EXPIRE', KEYS[1], ARGV[1])
return 1
"""

# Keeps a socket's record alive; its session was just looked at. KEYS: connection. ARGV: lifetime,
# seconds between renewals of what it watches. Answers {whom it watches if that is to be renewed,
# else ''}, or {} if there is no record.
RENEW = """
local c = redis.call('HMGET', KEYS[1], 'user_id', 'watching', 'watched_at')
if not c[1] then return {} end
local now = tonumber(redis.call('TIME')[1])
redis.call('EXPIRE', KEYS[1], ARGV[1])
redis.call('HSET', KEYS[1], 'checked_at', now)
local due = c[2] and now - (tonumber(c[3]) or 0) >= tonumber(ARGV[2])
return {due and c[2] or ''}
"""

# Keeps a socket among its user's, and not a young one any more. KEYS: the user's sockets, and last
# seen unless it is a program's. ARGV: socket, lifetime, how long a socket is young, how long last
# seen is kept. Answers 0 if it is not among them: then it gets no events.
STAY = """
local now = tonumber(redis.call('TIME')[1])
local expiry = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0)
if expiry <= now then return 0 end
redis.call('ZADD', KEYS[1], 'XX', now + ARGV[2] - ARGV[3], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
if KEYS[2] then redis.call('SET', KEYS[2], now, 'EX', ARGV[4]) end
return 1
"""

# Watches users of one shard. KEYS: of each its sockets, last seen and watchers. ARGV: socket, for
# how long. Answers of each {how many sockets, last seen or ''}.
WATCH = """
local now, found = tonumber(redis.call('TIME')[1]), {}
for i = 1, #KEYS, 3 do
  found[#found + 1] = redis.call('ZCOUNT', KEYS[i], now, '+inf')
  found[#found + 1] = redis.call('GET', KEYS[i + 1]) or ''
  redis.call('ZREMRANGEBYSCORE', KEYS[i + 2], '-inf', now)
  redis.call('ZADD', KEYS[i + 2], now + ARGV[2], ARGV[1])
  redis.call('EXPIRE', KEYS[i + 2], ARGV[2])
end
return found
"""

# Stops watching users of one shard. KEYS: their watchers. ARGV: socket.
UNWATCH = """
for i = 1, #KEYS do redis.call('ZREM', KEYS[i], ARGV[1]) end
return 0
"""

# Notes whom a socket watches, unless it was dropped. KEYS: connection. ARGV: whom.
NOTE_WATCHED = """
if redis.call('HEXISTS', KEYS[1], 'user_id') == 1 then
  local now = redis.call('TIME')[1]
  redis.call('HSET', KEYS[1], 'watching', ARGV[1], 'watched_at', now)
end
return 0
"""

# Who watches a user. KEYS: watchers. ARGV: how many at most.
WATCHERS = """
local now = redis.call('TIME')[1]
return redis.call('ZRANGEBYSCORE', KEYS[1], now, '+inf', 'LIMIT', 0, ARGV[1])
"""

# Forgets a socket's record. KEYS: connection.
FORGET = "return redis.call('DEL', KEYS[1])"

# Takes a socket from its user's. KEYS: the user's sockets, and last seen unless it is a program's.
# ARGV: socket, how long last seen is kept. Answers the time if the user is offline now, else 0.
CLOSE = """
if redis.call('ZREM', KEYS[1], ARGV[1]) == 0 or not KEYS[2] then return 0 end
local now = tonumber(redis.call('TIME')[1])
redis.call('SET', KEYS[2], now, 'EX', ARGV[2])
return redis.call('ZCOUNT', KEYS[1], now, '+inf') == 0 and now or 0
"""

# Lists a user's sockets, those of programs last. With a seq, a user with one of our own clients
# connected owes an acknowledgement of it. What is owed of a chat is kept as "first last".
# KEYS: the user's sockets, those of programs, owed deadlines, owed seqs. ARGV: lifetime, how long a
# socket is young, owing, within how many seconds, seq. Answers {socket, 1 if it is young or 0, …}.
REACH = """
local t = redis.call('TIME')
local now, found = t[1] + t[2] / 1000000, {}
local function add(key)
  local live = redis.call('ZRANGEBYSCORE', key, t[1], '+inf', 'WITHSCORES')
  for i = 1, #live, 2 do
    found[#found + 1] = live[i]
    found[#found + 1] = tonumber(live[i + 1]) > now + ARGV[1] - ARGV[2] and 1 or 0
  end
end
add(KEYS[1])
if #found > 0 and ARGV[5] ~= '' then
  redis.call('ZADD', KEYS[3], 'NX', string.format('%.6f', now + ARGV[4]), ARGV[3])
  local first, last = tonumber(ARGV[5]), tonumber(ARGV[5])
  local owed = redis.call('HGET', KEYS[4], ARGV[3])
  if owed then
    local a, b = owed:match('(%d+) (%d+)')
    first, last = math.min(first, tonumber(a)), math.max(last, tonumber(b))
  end
  redis.call('HSET', KEYS[4], ARGV[3], string.format('%.0f %.0f', first, last))
end
add(KEYS[2])
return found
"""

# Strikes out what was owed from one seq to another. What was sent after it stays owed, with a new
# deadline; what was sent before it stays owed as it is. If Redis lost the seqs, nothing is owed.
# KEYS: owed deadlines, owed seqs. ARGV: owing, first, last, within how many seconds.
STRIKE = """
local owed = redis.call('HGET', KEYS[2], ARGV[1])
if not owed then return redis.call('ZREM', KEYS[1], ARGV[1]) end
local a, b = owed:match('(%d+) (%d+)')
local first, last = tonumber(a), tonumber(b)
if tonumber(ARGV[2]) <= first and first <= tonumber(ARGV[3]) then
  local t = redis.call('TIME')
  first = tonumber(ARGV[3]) + 1
  local deadline = t[1] + t[2] / 1000000 + ARGV[4]
  redis.call('ZADD', KEYS[1], 'XX', string.format('%.6f', deadline), ARGV[1])
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
# user has beyond their share goes to the end of the queue, so that other users do not wait for it.
# KEYS: owed deadlines, owed seqs. ARGV: seconds until it comes again, how many, how many of one
# user, how many to look at. Answers {owing, "first last", …}.
CLAIM = """
local t = redis.call('TIME')
local now, found, shares = t[1] + t[2] / 1000000, {}, {}
local at = string.format('%.6f', now)
local again = string.format('%.6f', now + ARGV[1])
local overdue = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', at, 'LIMIT', 0, ARGV[4])
for _, owing in ipairs(overdue) do
  local user = owing:match('%S+')
  local share = shares[user] or 0
  if share >= tonumber(ARGV[3]) then
    redis.call('ZADD', KEYS[1], at, owing)
  elseif #found < 2 * tonumber(ARGV[2]) then
    shares[user] = share + 1
    redis.call('ZADD', KEYS[1], again, owing)
    found[#found + 1] = owing
    found[#found + 1] = redis.call('HGET', KEYS[2], owing) or '0 0'
  end
end
return found
"""

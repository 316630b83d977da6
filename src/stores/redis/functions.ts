/**
 * The functions in Lua that the scripts have in common: on the queue of a lock, and on those who hold it beside
 * others. They are put before what uses them, which has named the keys by then: `queue`, `places`, `holders`.
 */
import { alarms, farBehind, promiseLife } from '../places.js';

/** How long the lock's key lives: at least 1, also within its last millisecond, or 0 if indefinitely. */
export const lifetime = `
local function lifetime()
  local life = redis.call('PTTL', KEYS[1])
  return life == -1 and 0 or math.max(life, 1)
end
`;

export const serverTime = `
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
`;

/** The functions on the queue, whose keys the script calls `queue` and `places`. */
export const queueing = `
local id = redis.sha1hex(ARGV[1])
${serverTime}
-- Whether it had a place.
local function leave(place)
  redis.pcall('HDEL', places, place)
  return redis.pcall('ZREM', queue, place) == 1
end

-- The time until which a place is kept, its limit, and its mailbox.
local function read(place)
  local entry = redis.pcall('HGET', places, place)
  if type(entry) ~= 'string' then return 0, 1, '' end
  local kept, limit, mailbox = string.match(entry, '^(%d+) (%d+) (.*)$')
  return tonumber(kept), tonumber(limit), mailbox
end

-- The first place that is still kept, its limit, and its mailbox.
local function first()
  while true do
    local place = redis.pcall('ZRANGE', queue, 0, 0)[1]
    if not place then return end
    local kept, limit, mailbox = read(place)
    if kept > now then return place, limit, mailbox end
    if not leave(place) then return end
  end
end
`;

/**
 * A place at the end of the queue, unless there is one already; or at its front again, where the lock had been
 * promised, but others came in before, whose limit is larger. Answers how long the holder still lives, or 0
 * if indefinitely, and how long the place is kept, 0 if there is none. Only the first in the queue is told of
 * the holder's life, since the others would all come when it ends.
 */
export const queueUp = `
local function queueUp(life, patience, limit, mailbox, wasPromised)
  first()
  if not redis.pcall('ZSCORE', queue, id) then
    local rank, step = -1, 1
    if wasPromised then rank, step = 0, -1 end
    local neighbour = redis.pcall('ZRANGE', queue, rank, rank, 'WITHSCORES')
    redis.pcall('ZADD', queue, (neighbour[2] or 0) + step, id)
  end
  local ahead = redis.pcall('ZRANK', queue, id)
  if type(ahead) ~= 'number' then return {life, 0} end
  local kept = patience * math.min(math.max(ahead, 1), ${farBehind})
  local entry = string.format('%.0f', now + kept) .. ' ' .. limit .. ' ' .. mailbox
  if type(redis.pcall('HSET', places, id, entry)) ~= 'number' then
    leave(id)
    return {life, 0}
  end
  for _, key in ipairs({queue, places}) do
    if redis.call('PTTL', key) < kept then redis.call('PEXPIRE', key, kept) end
  end
  return {ahead == 0 and life or 0, kept}
end
`;

/** What follows a change of the holders, whose key the script calls `holders`. */
export const settling = `
-- Those who hold the lock beside others, and the promises among them.
local function count()
  redis.call('ZREMRANGEBYSCORE', holders, '-inf', now)
  return redis.call('ZCARD', holders)
end

-- The lock's key lives as long as the longest of its holders.
local function settle()
  if count() == 0 then
    redis.call('DEL', KEYS[1])
    return
  end
  local life = redis.call('ZRANGE', holders, -1, -1, 'WITHSCORES')[2] - now
  redis.call('SET', KEYS[1], '>shared', 'PX', life)
  redis.call('PEXPIRE', holders, life)
end
`;

/**
 * The call of the next, by its mailbox, if it may hold the lock now; and those behind it are told when to
 * look after it: after how many milliseconds to ask, and the channel. A mailbox that begins with `!` is on
 * this very server: if nobody receives what is published there, the next is dead, and its place is dropped. A
 * user who may not publish promises nothing, since nobody would hear of it.
 */
export const calling = `
local function promise(place, limit)
  if limit == 1 then
    redis.call('SET', KEYS[1], '>' .. place, 'PX', ${promiseLife})
  else
    redis.call('ZADD', holders, now + ${promiseLife}, '>' .. place)
    settle()
  end
end

local function tell(channel, mailbox, ms)
  return redis.pcall('PUBLISH', string.sub(mailbox, 2), ms .. ' ' .. channel)
end

-- False: nobody waits who could be called.
local function callNext(channel)
  while true do
    local place, limit, mailbox = first()
    if not place then return false end
    local held = redis.call('GET', KEYS[1])
    if held and (held ~= '>shared' or count() >= limit) then return true end
    local heard = tell(channel, mailbox, 0)
    if type(heard) ~= 'number' or not leave(place) then return false end
    if heard > 0 or string.sub(mailbox, 1, 1) ~= '!' then
      promise(place, limit)
      for rank, ms in ipairs({${alarms.join(', ')}}) do
        local behind = redis.pcall('ZRANGE', queue, rank - 1, rank - 1)[1]
        if behind then tell(channel, select(3, read(behind)), ms) end
      end
      return true
    end
  end
end
`;

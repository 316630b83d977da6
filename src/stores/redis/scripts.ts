/**
 * The scripts, each of which Redis runs as one atomic step (redis.io, "Scripting with Lua").
 *
 * Beside a lock's key, which holds the token, lie four more, in the same slot of a cluster: its fence, its
 * queue in two parts, and its holders where it is shared. The queue is a sorted set of those who wait, in the
 * order in which they came, and a hash that has for each: until when its place is kept, by the server's clock
 * in milliseconds, its limit and its mailbox. Both know a token by its SHA-1 alone: who knows a token could
 * release its lock.
 *
 * Whoever gives the lock back leaves in its key a promise to the next, `>` and the SHA-1 of that token, for
 * a moment. The mere existence of the key keeps out all others; a plain attempt looks at no queue.
 *
 * While a lock is shared, its key holds `>shared` for as long as the longest of its holders lives. These are
 * a sorted set: token, and the end of its life by the server's clock. A place among them is promised to
 * `>` and the SHA-1 of a token, as above.
 *
 * The commands on the queue go by `pcall`: a user without the rights to them must be able to take and
 * release locks all the same, without order. What a script may call is told by its keys, all of which are
 * declared.
 */
import { createHash } from 'node:crypto';
import { alarms, farBehind, promiseLife } from '../places.js';

/** A script, and the SHA-1 by which a server that has seen it knows it. */
export interface Script {
  readonly text: string;
  readonly digest: string;
}

function script(text: string): Script {
  return { text, digest: createHash('sha1').update(text).digest('hex') };
}

/**
 * Answers the fence. It is a time in microseconds, below 2^53 until the year 2255, and so exact in Lua's
 * numbers; but it must be formatted by hand, since Lua itself would write it as 1.8e+15.
 */
const mint = `
local time = redis.call('TIME')
local fence = math.max((redis.call('GET', KEYS[2]) or 0) + 1, time[1] * 1000000 + time[2])
redis.call('SET', KEYS[2], string.format('%.0f', fence), 'PX', ARGV[3])
return fence`;

/**
 * KEYS: lock, fence. ARGV: token, ttl, the fence's ttl. For those who do not wait, or cannot be woken.
 *
 * Answers one integer, which costs less than an array: the fence, positive, if granted; else how
 * long the holder still lives, as a negative number, or 0 if indefinitely.
 */
export const acquireScript = script(`
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then
  if redis.call('GET', KEYS[1]) ~= ARGV[1] then
    local life = redis.call('PTTL', KEYS[1])
    return life == -1 and 0 or -math.max(life, 1)
  end
  local minted = redis.call('GET', KEYS[2])
  if minted then return tonumber(minted) end
end
${mint}`);

const serverTime = `
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
`;

/** The functions on the queue, whose keys the script calls `queue` and `places`. */
const queueing = `
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
const queueUp = `
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
const settling = `
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
const calling = `
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

/**
 * KEYS: lock, fence, queue, places, holders. ARGV: token, ttl, the fence's ttl, patience, mailbox. For those
 * who wait. Answers the fence if granted; else what `queueUp` answers.
 */
export const acquireInTurnScript = script(`
local queue, places, holders = KEYS[3], KEYS[4], KEYS[5]
${queueing}${queueUp}${settling}
local held = redis.call('GET', KEYS[1])
local wasPromised = held == '>shared' and redis.pcall('ZREM', holders, '>' .. id) == 1
if wasPromised then
  settle()
  held = redis.call('GET', KEYS[1])
end
if held == ARGV[1] then
  local minted = redis.call('GET', KEYS[2])
  if minted then return tonumber(minted) end
elseif held and held ~= '>' .. id then
  return queueUp(math.max(redis.call('PTTL', KEYS[1]), 0), ARGV[4], 1, ARGV[5], wasPromised)
else
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  leave(id)
end
${mint}`);

/**
 * KEYS: lock, fence, queue, places, holders. ARGV: token, ttl, the fence's ttl, limit, channel, and of those
 * who wait patience and mailbox. Answers the fence if granted; else what `queueUp` answers, where the holder
 * is the first whose life ends.
 */
export const acquireSharedScript = script(`
local queue, places, holders = KEYS[3], KEYS[4], KEYS[5]
${queueing}${queueUp}${settling}${calling}
local held = redis.call('GET', KEYS[1])
local isPromised = held == '>' .. id
local function refuse(life)
  if not ARGV[6] then return {life, 0} end
  return queueUp(life, ARGV[6], ARGV[4], ARGV[7], isPromised)
end

if held and held ~= '>shared' and not isPromised then
  return refuse(math.max(redis.call('PTTL', KEYS[1]), 0))
end
local others = count()
if not redis.call('ZSCORE', holders, ARGV[1]) then
  if redis.call('ZREM', holders, '>' .. id) == 1 then
    isPromised = true
    others = others - 1
  end
  local next = not isPromised and first() or id
  if next ~= id or others >= tonumber(ARGV[4]) then
    settle()
    local ends = redis.call('ZRANGE', holders, 0, 0, 'WITHSCORES')[2]
    return refuse(ends and ends - now or 0)
  end
  redis.call('ZADD', holders, now + ARGV[2], ARGV[1])
  leave(id)
  settle()
  callNext(ARGV[5])
end
${mint}`);

/** KEYS: lock, holders. ARGV: token, ttl. Answers 1, or 0 if the token does not hold the lock. */
export const extendScript = script(`
local held, holders = redis.call('GET', KEYS[1]), KEYS[2]
if held == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
if held ~= '>shared' then return 0 end
${serverTime}${settling}
count()
if not redis.call('ZSCORE', holders, ARGV[1]) then return 0 end
redis.call('ZADD', holders, now + ARGV[2], ARGV[1])
settle()
return 1`);

/**
 * KEYS: lock, queue, places, holders. ARGV: token, channel (which has the name of the lock's key), heir or
 * nothing. Answers 1, or 0 if the token does not hold the lock; gives up the place of a token that waits, and
 * a promise to it. An heir asks right behind, and need not be told.
 *
 * The news goes to the next alone. Whoever watches without a place is woken by the channel, if there is no
 * queue. A user who may not publish must be able to release all the same.
 */
export const releaseScript = script(`
local queue, places, holders = KEYS[2], KEYS[3], KEYS[4]
local held = redis.call('GET', KEYS[1])
-- As nearly always: it is ours, and nobody waits.
if held == ARGV[1] and ARGV[3] == '' and not redis.pcall('ZRANGE', queue, 0, 0)[1] then
  redis.call('DEL', KEYS[1])
  redis.pcall('PUBLISH', ARGV[2], '')
  return 1
end
${queueing}${settling}${calling}
leave(id)
local ours, promised = held == ARGV[1], held == '>' .. id
if held == '>shared' then
  count()
  ours = redis.call('ZREM', holders, ARGV[1]) == 1
  promised = redis.call('ZREM', holders, '>' .. id) == 1
  settle()
elseif ours and ARGV[3] ~= '' then
  local heir = redis.sha1hex(ARGV[3])
  leave(heir)
  promise(heir, 1)
  return 1
elseif ours or promised then
  redis.call('DEL', KEYS[1])
end
if not callNext(ARGV[2]) and (ours or promised) then redis.pcall('PUBLISH', ARGV[2], '') end
return ours and 1 or 0`);

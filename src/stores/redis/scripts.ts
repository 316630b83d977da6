/**
 * The scripts, each of which Redis runs as one atomic step (redis.io, "Scripting with Lua").
 *
 * Beside a lock's key, which holds the token, lie three more, in the same slot of a cluster: its fence, and
 * its queue in two parts. The queue is a sorted set of those who wait, in the order in which they came, and
 * a hash that has for each: until when its place is kept, by the server's clock in milliseconds, and its
 * mailbox. Both know a token by its SHA-1 alone: who knows a token could release its lock.
 *
 * Whoever gives the lock back leaves in its key a promise to the next, `>` and the SHA-1 of that token, for
 * a moment. The mere existence of the key keeps out all others; a plain attempt looks at no queue.
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

/** The functions on the queue, whose keys the script calls `queue` and `places`. */
const queueing = `
local id = redis.sha1hex(ARGV[1])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

-- Whether it had a place.
local function leave(place)
  redis.pcall('HDEL', places, place)
  return redis.pcall('ZREM', queue, place) == 1
end

-- The time until which a place is kept, and its mailbox.
local function read(place)
  local entry = redis.pcall('HGET', places, place)
  if type(entry) ~= 'string' then return 0, '' end
  local kept, mailbox = string.match(entry, '^(%d+) (.*)$')
  return tonumber(kept), mailbox
end

-- The first place that is still kept, and its mailbox.
local function first()
  while true do
    local place = redis.pcall('ZRANGE', queue, 0, 0)[1]
    if not place then return end
    local kept, mailbox = read(place)
    if kept > now then return place, mailbox end
    if not leave(place) then return end
  end
end
`;

/**
 * KEYS: lock, fence, queue, places. ARGV: token, ttl, the fence's ttl, patience, mailbox. For those who
 * wait.
 *
 * Answers the fence if granted; else an array: how long the holder still lives, or 0 if indefinitely, and
 * how long the place is kept, 0 if there is none. Only the first in the queue is told of the holder's
 * life, since the others would all come when it ends.
 */
export const acquireInTurnScript = script(`
local queue, places = KEYS[3], KEYS[4]
${queueing}
local held = redis.call('GET', KEYS[1])
if held == ARGV[1] then
  local minted = redis.call('GET', KEYS[2])
  if minted then return tonumber(minted) end
elseif held and held ~= '>' .. id then
  local life = math.max(redis.call('PTTL', KEYS[1]), 0)
  first()
  if not redis.pcall('ZSCORE', queue, id) then
    local last = redis.pcall('ZRANGE', queue, -1, -1, 'WITHSCORES')
    redis.pcall('ZADD', queue, (last[2] or 0) + 1, id)
  end
  local ahead = redis.pcall('ZRANK', queue, id)
  if type(ahead) ~= 'number' then return {life, 0} end
  local kept = ARGV[4] * math.min(math.max(ahead, 1), ${farBehind})
  local set = redis.pcall('HSET', places, id, string.format('%.0f', now + kept) .. ' ' .. ARGV[5])
  if type(set) ~= 'number' then
    leave(id)
    return {life, 0}
  end
  for _, key in ipairs({queue, places}) do
    if redis.call('PTTL', key) < kept then redis.call('PEXPIRE', key, kept) end
  end
  return {ahead == 0 and life or 0, kept}
else
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  leave(id)
end
${mint}`);

/** KEYS: lock. ARGV: token, ttl. Answers 1, or 0 if the token does not hold the lock. */
export const extendScript = script(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`);

/**
 * KEYS: lock, queue, places. ARGV: token, channel (which has the name of the lock's key), heir or nothing.
 * Answers 1, or 0 if the token does not hold the lock; gives up the place of a token that waits, and a
 * promise to it. An heir asks right behind, and need not be told.
 *
 * The news goes to the next alone, by its mailbox, and to those behind it as an alarm: the number of
 * milliseconds after which to ask, and the channel. A mailbox that begins with \`!\` is on this very server:
 * if nobody receives what is published there, the next is dead, and its place is dropped. Whoever watches
 * without a place is woken by the channel, if there is no queue. A user who may not publish must be able to
 * release all the same, and then promises nothing, since nobody would hear of it.
 */
export const releaseScript = script(`
local queue, places = KEYS[2], KEYS[3]
local held = redis.call('GET', KEYS[1])
-- As nearly always: it is ours, and nobody waits.
if held == ARGV[1] and ARGV[3] == '' and not redis.pcall('ZRANGE', queue, 0, 0)[1] then
  redis.call('DEL', KEYS[1])
  redis.pcall('PUBLISH', ARGV[2], '')
  return 1
end
${queueing}
local ours = held == ARGV[1]
leave(id)
if not ours and held ~= '>' .. id then return 0 end
local result = ours and 1 or 0

local function promise(place)
  redis.call('SET', KEYS[1], '>' .. place, 'PX', ${promiseLife})
end

if ours and ARGV[3] ~= '' then
  local heir = redis.sha1hex(ARGV[3])
  leave(heir)
  promise(heir)
  return 1
end

local function tell(mailbox, ms)
  return redis.pcall('PUBLISH', string.sub(mailbox, 2), ms .. ' ' .. ARGV[2])
end

local place, mailbox = first()
while place do
  local heard = tell(mailbox, 0)
  if type(heard) ~= 'number' then break end
  if not leave(place) then break end
  if heard > 0 or string.sub(mailbox, 1, 1) ~= '!' then
    promise(place)
    for rank, ms in ipairs({${alarms.join(', ')}}) do
      local behind = redis.pcall('ZRANGE', queue, rank - 1, rank - 1)[1]
      if behind then tell(select(2, read(behind)), ms) end
    end
    return result
  end
  place, mailbox = first()
end
redis.call('DEL', KEYS[1])
if not place then redis.pcall('PUBLISH', ARGV[2], '') end
return result`);

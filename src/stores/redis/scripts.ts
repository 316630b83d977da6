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
import { calling, lifetime, queueing, queueUp, serverTime, settling } from './functions.js';

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
export const acquireScript = script(`${lifetime}
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then
  if redis.call('GET', KEYS[1]) ~= ARGV[1] then
    return -lifetime()
  end
  local minted = redis.call('GET', KEYS[2])
  if minted then return tonumber(minted) end
end
${mint}`);

/**
 * KEYS: lock, fence, queue, places, holders. ARGV: token, ttl, the fence's ttl, patience, mailbox. For those
 * who wait. Answers the fence if granted; else what `queueUp` answers.
 */
export const acquireInTurnScript = script(`
local queue, places, holders = KEYS[3], KEYS[4], KEYS[5]
${lifetime}${queueing}${queueUp}${settling}
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
  return queueUp(lifetime(), ARGV[4], 1, ARGV[5], wasPromised)
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
${lifetime}${queueing}${queueUp}${settling}${calling}
local held = redis.call('GET', KEYS[1])
local isPromised = held == '>' .. id
local function refuse(life)
  if not ARGV[6] then return {life, 0} end
  return queueUp(life, ARGV[6], ARGV[4], ARGV[7], isPromised)
end

if held and held ~= '>shared' and not isPromised then
  return refuse(lifetime())
end
local others = count()
if not redis.call('ZSCORE', holders, ARGV[1]) then
  if redis.call('ZREM', holders, '>' .. id) == 1 then
    isPromised = true
    others = others - 1
  end
  -- A lock that is neither held nor promised waits for nobody: those in the queue may be dead.
  local next = not isPromised and others > 0 and first() or id
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

/**
 * The statements of the plain lock. Each is one atomic step, whatever the isolation level, since it reads
 * and changes one row under the lock of that row; and each goes by the server's clock alone, as it was when
 * the statement began.
 *
 * A row holds in `token` who holds the lock, until `ends`: the token itself, or nothing once the lock was
 * given back. That is a state, and not a time in the past, since a clock that is set back must not bring a
 * holder back. A token that begins with `>` is no holder's: see in-turn.ts, which uses the columns `holders`
 * and `queue`.
 *
 * All clients must be able to carry the parameters: they are text, each is used once, in order, and cast. The
 * last is the time limit, but for `pass`.
 * All must be able to give the answers: they are rows, of booleans and of numbers.
 */
import { alarms, promiseLife } from '../places.js';

/** Every operation bounds the time for which the server waits for the row, as nobody else does. */
export const bounded = (parameter: string) =>
  `set_config('lock_timeout', CAST(${parameter} AS text), true)`;

/** How a parameter that is a number of milliseconds is read. */
export const milliseconds = (parameter: string) => `CAST(CAST(${parameter} AS text) AS float8)`;

export const keyOf = (parameter: string) => `decode(CAST(${parameter} AS text), 'hex')`;

/** In milliseconds since 1970. */
export const now = `CAST(extract(epoch FROM statement_timestamp()) * 1000 AS float8)`;

/** In microseconds: below 2^53 until the year 2255, and so exact in numbers of JavaScript. */
export const serverTime = `CAST(extract(epoch FROM statement_timestamp()) * 1000000 AS bigint)`;

/** For how long a release is made known after somebody has shown interest in it. */
export const interest = `statement_timestamp() + interval '10 s'`;

/**
 * For those who do not wait, or cannot be woken. Parameters: key, shown name, token, ttl, timeout. Answers `token`
 * (of whoever holds the lock now), `fence`, and `life`, the time until the life of the holder ends.
 *
 * Without a WHERE it always answers the row, as it is after the statement: also to those who are refused. Their
 * interest is noted.
 */
export function acquire(table: string): string {
  const isFree = `held.token = '' OR held.ends <= statement_timestamp()`;
  return `
INSERT INTO ${table} AS held (key, name, token, ends, fence)
SELECT ${keyOf('$1')}, CAST($2 AS text), CAST($3 AS text),
  statement_timestamp() + ${milliseconds('$4')} * interval '1 ms', ${serverTime}
FROM ${bounded('$5')}
ON CONFLICT (key) DO UPDATE SET
  token = CASE WHEN ${isFree} THEN excluded.token ELSE held.token END,
  ends = CASE WHEN ${isFree} THEN excluded.ends ELSE held.ends END,
  fence = CASE WHEN ${isFree} THEN greatest(held.fence + 1, excluded.fence) ELSE held.fence END,
  holders = CASE WHEN ${isFree} THEN NULL ELSE held.holders END,
  awaited = CASE WHEN ${isFree} OR held.token = excluded.token THEN held.awaited ELSE ${interest} END
RETURNING token, CAST(fence AS float8) AS fence,
  CAST(extract(epoch FROM ends - statement_timestamp()) * 1000 AS float8) AS life`;
}

/**
 * Parameters: key, token, ttl, timeout. Answers `ours`. While the lock is shared, it ends with the longest of its
 * holders.
 */
export function extend(table: string): string {
  const own = `CAST(holders -> mine ->> 0 AS float8)`;
  const isAlone = `token = mine`;
  return `
WITH extended AS (
  UPDATE ${table} SET
    holders = CASE WHEN ${isAlone} THEN NULL
      ELSE jsonb_set(holders, ARRAY[mine, '0'], to_jsonb(now + life)) END,
    ends = CASE WHEN ${isAlone} THEN statement_timestamp() + life * interval '1 ms'
      ELSE (SELECT to_timestamp(greatest(now + life, max(CAST(holder ->> 0 AS float8))) / 1000)
            FROM jsonb_each(holders - mine) AS others(id, holder)) END
  FROM (
    SELECT ${keyOf('$1')} AS id, CAST($2 AS text) AS mine, ${milliseconds('$3')} AS life,
      ${now} AS now, ${bounded('$4')}
  ) AS asked
  WHERE key = id AND ends > statement_timestamp()
    AND (${isAlone} OR (token = '>shared' AND ${own} > now))
  RETURNING 1
)
SELECT count(*) = 1 AS ours FROM extended`;
}

/**
 * For nearly all cases: nobody waits; or the token holds the lock alone, and the first place is still kept.
 * Parameters: key, token, channel, timeout. Answers a row, or none: then `releaseInTurn` is to be asked.
 */
export function release(table: string): string {
  const isShared = `token = '>shared'`;
  const rest = `nullif(holders - mine, '{}')`;
  return `
WITH released AS (
  UPDATE ${table} SET
    token = CASE WHEN ${isShared} THEN CASE WHEN ${rest} IS NULL THEN '' ELSE token END
      ELSE coalesce('>' || (queue -> 0 ->> 0), '') END,
    ends = CASE
      WHEN ${isShared} AND ${rest} IS NOT NULL THEN (
        SELECT to_timestamp(max(CAST(value ->> 0 AS float8)) / 1000) FROM jsonb_each(${rest}))
      WHEN queue IS NULL THEN statement_timestamp()
      ELSE statement_timestamp() + interval '${promiseLife} ms' END,
    holders = CASE WHEN ${isShared} THEN ${rest} ELSE queue -> 0 END,
    queue = nullif(queue - 0, '[]')
  FROM (
    SELECT ${keyOf('$1')} AS id, CAST($2 AS text) AS mine, CAST($3 AS text) AS channel, ${now} AS now,
      ${bounded('$4')}
  ) AS asked
  WHERE key = id AND ends > statement_timestamp() AND CASE
    WHEN ${isShared} THEN queue IS NULL AND CAST(holders -> mine ->> 0 AS float8) > now
    ELSE token = mine AND coalesce(CAST(queue -> 0 ->> 1 AS float8) > now, true) END
  RETURNING channel, encode(key, 'hex') AS lock, holders, queue, token NOT IN ('', '>shared') AS calls,
    awaited > statement_timestamp() AS is_awaited
)
SELECT true AS ours, (
  SELECT count(pg_notify(mailbox, ms || ' ' || lock))
  FROM (VALUES
    (CASE WHEN calls THEN holders ->> 3 END, 0),
    (CASE WHEN is_awaited AND NOT calls THEN channel END, -1),
    ${alarms.map((ms, rank) => `(CASE WHEN calls THEN queue -> ${rank} ->> 3 END, ${ms})`).join(',\n    ')}
  ) AS news(mailbox, ms)
  WHERE mailbox IS NOT NULL) AS told
FROM released`;
}

/**
 * Gives the lock to another token, in place of the one that holds it alone, or of a promise. Parameters: key, what
 * the lock holds, the other token, its id if it may go past others who wait or else nothing, ttl, timeout. Answers
 * `fence`, or no row: then nothing has changed.
 */
export function relay(table: string): string {
  return `
UPDATE ${table} SET token = heir, holders = NULL, ends = statement_timestamp() + life * interval '1 ms',
  fence = greatest(fence + 1, ${serverTime})
FROM (
  SELECT ${keyOf('$1')} AS id, CAST($2 AS text) AS mine, CAST($3 AS text) AS heir, CAST($4 AS text) AS place,
    ${milliseconds('$5')} AS life, ${bounded('$6')}
) AS asked
WHERE key = id AND token = mine AND ends > statement_timestamp()
  AND CASE WHEN place = '' THEN queue IS NULL AND awaited <= statement_timestamp()
    ELSE queue IS NULL OR NOT queue @> jsonb_build_array(jsonb_build_array(place)) END
RETURNING CAST(fence AS float8) AS fence`;
}

/**
 * Passes a lock on, in a transaction of the caller's: a limit for how long the server waits for the row would hold
 * for the rest of that. Parameters: key, token, the next token, ttl. Answers `ours`, or no row.
 */
export function pass(table: string): string {
  return `
UPDATE ${table} SET token = heir, holders = NULL, ends = statement_timestamp() + life * interval '1 ms'
FROM (
  SELECT ${keyOf('$1')} AS id, CAST($2 AS text) AS mine, CAST($3 AS text) AS heir, ${milliseconds('$4')} AS life
) AS asked
WHERE key = id AND token = mine AND ends > statement_timestamp()
RETURNING true AS ours`;
}

/** Makes a release known to those who watch. Parameters: key, shown name, timeout. */
export function watch(table: string): string {
  return `
INSERT INTO ${table} (key, name, awaited)
SELECT ${keyOf('$1')}, CAST($2 AS text), ${interest} FROM ${bounded('$3')}
ON CONFLICT (key) DO UPDATE SET awaited = excluded.awaited`;
}

/** Parameters: channel, payload, timeout. */
export function notify(): string {
  return `SELECT pg_notify(CAST($1 AS text), CAST($2 AS text)) AS told FROM ${bounded('$3')}`;
}

/**
 * Forgets the locks that nobody has held for a day. A row that somebody else has locked is in use. Parameter:
 * timeout.
 */
export function sweep(table: string): string {
  return `
DELETE FROM ${table} WHERE ctid = ANY (ARRAY(
  SELECT stale.ctid FROM ${table} AS stale, ${bounded('$1')}
  WHERE ends < statement_timestamp() - interval '1 day' AND awaited < statement_timestamp()
  LIMIT 1000 FOR UPDATE OF stale SKIP LOCKED))`;
}

/**
 * The statements of a lock for which others wait, or which several hold. The queue and the holders lie in
 * the lock's own row: the only place where whoever has locked it sees them as they are, and not as they were
 * when the statement began.
 *
 * `queue` is an array of places in the order in which they came: [id, until when it is kept, limit,
 * mailbox]. An id is a hash of a token: who knows a token could release its lock. Whoever gives the lock back
 * leaves in `token` a promise to the next, `>` and its id, for a moment; `holders` is then the place it had.
 *
 * While the lock is shared, `token` is `>shared`, and `ends` the end of the longest of its holders. These are
 * an object: by token [the end of its life, its fence], and by `>` and an id [the end of a promise]. All times
 * are in milliseconds of the server's epoch.
 */
import { alarms, farBehind, promiseLife } from '../places.js';
import { bounded, interest, keyOf, milliseconds, now } from './statements.js';

/** The row as it is, locked; with what is still alive of its holders and places. */
const live = (table: string) => `
held AS MATERIALIZED (
  SELECT asked.*, ends, fence, awaited, holders, queue,
    CASE WHEN ends > statement_timestamp() THEN token ELSE '' END AS holder
  FROM asked JOIN ${table} AS row ON key = id FOR UPDATE OF row
),
live AS MATERIALIZED (
  SELECT held.*,
    holder NOT IN ('', '>shared', mine, '>' || place) AS closed,
    coalesce((
      SELECT jsonb_object_agg(each.key, value)
      FROM jsonb_each(CASE WHEN holder = '>shared' THEN holders END) AS each
      WHERE CAST(value ->> 0 AS float8) > now), '{}') AS sharers,
    coalesce((
      SELECT jsonb_agg(value ORDER BY ordinality)
      FROM jsonb_array_elements(queue) WITH ORDINALITY AS each
      WHERE CAST(value ->> 1 AS float8) > now), '[]') AS places
  FROM held
)`;

/** Places without one of them. */
const without = (places: string, id: string) => `coalesce((
    SELECT jsonb_agg(value ORDER BY ordinality)
    FROM jsonb_array_elements(${places}) WITH ORDINALITY AS each
    WHERE value ->> 0 <> ${id}), '[]')`;

const countOf = (sharers: string) => `(SELECT count(*) FROM jsonb_object_keys(${sharers}))`;

/**
 * The call of the next, if it may hold the lock now; those behind it are told when to look after it: after how
 * many milliseconds to ask for which lock. `settled` has the lock after the change, before the call: `alone`
 * (the token that holds it alone, or nothing), `alone_ends`, `sharers`, `places`, `calls` (whether somebody may
 * be called).
 */
const call = `
calling AS MATERIALIZED (
  SELECT settled.*, places -> 0 AS next, coalesce(calls AND alone = ''
    AND ${countOf('sharers')} < CAST(places -> 0 ->> 2 AS float8), false) AS fits
  FROM settled
),
called AS MATERIALIZED (
  SELECT calling.*,
    CASE WHEN fits AND next ->> 2 = '1' THEN '>' || (next ->> 0) ELSE alone END AS single,
    CASE WHEN fits AND next ->> 2 <> '1'
      THEN sharers || jsonb_build_object('>' || (next ->> 0), jsonb_build_array(now + ${promiseLife}))
      ELSE sharers END AS several
  FROM calling
)`;

const change = (table: string) => `
changed AS (
  UPDATE ${table} AS row SET
    token = CASE WHEN several = '{}' THEN single ELSE '>shared' END,
    ends = CASE
      WHEN several <> '{}' THEN (
        SELECT to_timestamp(max(CAST(value ->> 0 AS float8)) / 1000) FROM jsonb_each(several))
      WHEN fits THEN to_timestamp((now + ${promiseLife}) / 1000)
      ELSE alone_ends END,
    fence = called.fence,
    awaited = called.awaited,
    holders = nullif(several, '{}'),
    queue = nullif(CASE WHEN fits THEN places - 0 ELSE places END, '[]')
  FROM called WHERE key = id
  RETURNING called.*
),
told AS (
  SELECT pg_notify(places -> rank ->> 3, ms || ' ' || encode(id, 'hex')) AS told
  FROM changed, (VALUES ${[0, ...alarms].map((ms, rank) => `(${rank}, ${ms})`).join(', ')}) AS alarms(rank, ms)
  WHERE fits AND places -> rank IS NOT NULL
)`;

/**
 * Parameters: key, shown name, token, its id, ttl, limit, patience or 0, mailbox, timeout. Answers `granted`,
 * `fence`, `life` (the time until the lock may come free), and `kept`, for how long the place is kept, or 0. No
 * row: the lock's row came into being meanwhile.
 */
export const acquireInTurn = (table: string) => `
WITH asked AS MATERIALIZED (
  SELECT ${keyOf('$1')} AS id, CAST($2 AS text) AS shown, CAST($3 AS text) AS mine,
    CAST($4 AS text) AS place, ${milliseconds('$5')} AS life, ${milliseconds('$6')} AS most,
    ${milliseconds('$7')} AS patience, CAST($8 AS text) AS mailbox, ${now} AS now, ${bounded('$9')}
),
created AS (
  INSERT INTO ${table} (key, name, token, ends, fence, holders)
  SELECT id, shown, CASE WHEN most = 1 THEN mine ELSE '>shared' END,
    statement_timestamp() + life * interval '1 ms', CAST(now * 1000 AS bigint),
    CASE WHEN most > 1 THEN jsonb_build_object(mine, jsonb_build_array(now + life, now * 1000)) END
  FROM asked ON CONFLICT (key) DO NOTHING RETURNING fence
),${live(table)},
asking AS MATERIALIZED (
  SELECT live.*, holder = mine OR jsonb_exists(sharers, mine) AS owned,
    holder = '>' || place OR jsonb_exists(sharers, '>' || place) AS promised,
    sharers - ('>' || place) AS others,
    ${without('places', 'place')} AS behind,
    coalesce((
      SELECT ordinality - 1 FROM jsonb_array_elements(places) WITH ORDINALITY AS each
      WHERE value ->> 0 = place), jsonb_array_length(places)) AS rank
  FROM live
),
decided AS MATERIALIZED (
  SELECT asking.*, CASE WHEN promised THEN 0 ELSE rank END AS ahead,
    -- A lock that is neither held nor promised waits for nobody: those in the queue may be dead.
    NOT owned AND NOT closed AND (promised OR most = 1 OR rank = 0 OR others = '{}')
      AND ${countOf('others')} < most AS granted,
    greatest(fence + 1, CAST(now * 1000 AS bigint)) AS minted
  FROM asking
),
placed AS MATERIALIZED (
  SELECT decided.*, patience * least(greatest(ahead, 1), ${farBehind}) AS kept,
    NOT owned AND NOT granted AND patience > 0 AS waits
  FROM decided
),
settled AS MATERIALIZED (
  SELECT id, now, mine, owned OR granted AS granted, waits, most, ahead, closed, kept, ends,
    CASE WHEN granted THEN minted ELSE fence END AS fence,
    coalesce(CAST(sharers -> mine ->> 1 AS bigint), CASE WHEN granted THEN minted ELSE fence END) AS own_fence,
    granted AND most > 1 AS calls,
    CASE WHEN owned OR granted OR waits THEN awaited ELSE ${interest} END AS awaited,
    CASE WHEN granted AND most = 1 THEN mine WHEN granted OR holder = '>shared' THEN '' ELSE holder END AS alone,
    CASE WHEN granted THEN statement_timestamp() + life * interval '1 ms' ELSE ends END AS alone_ends,
    CASE WHEN granted AND most = 1 THEN '{}'
      WHEN granted THEN others || jsonb_build_object(mine, jsonb_build_array(now + life, minted))
      WHEN waits THEN others ELSE sharers END AS sharers,
    CASE WHEN granted THEN behind
      WHEN NOT waits THEN places
      WHEN promised THEN entry || behind
      WHEN rank < jsonb_array_length(places) THEN jsonb_set(places, ARRAY[CAST(rank AS text)], entry -> 0)
      ELSE places || entry END AS places
  FROM placed, LATERAL (
    SELECT jsonb_build_array(jsonb_build_array(place, now + kept, most, mailbox)) AS entry) AS entries
),${call},${change(table)}
SELECT granted, CAST(own_fence AS float8) AS fence,
  CASE WHEN waits AND ahead > 0 THEN NULL
    WHEN most = 1 OR closed THEN CAST(extract(epoch FROM ends - statement_timestamp()) * 1000 AS float8)
    ELSE (SELECT min(CAST(value ->> 0 AS float8)) FROM jsonb_each(sharers)) - now END AS life,
  CASE WHEN waits THEN kept END AS kept, (SELECT count(told) FROM told) AS told
FROM changed
UNION ALL SELECT true, CAST(fence AS float8), NULL, NULL, 0 FROM created`;

/**
 * Parameters: key, token, its id, the id of the heir or nothing, channel, timeout. Answers `ours`. Gives up the
 * place of a token that waits, and a promise to it. An heir asks right behind, and need not be told.
 */
export const releaseInTurn = (table: string) => `
WITH asked AS MATERIALIZED (
  SELECT ${keyOf('$1')} AS id, CAST($2 AS text) AS mine, CAST($3 AS text) AS place, CAST($4 AS text) AS heir,
    CAST($5 AS text) AS channel, ${now} AS now, ${bounded('$6')}
),${live(table)},
leaving AS MATERIALIZED (
  SELECT live.*, holder = mine OR jsonb_exists(sharers, mine) AS ours,
    holder = '>' || place OR jsonb_exists(sharers, '>' || place) AS promised,
    heir <> '' AND holder = mine AS inherited,
    sharers - mine - ('>' || place) AS others,
    ${without(without('places', 'place'), 'heir')} AS behind
  FROM live
),
settled AS MATERIALIZED (
  SELECT id, channel, now, ours, fence, awaited, NOT inherited AS calls,
    (ours OR promised) AND NOT inherited AND behind = '[]' AND awaited > statement_timestamp() AS is_awaited,
    CASE WHEN inherited THEN '>' || heir WHEN closed THEN holder ELSE '' END AS alone,
    CASE WHEN inherited THEN to_timestamp((now + ${promiseLife}) / 1000)
      WHEN closed THEN ends ELSE statement_timestamp() END AS alone_ends,
    others AS sharers, behind AS places
  FROM leaving
),${call},${change(table)}
SELECT ours, CASE WHEN is_awaited THEN pg_notify(channel, '-1 ' || encode(id, 'hex')) IS NOT NULL END AS woken,
  (SELECT count(told) FROM told) AS told
FROM changed`;

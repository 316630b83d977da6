/** What `dlock --help` and `dlock --version` say. */
import manifest from '../../package.json' with { type: 'json' };

export const version = manifest.version;

export const help = `Usage: dlock [options] <name> -- <command> [argument...]

Runs the command while holding the lock <name>, without a shell. If another
holds the lock, the command is not run. The lock is kept until the command has
ended; if it is lost before, the command is stopped.

Options:
  --store URL      where the lock lives:
                     redis://[[user]:password@]host[:port][/database]
                     rediss://...[?cacert=FILE&cert=FILE&key=FILE]  over TLS
                     redis+unix://[[user]:password@]/socket[?db=database]
                     redis+cluster://host[:port][,host[:port]...]
                     redis+sentinel://host[:port][,host[:port]...]/master
                     valkey://...  and so on, the same for Valkey
                     postgres://[user[:password]@]host[:port][/database]
                       [?table=NAME&sslmode=MODE]
                     mysql://[user[:password]@]host[:port]/database
                       [?table=NAME&ssl-mode=MODE]
                     etcd://[user:password@]host[:port][,host[:port]...]
                     etcds://...[?cacert=FILE&cert=FILE&key=FILE]  over TLS
                     memcache://host[:port]
                     file:///directory  for the processes of one machine
                     URL,URL,URL  several: a majority of them decides
                   default: DLOCK_STORE, or else a directory of the user
  --prefix TEXT    what the keys in Redis, Memcached, PostgreSQL or etcd begin
                   with; default: dlock:
  --ttl TIME       how long the lock stays taken if dlock itself dies;
                   default: 30s
  --wait TIME      wait for the lock, and for a store that is not up yet, at
                   most so long, or forever; default: do not wait
  --min-hold TIME  keep the lock for so long from the start, even if the
                   command ends earlier; default: 0
  --also NAME      hold this lock, too; may be repeated. All are taken in one
                   order, so that nobody waits in a circle
  -n, --limit N    so many may hold the lock at once, this one included;
                   default: 1
  --shared         any number may, who say so too; none of them while another
                   holds the lock without
  --once PERIOD    run only if no other run has succeeded for the same PERIOD,
                   any text, such as 2026-11-24T05
  --retain TIME    with --once: how long a period is remembered; default: 24h
  -E, --conflict-exit-code N
                   the exit code if another holds the lock; default: 75
  --grace TIME     if the lock is lost: how long the command has between
                   SIGTERM and SIGKILL, capped at a third of the
                   ttl; default: 5s
  -q, --quiet      say nothing but errors
  -v, --verbose    name the store, and tell each step
  -h, --help       show this text
  --version        show the version

A TIME is a number with a unit: 500ms, 30s, 5m, 1h.

Environment:
  DLOCK_STORE      the store, unless --store is given; no password in it is
                   ever shown
The command finds in its environment, besides all that dlock was given:
  DLOCK_NAME       the name of the lock
  DLOCK_FENCE      a number that grows from holder to holder, if the store has
                   one (Memcached and a quorum have none)
  DLOCK_TTL        the ttl in milliseconds
  DLOCK_RUN        by which dlock knows what the command started

Exit codes:
  the command's own; if a signal ended it, dlock ends by the same signal
  0    also: --once, and another run has succeeded for the period
  64   invalid arguments
  69   the store cannot be reached or used; the command was not run
  70   an error in dlock, or a Node.js that is too old
  75   another holds the lock (-E replaces it)
  76   the lock was lost, and the command stopped
  126  the command cannot be executed
  127  the command was not found
`;

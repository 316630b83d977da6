/** Scripts that once broke a promise, shrunk: played each time, whatever the seed. */
import type { Script, Take, TakeAll } from './script.js';
import type { Fate } from './wire.js';

const take: Take = {
  do: 'take',
  ttl: 150,
  limit: 1,
  renew: true,
  minHold: 0,
  wait: 0,
  abortAfter: undefined,
  observed: false,
  hold: 0,
  end: 'release',
};

const group: TakeAll = {
  do: 'take all',
  names: [],
  ttl: 150,
  limit: 1,
  renew: true,
  wait: Infinity,
  abortAfter: undefined,
  observed: false,
  hold: 0,
  end: 'release',
};

/** Of a message that takes 1 ms each way, and of one whose answer takes longer. */
const prompt: Fate = { kind: 'delivered', there: 1, back: 1 };
const slow: Fate = { ...prompt, back: 60 };
const atOnce: Fate = { kind: 'delivered', there: 0, back: 0 };

const patient: Take = { ...take, ttl: 20_000, wait: Infinity };
const reader: Take = { ...patient, limit: 2 };

const server: Script['server'] = {
  timeout: 500,
  queues: false,
  shares: false,
  wakes: false,
  fences: false,
  knowsLife: false,
  step: 1,
};

/** A process to which nothing happens but what the script says. */
const steady: Script['processes'][number] = {
  rate: 1,
  ordered: false,
  sleeps: false,
  fates: [],
};

export const found: readonly { readonly title: string; readonly script: Script }[] = [
  {
    // The world did more than it may: the acquire that failed at 198 came at 500, long after its undo
    // was sure that it would not, and an orphan was left.
    title: 'an ordered wire delays an acquire that fails by an older one, and its undo is cut off',
    script: {
      seed: 28,
      server: { ...server, timeout: 100 },
      processes: [
        {
          ...steady,
          ordered: true,
          fates: [
            { kind: 'delivered', there: 500, back: 0 },
            { kind: 'delivered', there: 0, back: 0 },
            { kind: 'delivered', there: 0, back: 0 },
            { kind: 'reply lost', there: 0, fails: 0 },
            { kind: 'reply lost', there: 0, fails: 0 },
          ],
        },
      ],
      steps: [
        { after: 0, process: 0, action: take },
        { after: 198, process: 0, action: take },
        { after: 301, process: 0, action: { do: 'cut', share: 0 } },
      ],
    },
  },
  {
    // Refused by a runner's lease, the server with the slow answers asked by the known token for what
    // that lease had left; meanwhile the runner had left its mark, which lapsed 133 ms later.
    title: 'a mark that a period is done is not cut to what its runner’s lease had left',
    script: {
      seed: -31_407_535,
      server: { ...server, knowsLife: true },
      processes: [
        steady,
        {
          ...steady,
          ordered: true,
          fates: [
            { kind: 'delivered', there: 0, back: 36 },
            { kind: 'delivered', there: 65, back: 0 },
            { kind: 'delivered', there: 87, back: 0 },
          ],
        },
        steady,
      ],
      steps: [
        { after: 0, process: 1, action: once(0, 60) },
        { after: 38, process: 0, action: take },
        { after: 43, process: 0, action: once(15, 150) },
        { after: 171, process: 0, action: once(0, 150) },
        { after: 0, process: 0, action: { ...once(0, 150), do: 'locked', limit: 1 } },
      ],
    },
  },
  {
    // Its patience and the rest of its head were over at once, when the process came to itself: the head
    // still seemed to rest, and the word of the store from before the wait was taken for "held".
    title: 'a wait that a stall swallowed, without a word from the store, does not end with "held"',
    script: {
      seed: 1,
      server: { ...server, wakes: true },
      processes: [
        steady,
        {
          ...steady,
          fates: [
            { kind: 'delivered', there: 17, back: 0 },
            { kind: 'late', fails: 377, share: 0.1 },
          ],
        },
      ],
      steps: [
        { after: 0, process: 1, action: take },
        { after: 16, process: 0, action: { ...take, wait: Infinity } },
        { after: 7, process: 0, action: { ...take, wait: 2_000 } },
        { after: 44, process: 0, action: { do: 'stall', ms: 1_956, first: 'timers' } },
      ],
    },
  },
  {
    // The judge forgot what the process had left to lapse as soon as somebody else had held the lock.
    title: 'a wait that began while a lease of its process was left to lapse may end with "held"',
    script: {
      seed: 2,
      server: { ...server, timeout: 2_000 },
      processes: [
        {
          ...steady,
          fates: [
            { kind: 'delivered', there: 41, back: 2 },
            { kind: 'sent again', there: 0, again: 0, back: 0 },
            { kind: 'delivered', there: 2_000, back: 0 },
          ],
        },
        steady,
      ],
      steps: [
        { after: 0, process: 0, action: { ...take, wait: Infinity, end: 'lapse' } },
        { after: 5, process: 0, action: { ...take, wait: Infinity } },
        { after: 39, process: 0, action: { ...take, wait: Infinity } },
        { after: 9, process: 0, action: { ...take, wait: 2_000 } },
        { after: 31, process: 1, action: { ...take, wait: Infinity } },
      ],
    },
  },
  {
    // One of three had granted, and was asked to give that back. The release came late, the next one was
    // answered, and so it was asked for its vote again, which the first release then took away.
    title: 'quorum: a token is not asked for again while a release of it may still come',
    script: {
      seed: 2,
      server,
      members: 3,
      processes: [
        {
          ...steady,
          fates: [
            { kind: 'delivered', there: 3, back: 0 },
            { kind: 'reply lost', there: 3, fails: 3 },
            { kind: 'delivered', there: 0, back: 0 },
            { kind: 'delivered', there: 0, back: 0 },
            { kind: 'delivered', there: 0, back: 1 },
            { kind: 'delivered', there: 0, back: 0 },
            { kind: 'delivered', there: 260, back: 0 },
          ],
        },
      ],
      steps: [
        { after: 0, process: 0, action: { ...take, ttl: 20_000, hold: 4_000 } },
        { after: 0, process: 0, action: { ...take, hold: 20 } },
        { after: 5, process: 0, action: { do: 'look' } },
      ],
    },
  },
  {
    // The extension to 60 ms was late at one of three; a longer one counted on its vote meanwhile.
    title: 'quorum: no vote counts for longer than an extension allows that may still come',
    script: {
      seed: 1,
      server,
      members: 3,
      processes: [
        {
          ...steady,
          fates: [
            { kind: 'delivered', there: 0, back: 0 },
            { kind: 'delivered', there: 0, back: 0 },
            { kind: 'delivered', there: 0, back: 0 },
            { kind: 'delivered', there: 300, back: 0 },
            { kind: 'delivered', there: 0, back: 0 },
            { kind: 'delivered', there: 0, back: 0 },
            { kind: 'delivered', there: 0, back: 0 },
            { kind: 'request lost', fails: 0 },
            { kind: 'delivered', there: 0, back: 0 },
          ],
        },
      ],
      steps: [
        { after: 0, process: 0, action: { ...take, ttl: 20_000, renew: false, hold: 4_000 } },
        { after: 5, process: 0, action: { do: 'extend', ttl: 60 } },
        { after: 5, process: 0, action: { do: 'extend', ttl: 20_000 } },
      ],
    },
  },
  {
    // The lock was held by `once` of the same process, whose body had not begun; the judge knew bodies only.
    title: 'a wait behind a lease of its process that is lost without a word may end with "held"',
    script: {
      seed: 1_662_054_917,
      server,
      processes: [
        steady,
        {
          ...steady,
          ordered: true,
          fates: [
            { kind: 'delivered', there: 0, back: 0 },
            { kind: 'late', fails: 0, share: 0.9 },
          ],
        },
      ],
      steps: [
        { after: 0, process: 1, action: once(0, 150) },
        { after: 1, process: 1, action: { ...take, wait: 300 } },
        { after: 0, process: 0, action: { ...once(0, 150), do: 'locked', wait: 2_000, limit: 1 } },
      ],
    },
  },
  {
    // The first acquire failed, and was carried out after the second had been refused; the process was stopped, and
    // heard of the refusal when neither could still be carried out.
    title: 'a refusal that is heard late says nothing of an acquire that had failed before it',
    script: {
      seed: 876_700_239,
      server,
      processes: [
        steady,
        {
          ...steady,
          fates: [
            { kind: 'late', fails: 0, share: 0.4 },
            { kind: 'delivered', there: 22, back: 1 },
          ],
        },
      ],
      steps: [
        { after: 0, process: 0, action: { ...take, hold: 100 } },
        { after: 0, process: 1, action: { ...take, ttl: 20_000, wait: Infinity, abortAfter: 0 } },
        { after: 1, process: 1, action: { do: 'stall', ms: 499, first: 'timers' } },
      ],
    },
  },
  {
    // The grant came after its ttl, and for a waiter that had left: the next one took it for a lease of its
    // process that had just ended.
    title: 'a grant that comes after its ttl lets no wait end with "held"',
    script: {
      seed: 1,
      server,
      processes: [
        {
          ...steady,
          fates: [
            { kind: 'delivered', there: 0, back: 301 },
            { kind: 'delivered', there: 0, back: 0 },
            { kind: 'delivered', there: 0, back: 400 },
          ],
        },
        steady,
      ],
      steps: [
        { after: 0, process: 0, action: { ...take, wait: 300 } },
        { after: 300, process: 0, action: { ...take, wait: 300 } },
        { after: 200, process: 1, action: take },
      ],
    },
  },
  {
    // On the ordered wire to one member, an acquire and the extension behind it came after the lease was handed
    // over and given back. The judge excused an acquire that comes last, but no extension behind it.
    title: 'quorum: an extension may follow an acquire that comes after the lease was handed over',
    script: {
      seed: 1_065_956_590,
      server,
      members: 3,
      processes: [
        { ...steady, ordered: true, fates: [{ kind: 'delivered', there: 307, back: 0 }] },
        steady,
      ],
      steps: [
        { after: 0, process: 0, action: { ...take, hold: 4_000 } },
        { after: 3, process: 0, action: { do: 'extend', ttl: 20_000 } },
        { after: 0, process: 0, action: { do: 'hand over', to: 1, delay: 0, ttl: undefined } },
      ],
    },
  },
  {
    // The member had refused the reader, and forgot that it was one; the vote that it gave later kept out others.
    title: 'quorum: a reader gets a vote as a reader from a member that had refused it at first',
    script: {
      seed: -527_103_558,
      server: { ...server, shares: true },
      members: 3,
      processes: [
        steady,
        steady,
        {
          ...steady,
          fates: [
            { kind: 'delivered', there: 0, back: 0 },
            { kind: 'delivered', there: 5, back: 1 },
            { kind: 'reply lost', there: 0, fails: 0 },
            { kind: 'delivered', there: 0, back: 0 },
            { kind: 'delivered', there: 20, back: 0 },
            { kind: 'late', fails: 0, share: 0 },
            { kind: 'delivered', there: 0, back: 0 },
            { kind: 'sent again', there: 12, again: 0, back: 0 },
          ],
        },
      ],
      steps: [
        { after: 0, process: 2, action: { ...once(58, 150), do: 'locked', limit: 1 } },
        { after: 64, process: 0, action: { ...take, limit: Infinity, hold: 4_000 } },
        { after: 46, process: 0, action: { do: 'restart', member: 0, ms: 0, memory: 'empty' } },
        { after: 0, process: 0, action: { do: 'extend', ttl: undefined } },
      ],
    },
  },
  {
    // Two members carried out an acquire that the client had kept, when the lease had lapsed as it was to:
    // which of them may be let go, no member can know. The judge excused a minority alone.
    title: 'quorum: an acquire that comes after its lease was left to lapse is let go by nobody',
    script: {
      seed: -1_816_379_761,
      server: { ...server, timeout: 100 },
      members: 3,
      processes: [
        {
          ...steady,
          fates: [
            { kind: 'delivered', there: 182, back: 0 },
            { kind: 'delivered', there: 182, back: 0 },
          ],
        },
      ],
      steps: [
        { after: 0, process: 0, action: { ...take, hold: 98, end: 'lapse' } },
        { after: 0, process: 0, action: { do: 'extend', ttl: undefined } },
      ],
    },
  },
  {
    // The reader left; the writer behind it had to wait for the other reader of its process, and did not ask.
    title: 'a line keeps no place for a head that has left while it waits for its own process',
    script: {
      seed: -651_797_923,
      server: { ...server, queues: true, shares: true, wakes: true },
      processes: [steady, steady],
      steps: [
        { after: 0, process: 0, action: { ...reader, hold: 7_000 } },
        { after: 0, process: 0, action: { ...reader, abortAfter: 7 } },
        { after: 0, process: 1, action: { ...reader, hold: 7_000 } },
        { after: 0, process: 0, action: { ...reader, limit: 1, hold: 7_000 } },
      ],
    },
  },
  {
    // A waiter behind it made the head ask 2 ms before the promise to the next was over, and the alarm that was set
    // for that moment was forgotten.
    title: 'an alarm that is still to come holds, whatever makes the head ask before',
    script: {
      seed: 527_062_188,
      server: { ...server, queues: true, wakes: true },
      processes: [
        { ...steady, fates: [{ kind: 'delivered', there: 3, back: 3 }] },
        { ...steady, fates: [...Array(3).fill(atOnce), { kind: 'late', fails: 0, share: 0 }] },
        steady,
      ],
      steps: [
        { after: 0, process: 2, action: { ...patient, hold: 10 } },
        { after: 0, process: 0, action: patient },
        { after: 1, process: 1, action: { ...patient, hold: 7_000 } },
        { after: 10, process: 0, action: { ...patient, wait: 2_000, hold: 7_000 } },
        { after: 0, process: 0, action: patient },
        { after: 0, process: 0, action: patient },
        { after: 3, process: 0, action: { ...patient, hold: 7_000 } },
      ],
    },
  },
  {
    // The head left after the alarm, and the next one asked at once, since it wants another limit.
    title: 'an alarm is for the line, whoever is its head',
    script: {
      seed: 662_701_007,
      server: { ...server, queues: true, shares: true, wakes: true },
      processes: [
        { ...steady, fates: [...Array(5).fill(atOnce), { kind: 'request lost', fails: 0 }] },
        {
          ...steady,
          fates: [
            atOnce,
            atOnce,
            { ...atOnce, back: 1 },
            { kind: 'reply lost', there: 0, fails: 0 },
            { ...prompt, there: 2 },
          ],
        },
        steady,
      ],
      steps: [
        { after: 0, process: 1, action: { ...reader, hold: 5 } },
        { after: 0, process: 0, action: { ...reader, limit: 3, end: 'lapse' } },
        { after: 0, process: 0, action: reader },
        { after: 0, process: 2, action: { ...reader, abortAfter: 7 } },
        { after: 0, process: 2, action: patient },
        { after: 0, process: 0, action: { ...patient, hold: 7_000 } },
        { after: 6, process: 0, action: patient },
      ],
    },
  },
  {
    // The first attempt was for a shorter life, failed, and came behind the second one.
    title:
      'an adoption that failed may still shorten the life of a lease adopted at the second attempt',
    script: {
      seed: 678_588_976,
      server,
      processes: [
        { ...steady, fates: [{ kind: 'delivered', there: 69, back: 61 }] },
        { ...steady, fates: [{ kind: 'late', fails: 0, share: 0.1 }] },
      ],
      steps: [
        { after: 0, process: 0, action: { ...take, ttl: 20_000, hold: 1 } },
        { after: 68, process: 0, action: { ...take, hold: 4_000 } },
        { after: 63, process: 0, action: { do: 'hand over', to: 1, delay: 0, ttl: 150 } },
        { after: 1, process: 0, action: { ...take, wait: 300, hold: 4_000 } },
      ],
    },
  },
  {
    // Made up, since hardly any run comes upon it: the first lock is lost in a stall, out of which the grant of
    // the second comes before any timer.
    title: 'a group is not given once one of its locks is lost, told of or not',
    script: {
      seed: 1,
      server: { ...server, wakes: true, fences: true },
      processes: [
        { ...steady, ordered: true, fates: [...Array(5).fill(prompt), slow] },
        { ...steady, ordered: true, fates: [] },
      ],
      steps: [
        { after: 0, process: 1, action: { ...group, names: ['b'], ttl: 20_000, hold: 100 } },
        { after: 10, process: 0, action: { ...group, names: ['a', 'b'], renew: false } },
        { after: 120, process: 0, action: { do: 'stall', ms: 80, first: 'replies' } },
      ],
    },
  },
  {
    // Made up, too: who waits for the second lock has spent most of the wait on the first.
    title: 'a group waits once for all of its locks',
    script: {
      seed: 1,
      server: { ...server, timeout: 100, wakes: true, fences: true },
      processes: [
        { ...steady, ordered: true, fates: [] },
        { ...steady, ordered: true, fates: [] },
      ],
      steps: [
        { after: 0, process: 1, action: { ...group, names: ['a'], ttl: 20_000, hold: 1_900 } },
        { after: 0, process: 1, action: { ...group, names: ['b'], ttl: 20_000, hold: 4_000 } },
        { after: 10, process: 0, action: { ...group, names: ['a', 'b'], wait: 2_000 } },
      ],
    },
  },
];

function once(ms: number, ttl: number) {
  return { do: 'once' as const, body: { ms, fails: false }, wait: 0, ttl };
}

/** The judge must let good histories pass, and catch each kind of bad one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gatherHistory, judge, mostAtOnce } from './history.js';
import { type Entry, readJournal } from './journal.js';

type Journals = Record<string, Entry[]>;

/** What breaks a rule, as `rule: earlier holders > later holder`. */
function violations(journals: Journals, { fenced = true } = {}): string[] {
  const history = gatherHistory(Object.entries(journals));
  return judge(history, { fenced }).map(
    ({ rule, earlier, later }) =>
      `${rule}: ${earlier.map(({ worker }) => worker).join(', ')} > ${later.worker}`,
  );
}

function requested(at: number, attempt = 1, lock = 'import', limit: number | null = 1): Entry {
  return { event: 'requested', at, attempt, lock, limit };
}

/** Asks for the lock beside others, as a journal has it: a reader, unless said otherwise. */
function shares(limit: number | null = null): Entry {
  return requested(0, 1, 'import', limit);
}

/** By default valid for 100. */
function granted(at: number, fence: number | undefined, until = at + 100, attempt = 1): Entry {
  return { event: 'granted', at, attempt, until, ...(fence !== undefined && { fence }) };
}

function renewed(at: number, until = at + 100): Entry {
  return { event: 'renewed', at, attempt: 1, until };
}

function released(at: number, attempt = 1): Entry {
  return { event: 'released', at, attempt };
}

function lost(at: number, seen: number): Entry {
  return { event: 'lost', at, attempt: 1, seen };
}

test('one after another, each with a higher fence, is good', () => {
  const first = [requested(0), granted(1, 10), released(50)];
  const second = [requested(2), granted(50, 11), released(60)];
  assert.deepEqual(violations({ second, first }), []);
});

test('two locks are nothing to each other', () => {
  const one = [requested(0), granted(1, 10)];
  const other = [requested(0, 1, 'export'), granted(2, 5)];
  assert.deepEqual(violations({ one, other }), []);
});

test('a second grant before the release is caught, by a hair', () => {
  const first = [requested(0), granted(1, 10), released(50.002)];
  const second = [requested(2), granted(50.001, 11), released(60)];
  assert.deepEqual(violations({ first, second }), ['overlap: first > second']);
});

test('two leases of one worker on one lock are caught like any others', () => {
  const only = [requested(0, 1), granted(1, 10), requested(2, 2), granted(3, 11, 103, 2)];
  assert.deepEqual(violations({ only }), ['overlap: only > only']);
});

test('a long lease is not forgotten behind a short one', () => {
  const long = [requested(0), granted(1, 10, 500), released(400)];
  const short = [requested(2), granted(10, 11), released(20)];
  const third = [requested(3), granted(300, 12), released(310)];
  assert.deepEqual(violations({ long, short, third }), [
    'overlap: long > short',
    'overlap: long > third',
  ]);
});

test('a dead worker holds until it said that it would, and no longer', () => {
  const dead = [requested(0), granted(1, 10)];
  const early = [requested(2), granted(100, 11)];
  assert.deepEqual(violations({ dead, early }), ['overlap: dead > early']);
  const inTime = [requested(2), granted(101, 11)];
  assert.deepEqual(violations({ dead, inTime }), []);
});

test('a renewal lengthens what a dead worker held', () => {
  const dead = [requested(0), granted(1, 10), renewed(40)];
  const early = [requested(2), granted(130, 11)];
  assert.deepEqual(violations({ dead, early }), ['overlap: dead > early']);
  const inTime = [requested(2), granted(140, 11)];
  assert.deepEqual(violations({ dead, inTime }), []);
});

test('a worker that is stopped and wakes up late lost its lease when its time ran out', () => {
  const stopped = [requested(0), granted(1, 10), lost(900, 30)];
  const next = [requested(2), granted(105, 11), released(110)];
  assert.deepEqual(violations({ stopped, next }), []);
});

test('a lease that still says "held" after its time is caught', () => {
  const stopped = [requested(0), granted(1, 10), lost(900, 120)];
  const next = [requested(2), granted(105, 11), released(110)];
  assert.deepEqual(violations({ stopped, next }), ['overlap: stopped > next']);
});

test('a lease that the store disowns ends there', () => {
  const robbed = [requested(0), granted(1, 10), lost(50, 49)];
  const inTime = [requested(2), granted(51, 11)];
  assert.deepEqual(violations({ robbed, inTime }), []);
  const thief = [requested(2), granted(48, 11)];
  assert.deepEqual(violations({ robbed, thief }), ['overlap: robbed > thief']);
});

test('a release that turns out to be too late is still where the lease ended', () => {
  const late = [requested(0), granted(1, 10), released(90), lost(130, 90)];
  const next = [requested(2), granted(91, 11)];
  assert.deepEqual(violations({ late, next }), []);
});

test('a lease that its worker never saw valid is none', () => {
  const stopped = [requested(0), granted(200, 10, 200), lost(200, 200)];
  const holder = [requested(2), granted(150, 11, 250)];
  const next = [requested(3), granted(260, 12)];
  assert.deepEqual(violations({ stopped, holder, next }), []);
});

test('a fence that stays, falls or is missing is caught', () => {
  const first = [requested(0), granted(1, 10), released(2)];
  for (const fence of [10, 9, undefined]) {
    const second = [requested(0), granted(3, fence), released(4)];
    assert.deepEqual(violations({ first, second }), ['fence: first > second'], `${fence}`);
  }
});

test('a fence is measured by the highest before it', () => {
  const first = [requested(0), granted(1, 10), released(2)];
  const second = [requested(0), granted(3, 5), released(4)];
  const third = [requested(0), granted(5, 7), released(6)];
  assert.deepEqual(violations({ first, second, third }), [
    'fence: first > second',
    'fence: first > third',
  ]);
});

test('a store without fences owes none', () => {
  const first = [requested(0), granted(1, undefined), released(2)];
  const second = [requested(0), granted(3, undefined), released(4)];
  assert.deepEqual(violations({ first, second }, { fenced: false }), []);
  assert.notDeepEqual(violations({ first, second }), []);
});

test('readers are beside each other, and before and after a writer', () => {
  const writer = [requested(0), granted(1, 10), released(20)];
  const reader = [shares(), granted(20, 11), released(60)];
  const another = [shares(), granted(30, 12), released(50)];
  const next = [requested(0), granted(60, 13), released(70)];
  assert.deepEqual(violations({ writer, reader, another, next }), []);
});

test('a reader beside a writer, and a writer beside readers, are caught', () => {
  const writer = [requested(0), granted(1, 10), released(50)];
  const reader = [shares(), granted(49, 11), released(90)];
  assert.deepEqual(violations({ writer, reader }), ['overlap: writer > reader']);
  const another = [shares(), granted(60, 12), released(90)];
  const early = [requested(0), granted(80, 13), released(95)];
  assert.deepEqual(violations({ reader, another, early }), ['overlap: reader, another > early']);
});

test('one more than the limit is caught, once, and whatever comes later', () => {
  const a = [shares(2), granted(1, 10)];
  const b = [shares(2), granted(2, 11)];
  const c = [shares(2), granted(3, 12)];
  const reader = [shares(), granted(4, 13)];
  assert.deepEqual(violations({ a, b }), []);
  assert.deepEqual(violations({ a, b, c, reader }), ['limit: a, b > c']);
});

test('whoever asks says how many: a larger limit comes in beside smaller ones', () => {
  const a = [shares(2), granted(1, 10)];
  const b = [shares(2), granted(2, 11)];
  const three = [shares(3), granted(3, 12)];
  const reader = [shares(), granted(4, 13)];
  assert.deepEqual(violations({ a, b, three, reader }), []);
});

test('a smaller limit does not come in beside as many', () => {
  const a = [shares(), granted(1, 10)];
  const b = [shares(), granted(2, 11)];
  const two = [shares(2), granted(3, 12)];
  assert.deepEqual(violations({ a, b, two }), ['limit: a, b > two']);
});

test('the fences tell who came first, not the hands into which leases come', () => {
  const a = [shares(), granted(1, 11)];
  const b = [shares(), granted(2, 12)];
  const two = [shares(2), granted(3, 10)];
  assert.deepEqual(violations({ a, b, two }), []);
  const last = [shares(2), granted(1, 12)];
  const c = [shares(), granted(2, 10)];
  const d = [shares(), granted(3, 11)];
  assert.deepEqual(violations({ last, c, d }), ['limit: c, d > last']);
});

test('without fences there must be an order in which they could have come', () => {
  const ofLimits = (...limits: number[]) =>
    Object.fromEntries(
      limits.map((limit, index) => [`${index}`, [shares(limit), granted(index, undefined)]]),
    );
  const unfenced = { fenced: false };
  assert.deepEqual(violations(ofLimits(Infinity, Infinity, 2), unfenced), []);
  assert.deepEqual(violations(ofLimits(3, 2, 2), unfenced), []);
  assert.deepEqual(violations(ofLimits(2, 2, 2), unfenced), ['limit: 0, 1 > 2']);
  assert.deepEqual(violations(ofLimits(3, 3, 2, 3), unfenced), ['limit: 2, 0, 1 > 3']);
});

test('whoever has left takes no room', () => {
  const a = [shares(2), granted(1, 10), released(5)];
  const b = [shares(2), granted(2, 11)];
  const c = [shares(2), granted(5, 12)];
  assert.deepEqual(violations({ a, b, c }), []);
});

test('a fence of a reader below that of a writer before it, and the other way round, is caught', () => {
  const writer = [requested(0), granted(1, 10), released(2)];
  const reader = [shares(), granted(3, 9), released(4)];
  assert.deepEqual(violations({ writer, reader }), ['fence: writer > reader']);
  const high = [shares(), granted(3, 20), released(4)];
  const next = [requested(0), granted(5, 15), released(6)];
  assert.deepEqual(violations({ writer, high, next }), ['fence: high > next']);
});

test('fences of readers may come into hands in any order, but all differ', () => {
  const a = [shares(), granted(1, 11)];
  const b = [shares(), granted(2, 10)];
  assert.deepEqual(violations({ a, b }), []);
  const c = [shares(), granted(3, 11)];
  assert.deepEqual(violations({ a, b, c }), ['fence: a > c']);
});

test('the most at once are those who were valid at the same time on one lock', () => {
  const journals = {
    a: [shares(), granted(1, 10), released(50)],
    b: [shares(), granted(2, 11), released(3)],
    c: [shares(), granted(4, 12), released(60)],
    other: [requested(0, 1, 'export'), granted(4, 12)],
  };
  assert.equal(mostAtOnce(gatherHistory(Object.entries(journals))), 2);
});

test('events are counted', () => {
  const { counts, leases } = gatherHistory([
    ['a', [requested(0), granted(1, 10), renewed(30), released(50)]],
    ['b', [requested(0), { event: 'refused', at: 1, attempt: 1 }]],
  ]);
  assert.equal(leases.length, 1);
  const { requested: requests, granted: grants, renewed: renewals, refused } = counts;
  assert.deepEqual(
    { requests, grants, renewals, refused },
    {
      requests: 2,
      grants: 1,
      renewals: 1,
      refused: 1,
    },
  );
});

test('a journal that does not hang together is no evidence', () => {
  assert.throws(() => gatherHistory([['a', [granted(1, 10)]]]), /granted for attempt 1/);
  assert.throws(
    () => gatherHistory([['a', [requested(0), released(1)]]]),
    /released for attempt 1/,
  );
});

test('a line that a kill has torn is left out', () => {
  const whole = JSON.stringify(requested(0));
  assert.deepEqual([...readJournal(`${whole}\n${whole.slice(0, 20)}`)], [requested(0)]);
  assert.throws(() => [...readJournal(`${whole.slice(0, 20)}\n${whole}\n`)], SyntaxError);
});

/** The judge must let good histories pass, and catch each kind of bad one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gatherHistory, judge } from './history.js';
import { type Entry, readJournal } from './journal.js';

type Journals = Record<string, Entry[]>;

/** What breaks a rule, as `rule: earlier holder > later holder`. */
function violations(journals: Journals, { fenced = true } = {}): string[] {
  const history = gatherHistory(Object.entries(journals));
  return judge(history, { fenced }).map(
    ({ rule, earlier, later }) => `${rule}: ${earlier.worker} > ${later.worker}`,
  );
}

function requested(at: number, attempt = 1, lock = 'import'): Entry {
  return { event: 'requested', at, attempt, lock };
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

// Make before break (C15): the present link goes on until the next one stands; then nothing was missed,
// nothing came twice, and nobody was told of a lost connection.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { DocumentCore } from '../src/core/index.js';
import { at, Rig, uuid } from './support/rig.js';

type Json = Record<string, unknown>;

const entry = (seq: number): Json => ({
  type: 'entry', document: 'doc', position: at(seq), seq, at: 0, author: 'bob', client: uuid(99), client_seq: seq,
  kind: 'edit', content_type: 'application/json', payload: seq,
});
const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);

interface Live {
  readonly rig: Rig;
  readonly document: DocumentCore;
}

/** A joined document. */
function live(options = {}): Live {
  const rig = new Rig(options);
  const document = rig.join();
  rig.connect();
  rig.joined(at(0));
  rig.sent();
  rig.events.length = rig.connectionEvents.length = rig.effects.length = 0;
  return { rig, document };
}

/** … whose replica drains. */
function draining(options = {}): Live {
  const it = live(options);
  it.rig.say({ type: 'drain', after_ms: 100 });
  return it;
}

function open({ rig }: Live): void {
  rig.pass(30_000, () => rig.effects.includes('open_next'));
  assert.ok(rig.effects.includes('open_next'), 'a link is asked for');
  rig.effects.length = 0;
  rig.greetNext();
  assert.equal(rig.sentNext()[0]?.['type'], 'hello');
}

/** Where the next link was asked to begin. */
function join({ rig }: Live): unknown {
  const [packet, ...more] = rig.sentNext();
  if (packet?.['type'] === 'hello') return join({ rig } as Live);
  assert.deepEqual(more, []);
  return packet?.['since'];
}

function greeted(options = {}): Live {
  const it = draining(options);
  it.rig.pass(1_000, () => it.rig.effects.includes('open_next'));
  it.rig.effects.length = 0;
  it.rig.greetNext();
  const [hello, asked] = it.rig.sentNext();
  assert.equal(hello?.['type'], 'hello');
  assert.equal(asked?.['since'], at(0));
  return it;
}

function hasCrossed({ rig }: Live): boolean {
  return rig.effects.includes('go_over');
}

function shown({ rig }: Live): number[] {
  return rig.told('entry').map((e) => e.position.seq);
}

function assertNothingWasNoticed({ rig }: Live): void {
  for (const state of rig.told('state')) assert.equal(state.phase, 'joined');
  for (const [name, state] of rig.connectionEvents) {
    assert.equal(name, 'state');
    assert.equal((state as { phase: string }).phase, 'connected');
  }
  for (const name of ['reset', 'lost', 'error'] as const) assert.deepEqual(rig.told(name), []);
  const seqs = shown({ rig } as Live);
  assert.deepEqual(seqs, range(1, seqs.length), 'each once, in order');
}

test('it goes over when the next link stands, and not before', () => {
  const it = greeted();
  assert.ok(!hasCrossed(it));
  it.rig.joinedNext(at(0));
  assert.ok(hasCrossed(it));
  it.rig.append(it.document, 'a');
  assert.deepEqual(it.rig.appends(), [[1, 'a']]);
  assert.equal(it.rig.core.state.replica, 'r2');
  assertNothingWasNoticed(it);
});

test('pipelined appends are acknowledged first, and nothing is sent twice', () => {
  const it = draining();
  it.rig.append(it.document, 'a', 'b', 'c');
  it.rig.sent();
  it.rig.pass(1_000, () => it.rig.effects.includes('open_next'));
  it.rig.greetNext();
  assert.deepEqual(it.rig.sentNext().map((p) => p['type']), ['hello'], 'three are on their way');
  it.rig.append(it.document, 'd');
  assert.deepEqual(it.rig.appends(), [], 'nothing new is sent on a link that is left');
  it.rig.ack(3, at(3));
  const [asked] = it.rig.sentNext();
  assert.equal(asked?.['type'], 'join');
  it.rig.sayNext(...range(1, 3).map((n) => ({ ...entry(n), author: 'alice', client: uuid(1), payload: 'abc'[n - 1] })));
  it.rig.joinedNext(at(3), 3);
  assert.ok(hasCrossed(it));
  assert.deepEqual(it.rig.appends(), [[4, 'd']]);
  assert.equal(it.rig.told('ack').length, 3);
  assertNothingWasNoticed(it);
});

test('what is not acknowledged in time is sent again', () => {
  const it = draining();
  it.rig.append(it.document, 'a', 'b');
  it.rig.pass(1_000, () => it.rig.effects.includes('open_next'));
  it.rig.greetNext();
  it.rig.pass(1_001);
  it.rig.sent();
  assert.deepEqual(it.rig.sentNext().map((p) => p['type']), ['hello', 'join']);
  it.rig.joinedNext(at(0));
  assert.ok(hasCrossed(it));
  assert.deepEqual(it.rig.appends(), [[1, 'a'], [2, 'b']]);
});

test('entries that come on both are shown once', () => {
  const it = greeted();
  it.rig.say(...range(1, 3).map(entry));
  it.rig.sayNext(...range(1, 4).map(entry));
  it.rig.joinedNext(at(4));
  assert.ok(hasCrossed(it));
  it.rig.say(entry(4), entry(5), entry(6));
  assertNothingWasNoticed(it);
  assert.deepEqual(shown(it), range(1, 6));
});

test('a next link that lags is waited for, unless it is close', () => {
  const it = greeted();
  it.rig.sayNext(entry(1));
  it.rig.say(...range(1, 300).map(entry));
  it.rig.joinedNext(at(1));
  assert.ok(!hasCrossed(it), 'what it brings could not be compared');
  it.rig.sayNext(...range(2, 45).map(entry));
  assert.ok(hasCrossed(it));
  it.rig.say(...range(46, 301).map(entry));
  assertNothingWasNoticed(it);
  assert.equal(shown(it).length, 301);
});

test('much that was shown meanwhile is not shown again', () => {
  const it = greeted();
  it.rig.say(...range(1, 900).map(entry));
  it.rig.sayNext(...range(1, 1_000).map(entry));
  it.rig.joinedNext(at(1_000));
  assert.ok(hasCrossed(it));
  assertNothingWasNoticed(it);
  assert.equal(shown(it).length, 1_000);
});

test('a reset there is a reset', () => {
  const it = greeted();
  it.rig.sayNext({ type: 'reset', document: 'doc', cause: 'trimmed', position: at(2) }, entry(3));
  assert.ok(!hasCrossed(it));
  it.rig.joinedNext(at(3));
  assert.ok(hasCrossed(it));
  assert.deepEqual(shown(it), [3]);
});

test('during a join the next link joins as well', () => {
  const rig = new Rig();
  const document = rig.join({ since: { seq: 0, hash: '0000000000000000' } });
  rig.connect();
  rig.say({ type: 'drain', after_ms: 0 });
  const it = { rig, document };
  open(it);
  rig.pass(1_001);
  assert.equal(join(it), at(0));
  rig.joinedNext(at(0));
  assert.ok(hasCrossed(it));
  assert.equal(document.state.phase, 'joined');
});

test('a refused link costs nothing, and is tried again', () => {
  const it = draining();
  for (const n of range(1, 5)) {
    it.rig.pass(30_000, () => it.rig.effects.includes('open_next'));
    it.rig.effects.length = 0;
    it.rig.core.nextClosed(it.rig.now);
    it.rig.settle();
    it.rig.append(it.document, n);
    it.rig.ack(n, at(n));
  }
  assert.equal(it.rig.told('ack').length, 5);
  open(it);
  assert.ok(!hasCrossed(it));
});

test('a next link that fails in the middle leaves the present one as it was', () => {
  for (const fail of ['closed', 'late', 'refused'] as const) {
    const it = greeted();
    it.rig.sayNext(entry(1), entry(2));
    it.rig.append(it.document, 'a');
    assert.deepEqual(it.rig.appends(), []);
    if (fail === 'closed') it.rig.core.nextClosed(it.rig.now);
    else if (fail === 'refused') it.rig.sayNext({ type: 'error', code: 'unauthenticated', detail: 'no' });
    else it.rig.pass(5_001);
    it.rig.settle();
    assert.deepEqual(it.rig.appends(), [[1, 'a']], 'the present one takes it again');
    assert.equal(it.rig.effects.includes('drop_next'), fail !== 'closed');
    it.rig.say(...range(1, 4).map(entry));
    assertNothingWasNoticed(it);
    assert.deepEqual(shown(it), range(1, 4));
  }
});

test('a link that ends first is an ordinary loss', () => {
  const it = greeted();
  it.rig.lose(1012);
  assert.ok(it.rig.effects.includes('drop_next'));
  assert.equal(it.rig.core.state.phase, 'waiting');
  it.rig.pass(20_000, () => it.rig.effects.includes('open'));
  it.rig.greet();
  it.rig.joined(at(0));
  assert.equal(it.document.state.phase, 'joined');
});

test('a drain of the next link moves it again', () => {
  const it = greeted();
  it.rig.joinedNext(at(0));
  for (const n of range(1, 3)) {
    assert.ok(hasCrossed(it));
    it.rig.say(entry(n), { type: 'drain', after_ms: 100 });
    open(it);
    it.rig.joinedNext(at(n));
  }
  assert.ok(hasCrossed(it));
  assertNothingWasNoticed(it);
  assert.deepEqual(shown(it), [1, 2, 3]);
});

test('a drain of the next link before it is reached is remembered', () => {
  const it = greeted();
  it.rig.sayNext({ type: 'drain', after_ms: 500 }, { type: 'drain', after_ms: 500 });
  it.rig.pass(400);
  assert.deepEqual(it.rig.effects, [], 'one after the other');
  it.rig.joinedNext(at(0));
  assert.ok(hasCrossed(it));
  it.rig.effects.length = 0;
  it.rig.pass(100, () => it.rig.effects.includes('open_next'));
  open(it);
  it.rig.joinedNext(at(0));
  assert.ok(hasCrossed(it));
  assertNothingWasNoticed(it);
});

test('a drain of a next link that fails is forgotten', () => {
  const it = greeted();
  it.rig.sayNext({ type: 'drain', after_ms: 0 });
  it.rig.core.nextClosed(it.rig.now);
  open(it);
  it.rig.joinedNext(at(0));
  assert.ok(hasCrossed(it));
  it.rig.pass(5_000);
  assert.ok(!it.rig.effects.includes('open_next'));
});

const changed = (subject: string, action = 'revoke'): Json => ({ type: 'access_changed', document: 'doc', subject, action, position: at(0) });

test('a request about access is answered before the client goes over', () => {
  const it = draining();
  it.rig.changeAccess('revoke', 'eve');
  it.rig.pass(1_000, () => it.rig.effects.includes('open_next'));
  it.rig.greetNext();
  assert.deepEqual(it.rig.sentNext().map((p) => p['type']), ['hello'], 'its answer comes here alone');
  it.rig.say(changed('eve'));
  assert.deepEqual(it.rig.sentNext().map((p) => p['type']), ['join']);
  it.rig.changeAccess('grant', 'eve');
  it.rig.joinedNext(at(0));
  assert.ok(!hasCrossed(it), 'asked in the last moment');
  it.rig.say(changed('eve', 'grant'));
  assert.ok(hasCrossed(it));
  assert.deepEqual(it.rig.told('access').map((a) => a.action), ['revoke', 'grant']);
  assertNothingWasNoticed(it);
});

test('the outcome of a request about access is told, if only as not known', () => {
  const unknown = ({ rig }: Live): number => rig.told('error').filter((e) => e.detail.includes('is not known')).length;
  const late = greeted();
  late.rig.changeAccess('revoke', 'eve');
  late.rig.joinedNext(at(0));
  late.rig.pass(1_001);
  assert.ok(hasCrossed(late));
  assert.equal(unknown(late), 1);
  late.rig.lose();
  assert.equal(unknown(late), 1, 'once');
  const lost = live();
  lost.rig.changeAccess('revoke', 'eve');
  lost.rig.lose();
  assert.equal(unknown(lost), 1);
  lost.rig.changeAccess('revoke', 'eve');
  assert.equal(lost.rig.told('error').at(-1)?.code, 'not_joined', 'nobody is asked');
});

test('an error is an answer about access, unless it speaks of something else', () => {
  const errors = [['unavailable', undefined, true], ['forbidden', undefined, true], ['throttled', 50, true], ['unavailable', 50, false], ['too_large', undefined, false]] as const;
  for (const [code, after_ms, isAnswer] of errors) {
    const it = greeted();
    it.rig.changeAccess('revoke', 'eve');
    it.rig.joinedNext(at(0));
    it.rig.say({ type: 'error', document: 'doc', code, detail: 'no', after_ms });
    assert.equal(hasCrossed(it), isAnswer, code);
  }
});

test('a token renewed after the hello follows the welcome', () => {
  const rig = new Rig({ hasTokens: true, canRenewTokens: true });
  const life = { expiresAt: 1_000_000 + rig.now + 3_600_000 };
  rig.join();
  rig.core.connect(rig.now);
  rig.core.tokenReady({ token: 'one', ...life }, rig.now);
  rig.settle();
  rig.greet();
  rig.joined(at(0));
  rig.effects.length = 0;
  rig.say({ type: 'drain', after_ms: 0 });
  rig.pass(100, () => rig.effects.includes('fetch_token'));
  rig.core.tokenReady({ token: 'two', expiresAt: 1_000_000 + rig.now + 2_000 }, rig.now);
  rig.settle();
  rig.core.nextOpened(rig.now);
  rig.settle();
  assert.deepEqual(rig.sentNext(), [{ type: 'hello', token: 'two' }]);
  rig.effects.length = 0;
  rig.pass(5_000, () => rig.effects.includes('fetch_token'));
  rig.core.tokenReady({ token: 'three', ...life }, rig.now);
  rig.settle();
  assert.deepEqual(rig.sentNext(), [], 'nothing but the hello may come before the welcome');
  rig.sayNext({ type: 'welcome', session: 's2', replica: 'r2', subject: 'alice', heartbeat_ms: 30_000, payload_bytes_max: 65_536 });
  assert.deepEqual(rig.sentNext().map((p) => p['token'] ?? p['type']), ['three', 'join']);
});

test('a token is fetched for the next link, and renewed on both', () => {
  const rig = new Rig({ hasTokens: true, canRenewTokens: true });
  rig.join();
  rig.core.connect(rig.now);
  rig.core.tokenReady({ token: 'one', expiresAt: 1_000_000 + rig.now + 40_000 }, rig.now);
  rig.settle();
  rig.greet();
  rig.joined(at(0));
  rig.say({ type: 'drain', after_ms: 0 });
  rig.effects.length = 0;
  rig.pass(100, () => rig.effects.includes('fetch_token'));
  rig.core.tokenReady({ token: 'two', expiresAt: 1_000_000 + rig.now + 40_000 }, rig.now);
  rig.settle();
  assert.ok(rig.effects.includes('open_next'));
  assert.deepEqual(rig.sent().at(-1), { type: 'auth', token: 'two' });
  rig.greetNext();
  assert.deepEqual(rig.sentNext()[0], { type: 'hello', token: 'two' });
});

test('a document that is left meanwhile begins the move again', () => {
  const it = greeted();
  it.rig.leave(it.document);
  assert.ok(it.rig.effects.includes('drop_next'));
  it.rig.pass(30_000, () => it.rig.effects.includes('open_next'));
  assert.ok(it.rig.effects.includes('open_next'));
});

test('the close of a client closes both', () => {
  const it = greeted();
  it.rig.core.close(it.rig.now);
  it.rig.settle();
  assert.ok(it.rig.effects.includes('drop_next'));
  assert.ok(it.rig.effects.includes('drop'));
});

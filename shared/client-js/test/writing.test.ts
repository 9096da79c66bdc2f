import assert from 'node:assert/strict';
import { test } from 'node:test';

import { digestOf, Payload, shortDigest } from '../src/core/index.js';
import type { DocumentCore, DocumentOptions } from '../src/core/index.js';
import { at, Rig, uuid } from './support/rig.js';

/** How long something sent before a `left` can land, where the gateway does not say it. */
const LANDING_MS = 11_000;

function joinedRig(options: DocumentOptions = {}): { rig: Rig; document: DocumentCore } {
  const rig = new Rig();
  const document = rig.join(options);
  rig.connect();
  rig.joined(at(0));
  rig.sent();
  return { rig, document };
}

/** The digests of a row whose numbers from 1 on say these values. */
function digests(values: readonly unknown[], client = uuid(1), author = 'alice', first = 1): string {
  return values
    .map((value, index) =>
      shortDigest(digestOf({
        author, client, clientSeq: first + index, kind: 'edit', contentType: 'application/json', payload: Payload.json(value).asBytes(),
      })))
    .join('');
}

function row(values: readonly unknown[], counter = 'row_client_seq', client = uuid(1)): Record<string, unknown> {
  return { [counter]: values.length, row_position: at(values.length), digests: digests(values, client) };
}

const acked = (rig: Rig): number[] => rig.told('ack').map(({ own }) => own.id);

test('nothing is sent before the join reply; then numbered from 1', () => {
  const rig = new Rig();
  const document = rig.join();
  rig.append(document, 'a');
  rig.connect();
  rig.append(document, 'b');
  assert.deepEqual(rig.appends(), []);
  rig.joined(at(0));
  assert.deepEqual(rig.appends(), [[1, 'a'], [2, 'b']]);
  rig.ack(1, at(1));
  rig.ack(2, at(2));
  assert.deepEqual(acked(rig), [1, 2]);
  assert.equal(document.state.unacknowledged, 0);
});

test('an acknowledgement stands for all numbers before it', () => {
  const { rig, document } = joinedRig();
  rig.append(document, 'a', 'b', 'c');
  rig.ack(3, at(3));
  assert.deepEqual(acked(rig), [1, 2, 3]);
});

test('at most 64 are un-acknowledged', () => {
  const { rig, document } = joinedRig();
  for (let n = 1; n <= 70; n += 1) rig.append(document, n);
  assert.equal(rig.appends().length, 64);
  rig.ack(3, at(3));
  assert.deepEqual(rig.appends().map(([n]) => n), [65, 66, 67]);
});

test('what has no answer when the link is lost is sent again, under its number', () => {
  const { rig, document } = joinedRig();
  rig.append(document, 'a', 'b', 'c');
  rig.ack(1, at(1));
  rig.appends();
  rig.reconnect();
  rig.append(document, 'd');
  // 2 did land. It is sent again all the same: the acknowledgement is what counts.
  rig.joined(at(0), 2, digests(['a', 'b']));
  assert.deepEqual(rig.appends(), [[2, 'b'], [3, 'c'], [4, 'd']]);
  rig.ack(2, at(2));
  assert.deepEqual(acked(rig), [1, 2]);
});

test('acknowledged entries that the log lost are sent again, and acknowledged once', () => {
  const { rig, document } = joinedRig();
  rig.append(document, 'a', 'b', 'c');
  for (const n of [1, 2, 3]) rig.ack(n, at(n));
  rig.appends();
  rig.reconnect();
  rig.say({ type: 'reset', document: 'doc', cause: 'diverged', position: at(0, 'bbbbbbbbbbbbbbbb') });
  rig.joined(at(0, 'bbbbbbbbbbbbbbbb'), 1, digests(['a']));
  assert.deepEqual(rig.appends(), [[2, 'b'], [3, 'c']]);
  rig.ack(2, at(1));
  rig.ack(3, at(2));
  assert.deepEqual(acked(rig), [1, 2, 3]);
});

test('a gap, asked or not, leads back to exactly the expected number', () => {
  const { rig, document } = joinedRig();
  rig.append(document, 'a', 'b', 'c');
  for (const n of [1, 2, 3]) rig.ack(n, at(n));
  rig.append(document, 'd', 'e');
  rig.appends();
  rig.nack('gap', undefined, { expected: 2, ...row(['a']) });
  assert.deepEqual(rig.appends(), [[2, 'b'], [3, 'c'], [4, 'd'], [5, 'e']]);
  rig.nack('gap', 4, { expected: 3, ...row(['a', 'b']) });
  assert.deepEqual(rig.appends(), [[3, 'c'], [4, 'd'], [5, 'e']]);
});

test('nothing is sent between a reset and its joined', () => {
  const { rig, document } = joinedRig();
  rig.say({ type: 'reset', document: 'doc', cause: 'diverged', position: at(0, 'cccccccccccccccc') });
  rig.append(document, 'a');
  assert.deepEqual(rig.appends(), []);
  rig.joined(at(0, 'cccccccccccccccc'));
  assert.deepEqual(rig.appends(), [[1, 'a']]);
});

test('deletion discards what was acknowledged', () => {
  const { rig, document } = joinedRig();
  rig.append(document, 'a', 'b', 'c');
  rig.ack(2, at(2));
  rig.appends();
  rig.say({ type: 'reset', document: 'doc', cause: 'deleted', position: at(0, 'dddddddddddddddd') });
  rig.joined(at(0, 'dddddddddddddddd'), 2, digests(['a', 'b']));
  assert.deepEqual(rig.appends(), [[3, 'c']]);
});

test('a passing refusal waits as told and sends all from that number again', () => {
  for (const code of ['throttled', 'unavailable']) {
    const { rig, document } = joinedRig();
    rig.append(document, 'a', 'b', 'c');
    rig.appends();
    rig.ack(1, at(1));
    rig.nack(code, 2, { after_ms: 500 });
    assert.equal(rig.told('nack')[0]?.isRetried, true);
    const before = rig.now;
    rig.pass(499);
    assert.deepEqual(rig.appends(), []);
    rig.pass(1_000);
    assert.deepEqual(rig.appends(), [[2, 'b'], [3, 'c']]);
    assert.ok(rig.now - before >= 500);
  }
});

test('log_full waits, too', () => {
  const { rig, document } = joinedRig();
  rig.append(document, 'a');
  rig.appends();
  rig.nack('log_full', 1);
  rig.pass(900);
  assert.deepEqual(rig.appends(), []);
  rig.pass(1_000);
  assert.deepEqual(rig.appends(), [[1, 'a']]);
});

test('a refusal for good frees its number for the next entry', () => {
  const { rig, document } = joinedRig();
  rig.append(document, 'a', 'b', 'c');
  rig.appends();
  rig.nack('too_large', 1, { max_bytes: 5 });
  const nack = rig.told('nack')[0];
  assert.equal(nack?.own?.id, 1);
  assert.equal(nack?.isRetried, false);
  assert.deepEqual(rig.appends(), [[1, 'b'], [2, 'c']]);
  rig.ack(1, at(1));
  rig.nack('forbidden', 2, { need: 'writer' });
  assert.deepEqual(acked(rig), [2]);
  assert.equal(document.state.unacknowledged, 0);
});

test('a refusal of a number that may have landed on another link leads to a new client', () => {
  const { rig, document } = joinedRig();
  rig.append(document, 'a', 'b');
  rig.reconnect();
  rig.joined(at(0));
  rig.appends();
  rig.nack('forbidden', 1, { need: 'writer' });
  assert.equal(document.state.isRenewing, true);
  assert.deepEqual(rig.appends(), []);
  // Whether it landed is not known yet.
  assert.deepEqual(rig.told('nack'), []);
  renew(rig, at(0));
  assert.deepEqual(rig.told('nack').map(({ own, nack, isRetried }) => [own?.id, nack.code, isRetried]), [[1, 'forbidden', false]]);
  assert.deepEqual(rig.appends(), [[1, 'b']]);
});

test('a refusal of a number whose outcome was unknown on this very link leads to a new client', () => {
  const { rig, document } = joinedRig();
  rig.append(document, 'a', 'b');
  rig.nack('unavailable', 1, { after_ms: 10 });
  rig.pass(1_000);
  rig.appends();
  rig.nack('forbidden', 1, { need: 'writer' });
  assert.equal(document.state.isRenewing, true);
  assert.deepEqual(acked(rig), []);
  // It had landed after all: that is what is told, and it is not written again.
  renew(rig, at(0), row(['a'], 'client_seq'));
  assert.deepEqual(acked(rig), [1]);
  assert.deepEqual(rig.told('nack').filter((n) => !n.isRetried), []);
  assert.deepEqual(rig.appends(), [[1, 'b']]);
});

test('a refusal before entries whose outcome was unknown leads to a new client, too', () => {
  const { rig, document } = joinedRig();
  rig.append(document, 'a', 'b');
  rig.nack('unavailable', 2, { after_ms: 10 });
  rig.nack('invalid', 1, { why: 'no' });
  assert.equal(document.state.isRenewing, true);
});

test('acknowledged entries that a failover lost are told if the document ends before they are sent again', () => {
  const { rig, document } = joinedRig();
  rig.append(document, 'a', 'b', 'c');
  for (const n of [1, 2, 3]) rig.ack(n, at(n));
  rig.nack('gap', undefined, { expected: 2, ...row(['a']) });
  assert.equal(document.state.unacknowledged, 2);
  rig.say({ type: 'ended', document: 'doc', code: 'revoked' });
  const [lost] = rig.told('lost');
  assert.deepEqual([lost?.from, lost?.to, lost?.entries.map((own) => own.id)], [2, 3, [2, 3]]);

  const other = joinedRig({ limits: { retainedMs: 0 } });
  other.rig.append(other.document, 'a', 'b', 'c');
  other.rig.ack(2, at(2));
  other.rig.nack('gap', undefined, { expected: 2, ...row(['a']) });
  assert.equal(other.document.state.isRenewing, true);
  other.rig.say({ type: 'ended', document: 'doc', code: 'revoked' });
  assert.deepEqual(other.rig.told('lost').map(({ from, to }) => [from, to]), [[2, 3]], 'also those that are not held');
});

test('a machine that slept for a day knows how old its entries are', () => {
  const { rig, document } = joinedRig();
  rig.append(document, 'a', 'b');
  rig.ack(1, at(1));
  rig.appends();
  rig.sleep(24 * 3_600_000);
  rig.reconnect();
  // The row is gone, and with it what would tell whether they landed.
  rig.joined(at(0));
  assert.deepEqual(rig.appends(), []);
  assert.equal(document.state.isRenewing, true);
  renew(rig, at(0));
  assert.deepEqual(rig.told('lost').map(({ from, to, reason }) => [from, to, reason]), [[1, 2, 'row_lost']]);
  assert.deepEqual(rig.appends(), []);
});

test('a new identity waits as long as the gateway says', () => {
  const rig = new Rig();
  const document = rig.join();
  rig.core.connect(rig.now);
  rig.settle();
  rig.greet('alice', { landing_ms: 2_000 });
  rig.joined(at(0));
  rig.append(document, 'a');
  rig.nack('client_conflict', 1, { row_client_seq: 1, row_position: at(1), digests: '01020304' });
  rig.say({ type: 'left', document: 'doc' });
  rig.joined(at(0), 1, '01020304');
  rig.sent();
  rig.pass(1_999);
  assert.deepEqual(rig.sent(), []);
  rig.pass(1);
  assert.deepEqual(rig.sent(), [{ type: 'leave', document: 'doc' }]);
});

test('an entry that fits no message is refused here; what Base64 makes fit is sent so', () => {
  const rig = new Rig();
  const document = rig.join();
  // Taken before anything of limits is known.
  rig.append(document, 'first', '\u0001'.repeat(150), 'x'.repeat(2_000), 'last');
  rig.core.connect(rig.now);
  rig.settle();
  rig.greet('alice', { message_bytes_max: 1_400 });
  assert.deepEqual(rig.told('nack'), []);
  rig.joined(at(0));
  const appends = rig.sent().filter((p) => p['type'] === 'append');
  assert.deepEqual(appends.map((p) => [p['client_seq'], p['payload'] ?? typeof p['base64']]), [[1, 'first'], [2, '\u0001'.repeat(150)], [3, 'last']]);
  assert.deepEqual(rig.told('nack').map(({ own, nack, isRetried }) => [own?.id, nack, isRetried]), [
    [3, { code: 'too_large', maxBytes: 1_400 }, false],
  ]);
  // As `text` each of these takes six bytes.
  document.append('edit', 'text/plain; charset=utf-8', Payload.text('\u0001'.repeat(300)), rig.now);
  rig.settle();
  const last = rig.sent().find((p) => p['type'] === 'append');
  assert.equal(last?.['client_seq'], 4);
  assert.equal(last?.['content_type'], 'text/plain; charset=utf-8');
  assert.equal(atob(String(last?.['base64'])), '\u0001'.repeat(300));
});

test('a link that is closed over a message too large is not closed over the same one for ever', () => {
  const { rig, document } = joinedRig();
  rig.append(document, 'a', 'x'.repeat(1_000), 'b');
  rig.effects.length = 0;
  rig.lose(1009);
  rig.pass(20_000, () => rig.effects.includes('open'));
  rig.greet();
  rig.joined(at(0), 1, digests(['a']));
  assert.equal(document.state.isRenewing, true);
  renew(rig, at(0), row(['a'], 'client_seq'));
  assert.deepEqual(rig.told('nack').map(({ own, nack }) => [own?.id, nack.code]), [[2, 'too_large']]);
  assert.deepEqual(acked(rig), [1]);
  assert.deepEqual(rig.appends(), [[1, 'b']]);
});

test('somebody else under this identity is seen in the log, too', () => {
  const { rig, document } = joinedRig();
  rig.append(document, 'a');
  const entry = { type: 'entry', document: 'doc', seq: 1, at: 0, author: 'alice', client_seq: 1, kind: 'edit', content_type: 'application/json' };
  rig.say({ ...entry, position: at(1), client: uuid(1), payload: 'another' });
  assert.equal(rig.told('entry')[0]?.own, undefined);
  assert.equal(document.state.isRenewing, true);

  const other = joinedRig();
  other.rig.say({ ...entry, position: at(1), client: uuid(1), payload: 'never sent' });
  assert.equal(other.document.state.isRenewing, true);
});

test('a revoked append ends the document', () => {
  const { rig, document } = joinedRig();
  rig.append(document, 'a');
  rig.nack('revoked', 1);
  assert.equal(document.state.phase, 'ended');
  assert.deepEqual(rig.told('lost').map(({ from, to }) => [from, to]), [[1, 1]]);
});

test('unknown_client: who holds everything since 1 sends it again', () => {
  const { rig, document } = joinedRig();
  rig.append(document, 'a', 'b');
  rig.ack(2, at(2));
  rig.append(document, 'c');
  rig.appends();
  rig.nack('unknown_client', 3);
  assert.deepEqual(rig.appends(), [[1, 'a'], [2, 'b'], [3, 'c']]);
});

test('unknown_client: who does not hold everything tells the range and goes on as a new client', () => {
  const { rig, document } = joinedRig();
  rig.append(document, 'a', 'b');
  rig.ack(2, at(2));
  rig.pass(61_000);
  rig.reconnect();
  rig.joined(at(0));
  rig.append(document, 'c');
  assert.equal(document.state.isRenewing, true);
  renew(rig, at(0));
  assert.deepEqual(rig.told('lost').map(({ client, from, to, reason }) => [client, from, to, reason]), [[uuid(1), 1, 2, 'row_lost']]);
  assert.deepEqual(rig.appends(), [[1, 'c']]);
  assert.equal(document.client, uuid(2));
});

test('a log that ends below what is held: the range is told, the rest goes on as a new client', () => {
  const { rig, document } = joinedRig({ limits: { retainedMs: 0 } });
  rig.append(document, 'a', 'b', 'c');
  rig.ack(2, at(2));
  rig.appends();
  rig.nack('gap', undefined, { expected: 2, ...row(['a']) });
  assert.deepEqual(rig.appends(), []);
  renew(rig, at(0), row(['a'], 'client_seq'));
  assert.deepEqual(rig.told('lost').map(({ from, to, reason }) => [from, to, reason]), [[2, 2, 'not_held']]);
  assert.deepEqual(rig.appends(), [[1, 'c']]);
});

test('before a new identity writes, nothing of the old one can land any more', () => {
  const { rig, document } = joinedRig();
  rig.append(document, 'a', 'b');
  rig.sent();
  rig.nack('client_conflict', 1, { row_client_seq: 1, row_position: at(1), digests: '01020304' });
  assert.equal(document.state.isRenewing, true);
  assert.deepEqual(rig.sent(), [{ type: 'leave', document: 'doc' }]);
  // The session did not end yet: time alone is not enough.
  rig.pass(LANDING_MS + 1_000);
  assert.deepEqual(rig.sent(), []);
  rig.say({ type: 'left', document: 'doc' });
  assert.deepEqual(rig.sent(), [{ type: 'join', document: 'doc', since: at(0), client: uuid(1), receive: true }]);
  rig.joined(at(0), 1, '01020304');
  rig.pass(LANDING_MS - 1);
  assert.deepEqual(rig.sent(), []);
  rig.pass(1);
  assert.deepEqual(rig.sent(), [{ type: 'leave', document: 'doc' }]);
  rig.say({ type: 'left', document: 'doc' });
  assert.deepEqual(rig.sent(), [{ type: 'join', document: 'doc', since: at(0), client: uuid(1), receive: true }]);
  rig.joined(at(0), 1, '01020304');
  assert.deepEqual(rig.sent(), [{ type: 'leave', document: 'doc' }]);
  rig.say({ type: 'left', document: 'doc' });
  assert.deepEqual(rig.sent(), [{ type: 'join', document: 'doc', since: at(0), client: uuid(2), receive: true }]);
  rig.joined(at(0));
  assert.deepEqual(rig.appends(), [[1, 'a'], [2, 'b']]);
  assert.deepEqual(rig.told('lost'), []);
});

test('what landed while a new identity was waited for is not written again', () => {
  const { rig, document } = joinedRig();
  rig.append(document, 'a', 'b', 'c');
  rig.appends();
  rig.nack('client_conflict', 2, { row_client_seq: 2, row_position: at(2), digests: `${digests(['a'])}01020304` });
  renew(rig, at(0), { client_seq: 2, row_position: at(2), digests: `${digests(['a'])}01020304` });
  assert.deepEqual(rig.appends(), [[1, 'b'], [2, 'c']]);
  assert.deepEqual(acked(rig), [1]);
  assert.equal(document.state.isRenewing, false);
});

test('a number higher than ever sent is somebody else: a new client', () => {
  const { rig, document } = joinedRig();
  rig.append(document, 'a');
  rig.appends();
  rig.reconnect();
  rig.joined(at(0), 5, digests(['v', 'w', 'x', 'y', 'z']));
  assert.equal(document.state.isRenewing, true);
  assert.deepEqual(rig.appends(), []);
});

test('the writer\'s own earlier wording in the log counts', () => {
  const { rig, document } = joinedRig({ rewriteLost: (own) => Payload.json(`${String(own.payload.asJson())}'`) });
  rig.append(document, 'a', 'b');
  rig.appends();
  rig.reconnect();
  // The row says that neither landed: both are worded anew …
  rig.joined(at(0));
  assert.deepEqual(rig.appends(), [[1, "a'"], [2, "b'"]]);
  // … but the first sending of 1 was only late.
  rig.nack('client_conflict', 1, row(['a']));
  assert.equal(document.state.isRenewing, false);
  assert.deepEqual(rig.appends(), [[1, 'a'], [2, "b'"]]);
});

test('acknowledged entries are held for 60 s and at most 4 MiB', () => {
  const { rig, document } = joinedRig({ limits: { retainedBytesMax: 10 } });
  rig.append(document, '123456', '7890');
  rig.ack(2, at(2));
  rig.appends();
  rig.nack('gap', undefined, { expected: 2, ...row(['123456']) });
  assert.deepEqual(rig.appends(), [[2, '7890']], 'the newest 10 bytes are held');

  const other = joinedRig();
  other.rig.append(other.document, 'a');
  other.rig.ack(1, at(1));
  other.rig.appends();
  other.rig.pass(59_000);
  other.rig.nack('gap', undefined, { expected: 1 });
  assert.deepEqual(other.rig.appends(), [[1, 'a']]);
});

test('another user is another client, and nothing of the first goes out in its name', () => {
  const { rig, document } = joinedRig();
  rig.append(document, 'a');
  rig.appends();
  rig.reconnect('mallory');
  const lost = rig.told('lost')[0];
  assert.equal(lost?.reason, 'subject_changed');
  assert.deepEqual(lost?.entries.map((own) => own.payload.asJson()), ['a']);
  assert.equal(rig.sent().find((p) => p['type'] === 'join')?.['client'], uuid(2));
  rig.joined(at(0), undefined, '', 'mallory');
  assert.deepEqual(rig.appends(), []);
});

test('revoked: the document ends and what waits is told', () => {
  const { rig, document } = joinedRig();
  rig.append(document, 'a', 'b');
  rig.say({ type: 'ended', document: 'doc', code: 'revoked' });
  assert.equal(document.state.phase, 'ended');
  assert.equal(document.state.cause, 'revoked');
  assert.deepEqual(rig.told('lost').map(({ from, to, reason }) => [from, to, reason]), [[1, 2, 'ended']]);
  assert.equal(document.append('edit', 'application/json', Payload.json('c'), rig.now), undefined);
});

test('own entries are recognised in the log', () => {
  const { rig, document } = joinedRig();
  rig.append(document, 'a');
  const entry = { type: 'entry', document: 'doc', seq: 1, at: 0, author: 'alice', client_seq: 1, kind: 'edit', content_type: 'application/json' };
  rig.say({ ...entry, position: at(1), client: uuid(1), payload: 'a' });
  rig.say({ ...entry, position: at(2), client: uuid(7), payload: 'a' });
  assert.deepEqual(rig.told('entry').map((e) => e.own), [1, undefined]);
});

test('a full queue takes nothing', () => {
  const { rig, document } = joinedRig({ limits: { queueEntriesMax: 2 } });
  rig.append(document, 'a', 'b');
  assert.equal(document.append('edit', 'application/json', Payload.json('c'), rig.now), undefined);
});

/** Walks through a renewal: leaving, the wait, the old row, the new client. */
function renew(rig: Rig, position: string, oldRow: Record<string, unknown> = {}): void {
  rig.say({ type: 'left', document: 'doc' });
  rig.say({ type: 'joined', document: 'doc', position, role: 'writer', subject: 'alice', ...oldRow });
  rig.pass(LANDING_MS);
  rig.say({ type: 'left', document: 'doc' });
  rig.say({ type: 'joined', document: 'doc', position, role: 'writer', subject: 'alice', ...oldRow });
  rig.say({ type: 'left', document: 'doc' });
  rig.sent();
  rig.joined(position);
}

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { digestOf, formatPosition, nextPosition, parsePosition, utf8 } from '../src/core/index.js';
import { at, Rig, uuid } from './support/rig.js';

function entry(seq: number, more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    type: 'entry', document: 'doc', position: at(seq), seq, at: 0, author: 'bob', client: uuid(99), client_seq: seq,
    kind: 'edit', content_type: 'application/json', payload: seq, ...more,
  };
}

const seqs = (rig: Rig): number[] => rig.told('entry').map((e) => e.position.seq);

test('a first join has no position; the next one resumes after the last entry', () => {
  const rig = new Rig();
  rig.join();
  rig.connect();
  assert.deepEqual(rig.sent(), [
    { type: 'hello' },
    { type: 'join', document: 'doc', client: uuid(1), receive: true },
  ]);
  rig.say(entry(1), entry(2));
  rig.joined(at(2));
  rig.say(entry(3));
  rig.reconnect();
  assert.deepEqual(rig.sent()[1], { type: 'join', document: 'doc', since: at(3), client: uuid(1), receive: true });
  rig.say(entry(4));
  rig.joined(at(4));
  assert.deepEqual(seqs(rig), [1, 2, 3, 4]);
  assert.equal(rig.told('state').at(-1)?.phase, 'joined');
});

test('a reader has no client, and a writer may read nothing', () => {
  const rig = new Rig();
  rig.join({ write: false });
  rig.join({ receive: false }, 'other');
  rig.connect();
  assert.deepEqual(rig.sent().slice(1), [
    { type: 'join', document: 'doc', receive: true },
    { type: 'join', document: 'other', client: uuid(1), receive: false },
  ]);
});

test('a document that is left and joined again hears nothing of the membership before', () => {
  const rig = new Rig();
  const first = rig.join();
  rig.connect();
  rig.leave(first);
  const second = rig.join();
  rig.append(second, 'x');
  // Only after `left`: until then all is of the old membership, a late `joined` too.
  assert.deepEqual(rig.sent().slice(1).map((p) => p['type']), ['join', 'leave']);
  rig.say(entry(1), entry(2));
  rig.joined(at(2));
  rig.say(entry(3));
  assert.deepEqual([seqs(rig), rig.sent(), second.state.position], [[], [], undefined]);
  rig.say({ type: 'left', document: 'doc' });
  assert.deepEqual(rig.sent(), [{ type: 'join', document: 'doc', client: second.client, receive: true }]);
  rig.say(entry(1), entry(2), entry(3));
  rig.joined(at(3));
  assert.deepEqual(seqs(rig), [1, 2, 3]);
  assert.deepEqual(rig.appends(), [[1, 'x']]);
  assert.deepEqual(rig.effects, ['open']);
});

test('leaving while the gateway ends or refuses the document, or while the link is lost', () => {
  const refused = new Rig();
  const first = refused.join();
  refused.connect();
  refused.leave(first);
  refused.join();
  refused.sent();
  refused.say({ type: 'error', code: 'throttled', document: 'doc', detail: 'the old join', after_ms: 1 });
  assert.deepEqual(refused.sent(), []);
  refused.say({ type: 'error', code: 'not_joined', document: 'doc', detail: 'so there is no left' });
  assert.equal(refused.sent()[0]?.['type'], 'join');

  const lost = new Rig();
  const left = lost.join();
  lost.connect();
  lost.leave(left);
  lost.join();
  lost.reconnect();
  assert.equal(lost.sent().at(-1)?.['type'], 'join');

  const ended = new Rig();
  const over = ended.join();
  ended.connect();
  ended.say({ type: 'ended', document: 'doc', code: 'revoked' });
  ended.leave(over);
  ended.sent();
  ended.join();
  assert.deepEqual(ended.sent().map((p) => p['type']), ['join']);
});

test('a repeat is not surfaced', () => {
  const rig = new Rig();
  rig.join();
  rig.connect();
  rig.say(entry(1), entry(1), entry(2), entry(2));
  assert.deepEqual(seqs(rig), [1, 2]);
  assert.deepEqual(rig.effects, ['open']);
});

test('a hole ends the link, and the document resumes before it', () => {
  const rig = new Rig();
  rig.join();
  rig.connect();
  rig.joined(at(0));
  rig.say(entry(1), entry(3), entry(4));
  assert.deepEqual(seqs(rig), [1]);
  assert.deepEqual(rig.effects, ['open', 'drop']);
  rig.sent();
  rig.pass(10_000, () => rig.effects.length === 3);
  rig.greet();
  assert.equal(rig.sent()[1]?.['since'], at(1));
});

test('a join that ends elsewhere than what was delivered is a fault of the link', () => {
  const rig = new Rig();
  rig.join();
  rig.connect();
  rig.say(entry(1));
  rig.joined(at(2));
  assert.deepEqual(rig.effects, ['open', 'drop']);
});

test('every hash is checked against the history before it', () => {
  const rig = new Rig();
  rig.join({ verify: true });
  rig.connect();
  const start = parsePosition('0-0123456789abcdef');
  assert.ok(start);
  rig.joined(formatPosition(start));
  // The bytes of the payload count, not its value.
  const raw = '{ "x": 1.0 }';
  const first = nextPosition(start, digestOf({ author: 'bob', client: uuid(9), clientSeq: 1, kind: 'edit', contentType: 'application/json', payload: utf8(raw) }));
  const text = JSON.stringify(entry(1, { position: formatPosition(first), client: uuid(9), client_seq: 1, payload: 0 }));
  rig.core.received(text.replace('"payload":0', `"payload":${raw}`), rig.now);
  assert.deepEqual(seqs(rig), [1]);
  rig.say(entry(2, { position: at(2, 'ffffffffffffffff') }));
  rig.settle();
  assert.deepEqual(seqs(rig), [1]);
  assert.deepEqual(rig.effects, ['open', 'drop']);
});

test('a reset starts over from its position and snapshot', () => {
  const rig = new Rig();
  rig.join();
  rig.connect();
  rig.say(entry(1));
  rig.joined(at(1));
  rig.say({
    type: 'reset', document: 'doc', cause: 'trimmed', position: at(7, 'aaaaaaaaaaaaaaaa'),
    snapshot: { position: at(7, 'aaaaaaaaaaaaaaaa'), content_type: 'text/plain; charset=utf-8', text: 'so far' },
  });
  rig.say(entry(8));
  rig.joined(at(8));
  const reset = rig.told('reset')[0];
  assert.equal(reset?.cause, 'trimmed');
  assert.equal(reset?.snapshot?.payload.asText(), 'so far');
  assert.deepEqual(seqs(rig), [1, 8]);
});

test('a snapshot is where a first join starts', () => {
  const rig = new Rig();
  rig.join();
  rig.connect();
  rig.say({ type: 'snapshot', document: 'doc', position: at(5), content_type: 'application/json', payload: ['x'] });
  rig.say(entry(6));
  rig.joined(at(6));
  assert.equal(rig.told('reset')[0]?.cause, undefined);
  assert.deepEqual(rig.told('reset')[0]?.snapshot?.payload.asJson(), ['x']);
  assert.deepEqual(seqs(rig), [6]);
});

test('signals go out at the last position, only while joined, and come in as they are', () => {
  const rig = new Rig();
  const document = rig.join();
  const payload = { asBytes: () => utf8('1'), member: () => '"payload":1' } as never;
  assert.equal(document.signal('cursor', 'application/json', payload, undefined), false);
  rig.connect();
  rig.say(entry(1));
  rig.joined(at(1));
  rig.sent();
  assert.equal(document.signal('cursor', 'application/json', payload, undefined), true);
  rig.settle();
  assert.deepEqual(rig.sent(), [
    { type: 'signal', document: 'doc', kind: 'cursor', content_type: 'application/json', position: at(1), payload: 1 },
  ]);
  rig.say({ type: 'signal', document: 'doc', author: 'bob', kind: 'cursor', content_type: 'application/json', payload: { start: 3 } });
  assert.deepEqual(rig.told('signal')[0]?.payload.asJson(), { start: 3 });
});

test('what is no packet ends the link; a packet of a later version does not', () => {
  const rig = new Rig();
  rig.join();
  rig.connect();
  rig.say({ type: 'of_tomorrow', after_ms: 100 }, { type: 'pong', id: 77 });
  assert.deepEqual(rig.effects, ['open']);
  for (const text of ['nonsense', '[]', '{"type":"ack","document":"doc","client_seq":-1,"position":"1-0000000000000000"}', '{"type":"joined","document":"doc"}']) {
    const other = new Rig();
    other.join();
    other.connect();
    other.core.received(text, other.now);
    other.settle();
    assert.deepEqual(other.effects, ['open', 'drop'], text);
  }
});

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { asHex, digestOf, formatPosition, nextPosition, parsePosition, Payload, utf8 } from '../src/core/index.js';
import { memberText } from '../src/core/members.js';

test('the published vector of the digest', () => {
  const digest = digestOf({
    author: 'alice',
    client: '6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b',
    clientSeq: 7,
    kind: 'edit',
    contentType: 'application/json',
    payload: utf8('[[0,0,"h"]]'),
  });
  assert.equal(asHex(digest), '89daa5d921b269a89136d7bb02c75d4d');
});

test('the chain is SHA-1 over hex and digest', () => {
  const start = parsePosition('0-0123456789abcdef');
  assert.ok(start);
  const digest = Uint8Array.from({ length: 16 }, (_, i) => i);
  assert.equal(formatPosition(nextPosition(start, digest)), '1-07d0e92796427d24');
});

test('other texts are no positions', () => {
  for (const text of ['', '-', '42', '42-', '042-0123456789abcdef', '+1-0123456789abcdef', '42-0123456789ABCDEF', '42-0123456789abcde', 42]) {
    assert.equal(parsePosition(text), undefined, String(text));
  }
  assert.deepEqual(parsePosition('42-0123456789abcdef'), { seq: 42, hash: '0123456789abcdef' });
});

test('a payload keeps the bytes it came in', () => {
  const packet = '{ "a" : "}\\",", "payload" : { "x": 1.0 , "y":[ "]" ] } , "z":null}';
  assert.equal(memberText(packet, 'payload'), '{ "x": 1.0 , "y":[ "]" ] }');
  assert.equal(memberText(packet, 'a'), '"}\\","');
  assert.equal(memberText(packet, 'z'), 'null');
  assert.equal(memberText(packet, 'w'), undefined);
  assert.equal(memberText('{"payload":-1.50}', 'payload'), '-1.50');
  assert.equal(memberText('{"\\u0070ayload":"p","q":[{}]}', 'payload'), '"p"');
  assert.equal(memberText('{}', 'payload'), undefined);
});

test('every form of a payload has its bytes', () => {
  assert.equal(Payload.json(['한', 1]).member(), '"payload":["한",1]');
  assert.equal(Payload.text('a"한').member(), '"text":"a\\"한"');
  assert.equal(Payload.text('a\ud800b').asText(), 'a\ufffdb');
  assert.equal(Payload.text('👍').asText(), '👍');
  const bytes = Uint8Array.of(0, 255, 10);
  assert.deepEqual(Payload.bytes(bytes).asBytes(), bytes);
  assert.equal(Payload.bytes(bytes).member(), '"base64":"AP8K"');
  assert.throws(() => Payload.json(undefined), TypeError);
});

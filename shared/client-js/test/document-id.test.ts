import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client } from '../src/index.js';
import { isDocumentId } from '../src/core/document-id.js';

test('document ids are those that the gateway takes', () => {
  for (const id of ['a', 'essay-42', 'team:7/essays/~draft_1.2', 'signals-of-life', 'a'.repeat(200)]) {
    assert.ok(isDocumentId(id), id);
  }
  for (const id of ['', 'a b', '{tag}', 'é', '/a', 'a/', 'a//b', 'a/../b', 'essay/events', 'a'.repeat(201)]) {
    assert.ok(!isDocumentId(id), id);
  }
});

test('a join under another id is refused at once', () => {
  const client = new Client({ url: 'ws://127.0.0.1:9/ws', webSocket: class {} as never });
  assert.throws(() => client.join('a b'), TypeError);
});

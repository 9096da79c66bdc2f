// Comments, notifications, presence and snapshots, as the application has them, without a network.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Comments, commentIdOf, Notifications, Payload, Presence, type AnchoredText, type Comment } from '../src/index.js';
import type { EntryEvent } from '../src/index.js';
import { Rig, at } from './support/rig.js';

const CLIENT = '6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b';

function position(seq: number): { seq: number; hash: string } {
  return { seq, hash: '0000000000000000' };
}

/** A document that a test has in its hand. */
class Page {
  readonly id = 'doc';
  readonly state = { phase: 'joined', position: position(0) };
  readonly appended: { value: Record<string, unknown>; kind: string }[] = [];
  readonly #listeners = new Map<string, ((event: never) => void)[]>();

  append(value: unknown, { kind }: { readonly kind: string }): number {
    return this.appended.push({ value: value as Record<string, unknown>, kind });
  }

  on(name: string, listener: (event: never) => void): () => void {
    this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), listener]);
    return () => {};
  }

  say(name: string, event: unknown): void {
    for (const listener of this.#listeners.get(name) ?? []) listener(event as never);
  }

  /** The entry at `seq`; `own` is what `append` gave. */
  entry(seq: number, kind: string, value: unknown, author = 'ada', own?: number): EntryEvent {
    const entry: EntryEvent = {
      position: position(seq), at: seq * 1000, author, client: CLIENT, clientSeq: seq, kind, contentType: 'application/json',
      payload: Payload.json(value), traceparent: undefined, own,
    };
    this.state.position = entry.position;
    this.say('entry', entry);
    return entry;
  }
}

async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

test('the id of a comment follows from its entry', () => {
  // The vector of the gateway's own test.
  assert.equal(commentIdOf({ author: 'alice', client: CLIENT, clientSeq: 7 }), 'cffa8cf16a7d1b976557fc342df8ea07f');
});

test('comments are read once and kept by the entries of the log', async () => {
  const page = new Page();
  let answer = (_list: unknown): void => {};
  const comments = new Comments(page, () => new Promise((resolve) => (answer = resolve)));
  // While the list is on its way: it comes on top, also if the list has it already.
  const created = page.entry(4, 'comment.create', { text: 'why?' });
  page.entry(5, 'comment.reply', { comment: commentIdOf(created), text: 'why not' }, 'bob');
  answer({ comments: [
    { id: 'c1', thread: 'c1', author: 'eve', at: 1, position: at(2), text: 'first', mentions: ['ada'] },
    { id: commentIdOf(created), thread: commentIdOf(created), author: 'ada', at: 4000, position: at(4), text: 'why?', mentions: [] },
  ] });
  await settled();
  assert.ok(comments.isLoaded);
  assert.deepEqual(comments.threads.map(({ root, replies }) => [root.text, replies.map(({ text }) => text)]), [['first', []], ['why?', ['why not']]]);
  page.entry(6, 'comment.edit', { comment: 'c1', text: 'the first' }, 'eve');
  page.entry(7, 'comment.resolve', { comment: 'c1', resolved: true }, 'ada');
  assert.deepEqual([comments.get('c1')?.text, comments.get('c1')?.resolved], ['the first', { by: 'ada', at: 7000 }]);
  page.entry(8, 'comment.resolve', { comment: 'c1', resolved: false });
  page.entry(9, 'comment.delete', { comment: 'c1' }, 'eve');
  const deleted = comments.get('c1') as Comment;
  assert.deepEqual([deleted.isDeleted, deleted.text, deleted.resolved], [true, '', undefined]);
  page.entry(10, 'comment.edit', { comment: 'c1', text: 'back' }, 'eve');
  assert.equal(comments.get('c1')?.text, '', 'what is deleted stays so');
  // The history is another one: the list is asked again.
  page.say('reset', {});
  assert.equal(comments.isLoaded, false);
  answer([]);
  await settled();
  assert.deepEqual(comments.all, []);
});

test('a comment that is written resolves once it is in the log, and says why if it is not', async () => {
  const page = new Page();
  const comments = new Comments(page, () => Promise.resolve([]));
  await settled();
  const anchor = { position: position(3), start: 1, end: 4, unit: 'utf16', quote: 'ext' };
  const writing = comments.create({ text: 'here', anchor, mentions: ['bob'] });
  assert.deepEqual(page.appended[0], { kind: 'comment.create', value: { text: 'here', mentions: ['bob'], anchor: { ...anchor, position: at(3) } } });
  const entry = page.entry(4, 'comment.create', page.appended[0]?.value, 'ada', 1);
  const id = await writing;
  assert.equal(id, commentIdOf(entry));
  assert.deepEqual(comments.get(id)?.anchor, anchor);
  const refused = comments.edit(id, 'elsewhere');
  page.say('nack', { own: { id: 2 }, nack: { code: 'throttled', afterMs: 5 }, isRetried: true });
  page.say('nack', { own: { id: 2 }, nack: { code: 'forbidden', need: 'owner' }, isRetried: false });
  await assert.rejects(refused, { name: 'CommentRefused', code: 'forbidden' });
  const gone = comments.delete(id);
  page.say('lost', { entries: [{ id: 3 }], reason: 'ended' });
  await assert.rejects(gone, { code: 'lost' });
});

test('an anchor follows the text, is found by its only quote, or is orphaned', async () => {
  const page = new Page();
  const comments = new Comments(page, () => Promise.resolve([]));
  await settled();
  const created = page.entry(1, 'comment.create', { text: 'x', anchor: { position: at(0), start: 4, end: 7, unit: 'utf16', quote: 'cat' } });
  const id = commentIdOf(created);
  let text = 'the cat sat';
  let map: AnchoredText['map'] = (_position, range) => range;
  assert.deepEqual(comments.place(id), { at: 'orphaned' }, 'nobody knows the text');
  assert.equal(comments.anchorsAt(position(9)), undefined, 'and no snapshot can carry it');
  comments.follow({ text: () => text, map: (...given) => map(...given) });
  assert.deepEqual(comments.place(id), { at: 'found', start: 4, end: 7 });
  text = 'so the cat sat';
  map = () => undefined;
  assert.deepEqual(comments.place(id), { at: 'found', start: 7, end: 10 }, 'by its quote');
  text = 'the cat, the other cat';
  assert.deepEqual(comments.place(id), { at: 'orphaned' }, 'not moved to one of two');
  assert.deepEqual(comments.anchorsAt(position(9)), { [id]: 'orphaned' });
  assert.deepEqual(comments.anchorsAt(position(0)), {}, 'it came after that position');
  map = (_position, range) => ({ start: range.start, end: range.start });
  text = 'the sat';
  assert.deepEqual(comments.place(id), { at: 'orphaned' }, 'its text is gone');
  page.entry(2, 'comment.resolve', { comment: id, resolved: true });
  assert.deepEqual(comments.anchorsAt(position(9)), {}, 'a resolved one is not carried');
});

test('who is there: all at first, then who came and went, and only the difference after another join', () => {
  const presence = new Presence(() => {});
  const heard: unknown[] = [];
  presence.on('change', ({ participants, entered, left }) => heard.push([participants, entered, left].map((list) => list.map(({ id }) => id))));
  const who = (...ids: string[]) => ids.map((id) => ({ id, subject: id, role: 'writer' as const, since: 1 }));
  presence.heard({ what: 'present', participants: who('a', 'b') });
  presence.heard({ what: 'entered', participants: who('c') });
  presence.heard({ what: 'left', participants: who('a') });
  presence.heard({ what: 'left', participants: who('a') });
  presence.heard({ what: 'present', participants: who('c', 'd') });
  assert.deepEqual(heard, [
    [['a', 'b'], ['a', 'b'], []], [['a', 'b', 'c'], ['c'], []], [['b', 'c'], [], ['a']], [['c', 'd'], ['d'], ['b']],
  ]);
});

test('notifications are the entries of the own log', () => {
  const page = new Page();
  const notifications = new Notifications(page as never);
  const heard: unknown[] = [];
  notifications.on('notification', ({ kind, document, by, text, at: when, position: where }) => heard.push([kind, document, by, text, when, where.seq]));
  page.entry(1, 'notification.mention', { document: 'essay', comment: 'c1', thread: 'c1', by: 'bob', text: 'look', at: 5 });
  page.entry(2, 'notification.message', 'plain');
  page.entry(3, 'access.grant', {});
  assert.deepEqual(heard, [['mention', 'essay', 'bob', 'look', 5, 1], ['message', undefined, undefined, '', 2000, 2]]);
});

test('presence is asked for at each join, and told only while somebody watches', () => {
  const rig = new Rig();
  rig.connect();
  const document = rig.join();
  document.watchPresence(true);
  assert.deepEqual(rig.sent().map((packet) => packet['type']), ['hello', 'join']);
  rig.joined(at(0));
  assert.deepEqual(rig.sent(), [{ type: 'presence', document: 'doc', watch: true }]);
  rig.say({ type: 'presence', document: 'doc', version: at(1), participants: [{ id: CLIENT, subject: 'alice', role: 'writer', since: 7 }] });
  rig.reconnect();
  rig.joined(at(0));
  assert.deepEqual(rig.sent().map((packet) => packet['type']).filter((type) => type === 'presence'), ['presence']);
  document.watchPresence(false);
  rig.say({ type: 'participants_left', document: 'doc', version: at(2), participants: [{ id: CLIENT, subject: 'alice' }] });
  assert.deepEqual(rig.told('participants').map(({ what, participants }) => [what, participants[0]?.subject]), [['present', 'alice']]);
});

test('a snapshot goes out when it is due, at its position, with the anchors', () => {
  const rig = new Rig();
  rig.connect();
  const document = rig.join();
  const snapshot = { position: position(3), contentType: 'application/json', payload: Payload.json({ text: 'abc' }) };
  assert.equal(document.putSnapshot(snapshot, undefined), false, 'nothing goes out before the join is answered');
  rig.joined(at(3));
  rig.sent();
  rig.say({ type: 'snapshot_due', document: 'doc', position: at(3) });
  assert.equal(rig.told('snapshot_due').length, 1);
  assert.equal(document.putSnapshot(snapshot, { c1: { start: 1, end: 2 }, c2: 'orphaned' }), true);
  rig.settle();
  assert.deepEqual(rig.sent(), [{
    type: 'put_snapshot', document: 'doc', position: at(3), content_type: 'application/json',
    anchors: { c1: { start: 1, end: 2 }, c2: 'orphaned' }, payload: { text: 'abc' },
  }]);
  rig.say({ type: 'snapshot_put', document: 'doc', position: at(3) });
  assert.equal(rig.told('snapshot_put')[0]?.position.seq, 3);
});

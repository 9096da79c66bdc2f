// Many authors on one log that is cut, forked, trimmed, deleted and snapshotted, by seeds: all texts are
// the same in the end, and every word that somebody typed and nobody deleted is there once.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ChangeSet, Text } from '@codemirror/state';

import { Draft } from '../src/codemirror/draft.js';
import { difference, textOf, type Edit, type TextAt } from '../src/codemirror/edit.js';
import type { ResetCause } from '../src/core/packets.js';
import type { Position } from '../src/core/position.js';

interface Logged { readonly position: Position; readonly author: number; readonly number: number; readonly edit: Edit | undefined }

function random(seed: number): (below: number) => number {
  let state = seed + 0x9e3779b9;
  return (below) => {
    state = Math.imul(state ^ (state >>> 15), state | 1);
    state ^= state + Math.imul(state ^ (state >>> 7), state | 61);
    return ((state ^ (state >>> 14)) >>> 0) % below;
  };
}

function hashOf(...parts: unknown[]): string {
  let [a, b] = [0x811c9dc5, 0x12345678];
  for (const unit of JSON.stringify(parts)) {
    a = Math.imul(a ^ unit.charCodeAt(0), 0x01000193) >>> 0;
    b = Math.imul(b ^ unit.charCodeAt(0), 0x85ebca6b) >>> 0;
  }
  return a.toString(16).padStart(8, '0') + b.toString(16).padStart(8, '0');
}

/** The gateway: one log, which may go back. */
class Log {
  identity = 1;
  entries: Logged[] = [];
  snapshot: { position: Position; content: TextAt } | undefined;
  /** How often it went back: nobody writes before they have read it again. */
  generation = 0;
  /** The last number of each author. */
  rows = new Map<number, number>();

  get head(): Position {
    return this.entries.at(-1)?.position ?? this.snapshot?.position ?? this.start;
  }

  get start(): Position {
    return { seq: 0, hash: hashOf(this.identity) };
  }

  append(author: number, number: number, edit: Edit | undefined): void {
    if (number !== (this.rows.get(author) ?? 0) + 1) return;
    const { seq, hash } = this.head;
    const position = { seq: seq + 1, hash: hashOf(hash, author, number, edit) };
    this.entries.push({ position, author, number, edit });
    this.rows.set(author, number);
  }

  /** A failover to a copy that has fewer entries. */
  forget(count: number): void {
    this.generation += 1;
    const kept = this.entries.filter(({ position }) => !this.snapshot || position.seq > this.snapshot.position.seq).length;
    this.entries.splice(this.entries.length - Math.min(count, kept));
    this.rows = new Map();
    for (const { author, number } of this.all()) this.rows.set(author, number);
  }

  #trimmed: Logged[] = [];
  all(): Logged[] {
    return [...this.#trimmed, ...this.entries];
  }

  trim(): void {
    const { snapshot } = this;
    if (!snapshot) return;
    this.#trimmed.push(...this.entries.filter(({ position }) => position.seq <= snapshot.position.seq));
    this.entries = this.entries.filter(({ position }) => position.seq > snapshot.position.seq);
  }

  delete(): void {
    this.generation += 1;
    this.identity += 1;
    this.entries = [];
    this.#trimmed = [];
    this.snapshot = undefined;
  }
}

/** One author, and what the client library does for it. */
class Author {
  readonly draft = new Draft();
  view = Text.empty;
  isOnline = true;
  /** Everything that was ever sent and is still held, by its number. */
  readonly held: { number: number; edit: Edit | undefined }[] = [];
  acknowledged = 0;
  #next = 1;
  #since: Position | undefined;

  constructor(readonly id: number, readonly log: Log) {}

  type(changes: ChangeSet): void {
    this.view = changes.apply(this.view);
    this.draft.typed(changes);
    assert.ok(this.draft.text.eq(this.view), 'what is typed is seen');
  }

  /** Reads what there is, resuming exactly or by a reset; then learns its row and writes. */
  exchange(readAtMost = Infinity): void {
    if (!this.isOnline) return;
    if (!this.#isIn(this.log)) this.#reset();
    const from = this.#since?.seq ?? 0;
    const news = this.log.entries.filter(({ position }) => position.seq > from);
    const isWhole = news.length <= readAtMost;
    for (const { position, author, edit, number } of news.slice(0, readAtMost)) {
      this.#show(this.draft.read(position, edit, author === this.id, String(author)));
      this.#since = position;
      if (author === this.id) this.acknowledged = Math.max(this.acknowledged, number);
    }
    if (!isWhole) return;
    this.#generation = this.log.generation;
    this.#since ??= this.log.start;
    this.#heal();
    const row = this.log.rows.get(this.id) ?? 0;
    const flying = this.held.find(({ edit }) => edit && this.draft.isWaitingFor(edit));
    this.#show(this.draft.joined(String(this.id), flying !== undefined && flying.number <= row));
    // Everything was read, and it did not come.
    if (flying?.edit && flying.number <= row && this.draft.isWaitingFor(flying.edit)) this.draft.unsent();
    const edit = this.draft.next();
    if (edit) this.held.push({ number: this.#next++, edit });
  }

  /** What is sent may be lost on the way, or arrive without an answer. */
  send(): void {
    if (!this.isOnline || this.#generation !== this.log.generation) return;
    for (const { number, edit } of this.held) this.log.append(this.id, number, edit);
  }

  #heal(): void {
    const row = this.log.rows.get(this.id) ?? 0;
    for (const entry of this.held) {
      if (entry.number > row && entry.number <= this.acknowledged && entry.edit && !this.draft.isWaitingFor(entry.edit)) {
        this.draft.isGone(entry.edit);
        entry.edit = undefined;
      }
    }
    this.acknowledged = Math.min(this.acknowledged, row);
  }

  #isIn(log: Log): boolean {
    const since = this.#since;
    if (!since) return !log.snapshot;
    if (log.snapshot && since.seq < log.snapshot.position.seq) return false;
    if (since.seq === 0) return since.hash === log.start.hash;
    const same = log.entries.find(({ position }) => position.seq === since.seq)?.position ?? log.snapshot?.position;
    return same?.seq === since.seq && same.hash === since.hash;
  }

  #identity = 1;
  #generation = 0;
  #reset(): void {
    const { snapshot } = this.log;
    const cause: ResetCause | undefined = this.#since === undefined ? undefined
      : this.#identity !== this.log.identity ? 'deleted'
        : snapshot && this.#since.seq < snapshot.position.seq ? 'trimmed' : 'diverged';
    if (cause === 'deleted') for (const entry of this.held) if (entry.number <= this.acknowledged) entry.edit = undefined;
    this.#identity = this.log.identity;
    this.#since = snapshot?.position ?? this.log.start;
    this.draft.reset(cause, this.#since, snapshot?.content);
  }

  #show(changes: ChangeSet | undefined): void {
    if (changes) this.view = changes.apply(this.view);
    if (!this.draft.isReplaying) assert.ok(this.draft.text.eq(this.view), 'the view is the draft');
  }
}

/** What may happen in a schedule. */
interface Faults { readonly forks: boolean; readonly trims: boolean; readonly deletions: boolean }

function play(seed: number, faults: Faults): { typed: number; resets: number } {
  const below = random(seed);
  const log = new Log();
  const authors = Array.from({ length: 2 + below(3) }, (_, id) => new Author(id, log));
  const words = new Set<string>();
  const atRisk = new Set<string>();
  let [resets, drawn] = [0, 0];
  const type = (author: Author): void => {
    const text = author.view.toString();
    const word = `<${author.id}.${drawn++}> `;
    const gaps = [...text].map((_, at) => at).filter((at) => at === 0 || text[at - 1] === ' ' || text[at - 1] === '\n');
    const at = below(3) === 0 ? text.length : (gaps[below(Math.max(1, gaps.length))] ?? 0);
    author.type(ChangeSet.of({ from: at, insert: textOf(below(6) === 0 ? `${word}\n` : word) }, text.length));
    words.add(word);
  };
  const erase = (author: Author): void => {
    const all = [...author.view.toString().matchAll(/<\d+\.\d+> /g)];
    const found = all[below(Math.max(1, all.length))];
    if (!found) return;
    author.type(ChangeSet.of({ from: found.index, to: found.index + found[0].length }, author.view.length));
    words.delete(found[0]);
    atRisk.add(found[0]);
  };
  for (let step = 0; step < 120; step += 1) {
    const author = authors[below(authors.length)];
    if (!author) continue;
    const what = below(40);
    if (what < 12) type(author);
    else if (what < 14) erase(author);
    else if (what < 24) author.exchange(below(5) === 0 ? below(4) : Infinity);
    else if (what < 33) author.send();
    else if (what < 35) author.isOnline = !author.isOnline;
    else if (what === 35 && faults.forks) {
      log.forget(1 + below(6));
      resets += 1;
    } else if (what === 36 && faults.trims && !author.draft.isReplaying) {
      author.exchange();
      const { position, snapshot } = author.draft.history;
      const isThere = position && log.entries.some((entry) => entry.position.seq === position.seq && entry.position.hash === position.hash);
      if (isThere) {
        log.snapshot = { position, content: snapshot };
        log.trim();
        resets += 1;
      }
    } else if (what === 37 && faults.deletions && below(4) === 0) {
      for (const each of authors) if (each.draft.isInFlight) each.send(), each.isOnline && each.exchange();
      for (const word of words) atRisk.add(word);
      words.clear();
      log.delete();
      resets += 1;
    }
  }
  for (let round = 0; round < 400; round += 1) {
    for (const author of authors) {
      author.isOnline = true;
      author.exchange();
      author.send();
    }
    if (authors.every(({ draft }) => draft.isConfirmed)) break;
  }
  for (const author of authors) author.exchange();
  const text = authors[0]?.view.toString() ?? '';
  for (const author of authors) {
    assert.ok(author.draft.isConfirmed, `seed ${seed}: all is written`);
    assert.equal(author.view.toString(), text, `seed ${seed}: one text`);
    assert.ok(author.draft.history.text.eq(author.view), `seed ${seed}: the text is the log's`);
  }
  for (const word of words) assert.equal(text.split(word).length - 1, 1, `seed ${seed}: ${word} is there once`);
  // Nothing else came about: each word is whole, and was typed by somebody.
  const rest = text.replaceAll(/<\d+\.\d+> /g, (word) => (words.has(word) || atRisk.has(word) ? '' : word)).replaceAll('\n', '');
  assert.equal(rest, '', `seed ${seed}: only what was typed`);
  return { typed: words.size, resets };
}

const SCHEDULES = Number(process.env['INKWIRE_SCHEDULES'] ?? 300);
for (const [name, faults] of Object.entries({
  'late edits and cut links': { forks: false, trims: false, deletions: false },
  'lost tails': { forks: true, trims: false, deletions: false },
  'snapshots and trimming': { forks: false, trims: true, deletions: false },
  'deletion': { forks: false, trims: false, deletions: true },
  'lost tails and snapshots': { forks: true, trims: true, deletions: false },
})) {
  test(`several authors make one text: ${name}`, () => {
    let [typed, resets] = [0, 0];
    for (let seed = 0; seed < SCHEDULES; seed += 1) {
      const done = play(seed, faults);
      typed += done.typed;
      resets += done.resets;
    }
    assert.ok(typed > SCHEDULES * 10, `${typed} words`);
    if (name !== 'late edits and cut links') assert.ok(resets > SCHEDULES / 10, `${resets} resets`);
  });
}

test('a difference keeps what is the same, and whole characters', () => {
  const changes = difference(textOf('a👍b'), textOf('a👎b'));
  assert.equal(changes.apply(textOf('a👍b')).toString(), 'a👎b');
  assert.deepEqual(changes.toJSON(), [1, [2, '👎'], 1]);
});

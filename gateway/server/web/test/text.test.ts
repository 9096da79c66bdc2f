import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Draft, type DraftEntry } from '../src/text/draft.js';
import { applyEdit, compose, difference, editOf, movePlace, transform, type Edit, type Patch } from '../src/text/edit.js';
import { LogText } from '../src/text/log-text.js';

function generator(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const LETTERS = [...'abcdefg한글👍é\n'];

function randomPatch(length: number, random: () => number): Patch {
  const at = Math.floor(random() * (length + 1));
  const deleted = random() < 0.4 ? Math.floor(random() * Math.min(5, length - at + 1)) : 0;
  const inserted = Array.from({ length: Math.floor(random() * 4) }, () => LETTERS[Math.floor(random() * LETTERS.length)]).join('');
  return [at, deleted, inserted];
}

function applied(text: string, ...edits: Edit[]): string {
  const chars = [...text];
  for (const edit of edits) applyEdit(chars, edit);
  return chars.join('');
}

test('replacements one after the other are one edit', () => {
  assert.deepEqual(editOf([[0, 0, 'ab'], [1, 1, 'c'], [2, 0, 'd']]), ['acd']);
  assert.equal(applied('한글👍', editOf([[2, 1, '!'], [0, 1, '']])), '글!');
});

test('composed and transformed edits agree with edits applied in turn', () => {
  const random = generator(1);
  for (let round = 0; round < 5_000; round += 1) {
    const text = Array.from({ length: Math.floor(random() * 12) }, () => LETTERS[Math.floor(random() * LETTERS.length)]).join('');
    const length = [...text].length;
    const a = editOf([randomPatch(length, random)]);
    const afterA = [...applied(text, a)].length;
    const a2 = compose(a, editOf([randomPatch(afterA, random)]));
    const b = compose(editOf([randomPatch(length, random)]), []);
    const [left, right] = transform(a2, b);
    assert.equal(applied(text, a2, right), applied(text, b, left), JSON.stringify([text, a2, b]));
  }
});

test('the first of two insertions at one place comes first', () => {
  const [, second] = transform(['x'], ['y']);
  assert.equal(applied('', ['x'], second), 'xy');
});

test('the difference is one replacement of whole code points', () => {
  assert.equal(difference([...'same'], [...'same']), undefined);
  assert.deepEqual(difference([...'a👍b'], [...'a👎b']), [1, 1, '👎']);
  assert.deepEqual(difference([...'하'], [...'한']), [0, 1, '한']);
  assert.deepEqual(difference([...'aa'], [...'aaa']), [2, 0, 'a']);
});

test('places move with the text around them', () => {
  assert.equal(movePlace(3, ['ab'], true), 5);
  assert.equal(movePlace(3, [3, 'ab'], false), 3);
  assert.equal(movePlace(3, [3, 'ab'], true), 5);
  assert.equal(movePlace(3, [1, -5], true), 1);
  assert.equal(movePlace(3, [4, -5, 'x'], true), 3);
});

test('an entry that is no edit changes nothing', () => {
  const log = new LogText();
  const values = [null, 1, 'x', {}, { patches: 1 }, { patches: [[0, 0]] }, [[0, -1, 'x']], [[0.5, 0, 'x']], [[9, 9, 'far']], { base: '7-bad', patches: [[0, 0, 'x\r']] }];
  values.forEach((value, index) => log.read({ seq: index + 1, position: `${index + 1}-p`, client: 'c', value }));
  assert.equal(log.toString(), 'x\nfar');
});

/** Writers that type at once, over links of random lag, into one log; readers that only have the log. */
test('all converge on one text, whatever the lag', () => {
  for (let seed = 1; seed <= 300; seed += 1) {
    const random = generator(seed);
    const log: { client: string; id: number; value: unknown }[] = [];
    const writers = Array.from({ length: 2 + Math.floor(random() * 3) }, (_, index) => ({
      client: `c${index}`, draft: new Draft(), read: 0, ids: 0, uplink: [] as { id: number; value: unknown }[],
    }));
    const entryAt = (index: number, client: string): DraftEntry => {
      const entry = log[index];
      assert.ok(entry);
      return {
        seq: index + 1, position: `${index + 1}-h`, client: entry.client,
        value: JSON.parse(JSON.stringify(entry.value)) as unknown, own: entry.client === client ? entry.id : undefined,
      };
    };
    for (const writer of writers) writer.draft.start('0-h');
    for (let step = 0; step < 400; step += 1) {
      const writer = writers[Math.floor(random() * writers.length)];
      assert.ok(writer);
      const k = random();
      if (k < 0.35 && step < 300) {
        const text = [...writer.draft.codePoints];
        applyEdit(text, editOf([randomPatch(text.length, random)]));
        writer.draft.write(text.join(''), (value) => {
          writer.uplink.push({ id: (writer.ids += 1), value });
          return writer.ids;
        });
      } else if (k < 0.6) {
        const sent = writer.uplink.shift();
        if (sent) log.push({ client: writer.client, ...sent });
      } else if (writer.read < log.length) {
        const before = writer.draft.toString();
        const edit = writer.draft.read(entryAt(writer.read, writer.client));
        writer.read += 1;
        assert.equal(applied(before, edit), writer.draft.toString(), 'the change that is told is the change');
      }
    }
    for (const writer of writers) for (const sent of writer.uplink.splice(0)) log.push({ client: writer.client, ...sent });
    const reader = new LogText();
    log.forEach((_, index) => reader.read(entryAt(index, '')));
    for (const writer of writers) {
      while (writer.read < log.length) writer.draft.read(entryAt(writer.read++, writer.client));
      assert.equal(writer.draft.pending, 0);
      assert.equal(writer.draft.toString(), reader.toString(), `seed ${seed}, ${writer.client}`);
    }
  }
});

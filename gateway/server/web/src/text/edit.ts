// An edit walks a text from its start: a positive number keeps so many characters, a negative one
// deletes them, a string is inserted; what is left is kept. Characters are Unicode code points.
//
// `transform` is what makes concurrent edits converge: text · a · b' = text · b · a', whatever the text.

export type Edit = readonly (number | string)[];

/** A replacement: at this place, delete so many characters, insert these. */
export type Patch = readonly [at: number, deleted: number, inserted: string];

/** The edit that does these replacements one after the other. */
export function editOf(patches: readonly Patch[]): Edit {
  return patches.map(([at, deleted, inserted]) => build([at, -deleted, inserted])).reduce(compose, []);
}

/** First `a`, then `b`. */
export function compose(a: Edit, b: Edit): Edit {
  const left = new Walk(a);
  const right = new Walk(b);
  const made: (number | string)[] = [];
  while (!left.isDone || !right.isDone) {
    const x = left.peek;
    const y = right.peek;
    if (typeof x === 'number' && x < 0) made.push(left.take(-x));
    else if (typeof y === 'string') made.push(right.take(Infinity));
    else {
      const length = Math.min(left.length, right.length);
      if (length === Infinity) break;
      const kept = left.take(length);
      const fate = right.take(length) as number;
      if (fate > 0) made.push(kept);
      else if (typeof kept === 'number') made.push(fate);
      // An insertion that is deleted again leaves nothing.
    }
  }
  return build(made);
}

/**
 * Two edits of one text, each made to follow the other. At one and the same place what `first`
 * inserts comes before what `second` inserts.
 */
export function transform(first: Edit, second: Edit): [first: Edit, second: Edit] {
  const left = new Walk(first);
  const right = new Walk(second);
  const ofFirst: (number | string)[] = [];
  const ofSecond: (number | string)[] = [];
  while (!left.isDone || !right.isDone) {
    const x = left.peek;
    const y = right.peek;
    if (typeof x === 'string') {
      ofSecond.push(left.length);
      ofFirst.push(left.take(Infinity));
    } else if (typeof y === 'string') {
      ofFirst.push(right.length);
      ofSecond.push(right.take(Infinity));
    } else {
      const length = Math.min(left.length, right.length);
      if (length === Infinity) break;
      const a = left.take(length) as number;
      const b = right.take(length) as number;
      // What both delete is gone already for each of them.
      if (a > 0 && b > 0) {
        ofFirst.push(a);
        ofSecond.push(b);
      } else if (a < 0 && b > 0) ofFirst.push(a);
      else if (a > 0 && b < 0) ofSecond.push(b);
    }
  }
  return [build(ofFirst), build(ofSecond)];
}

/** Changes the text, in place. What lies behind its end is cut off. */
export function applyEdit(text: string[], edit: Edit): void {
  let at = 0;
  for (const part of edit) {
    if (typeof part === 'string') {
      const inserted = [...part];
      at = Math.min(at, text.length);
      insert(text, at, inserted);
      at += inserted.length;
    } else if (part > 0) at += part;
    else text.splice(at, -part);
  }
}

/** Where a place in the text is after the edit. What is inserted right there comes before it if `isPushed`. */
export function movePlace(place: number, edit: Edit, isPushed: boolean): number {
  let at = 0;
  for (const part of edit) {
    if (at > place) break;
    if (typeof part === 'string') {
      const length = codePoints(part);
      if (at < place || isPushed) place += length;
      at += length;
    } else if (part > 0) at += part;
    else place -= Math.min(-part, Math.max(0, place - at));
  }
  return place;
}

/** The one replacement that makes `after` of `before`; none if they are equal. */
export function difference(before: readonly string[], after: readonly string[]): Patch | undefined {
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && before[start] === after[start]) start += 1;
  let end = 0;
  while (end < shorter - start && before[before.length - 1 - end] === after[after.length - 1 - end]) end += 1;
  const deleted = before.length - start - end;
  const inserted = after.slice(start, after.length - end).join('');
  return deleted === 0 && inserted === '' ? undefined : [start, deleted, inserted];
}

export function codePoints(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

function insert(text: string[], at: number, inserted: readonly string[]): void {
  // Arguments stand on the stack: not too many at once.
  for (let from = 0; from < inserted.length; from += 10_000) {
    text.splice(at + from, 0, ...inserted.slice(from, from + 10_000));
  }
}

/** The shortest way to write it: neighbours joined, nothing empty, no keeping at the end. */
function build(parts: readonly (number | string)[]): Edit {
  const made: (number | string)[] = [];
  for (const part of parts) {
    if (part === 0 || part === '') continue;
    const last = made[made.length - 1];
    if (typeof part === 'string' && typeof last === 'string') made[made.length - 1] = last + part;
    else if (typeof part === 'number' && typeof last === 'number' && part > 0 === last > 0) made[made.length - 1] = last + part;
    else made.push(part);
  }
  const last = made[made.length - 1];
  if (typeof last === 'number' && last > 0) made.pop();
  return made;
}

/** Reads an edit piece by piece; behind its end everything is kept. */
class Walk {
  readonly #parts: Edit;
  #index = 0;
  /** How much of the present part was taken. */
  #taken = 0;

  constructor(parts: Edit) {
    this.#parts = parts;
  }

  get isDone(): boolean {
    return this.#index >= this.#parts.length;
  }

  get peek(): number | string {
    return this.#parts[this.#index] ?? Infinity;
  }

  /** How many characters the rest of the present part is about. */
  get length(): number {
    const part = this.peek;
    return (typeof part === 'string' ? codePoints(part) : Math.abs(part)) - this.#taken;
  }

  /** So much of the present part, or all of it. */
  take(length: number): number | string {
    const part = this.peek;
    const whole = this.length;
    const from = this.#taken;
    if (length >= whole) {
      this.#index += 1;
      this.#taken = 0;
    } else this.#taken += length;
    const count = Math.min(length, whole);
    if (typeof part === 'string') return from === 0 && count === whole ? part : [...part].slice(from, from + count).join('');
    return part < 0 ? -count : count;
  }
}

// The text is a pure function of the log: whoever has read the same entries has the same text.
//
// An entry is `{base, patches}`: replacements made on the text as it stood at `base`, with all the
// same client's earlier edits on top. It is moved over what others wrote since. A bare list of
// replacements is taken as it is, where it stands in the log. Anything else changes nothing.

import { applyEdit, editOf, transform, type Edit, type Patch } from './edit.js';

export interface TextEntry {
  readonly seq: number;
  /** The position's token. */
  readonly position: string;
  readonly client: string;
  /** The payload, if it is a JSON value. */
  readonly value: unknown;
}

interface Foreign {
  readonly seq: number;
  edit: Edit;
}

interface Writer {
  /** Its last entry. */
  readonly seq: number;
  /** What others wrote that it had not read then, moved over its own edits. */
  readonly unread: readonly Foreign[];
}

export class LogText {
  readonly #text: string[] = [];
  /** One for each entry, from the first that was read. */
  readonly #edits: Edit[] = [];
  readonly #positions: string[] = [];
  readonly #writers = new Map<string, Writer>();
  #first = 1;

  /** The text's code points. Only `read` changes them. */
  get codePoints(): readonly string[] {
    return this.#text;
  }

  toString(): string {
    return this.#text.join('');
  }

  /** Reads the next entry; returns the edit that it is on the text as it stood. */
  read(entry: TextEntry): Edit {
    if (this.#edits.length === 0) this.#first = entry.seq;
    const written = parse(entry.value);
    const edit = written ? this.#place(entry, written) : [];
    applyEdit(this.#text, edit);
    this.#edits.push(edit);
    this.#positions.push(entry.position);
    return edit;
  }

  /** Moves a new edit over what its writer had not read. */
  #place(entry: TextEntry, written: Written): Edit {
    const base = this.#baseSeq(entry, written.base);
    const writer = this.#writers.get(entry.client);
    const unread = (writer?.unread ?? []).filter((foreign) => foreign.seq > base).map((foreign) => ({ ...foreign }));
    for (let seq = Math.max(base, writer?.seq ?? 0, this.#first - 1) + 1; seq < entry.seq; seq += 1) {
      unread.push({ seq, edit: this.#edits[seq - this.#first] ?? [] });
    }
    let edit = editOf(written.patches);
    for (const foreign of unread) [foreign.edit, edit] = transform(foreign.edit, edit);
    this.#writers.set(entry.client, { seq: entry.seq, unread });
    return edit;
  }

  /** A base of another history says nothing here: the edit is then taken as it is. */
  #baseSeq(entry: TextEntry, base: string | undefined): number {
    const seq = base === undefined ? NaN : Number.parseInt(base, 10);
    if (seq === 0) return 0;
    return base !== undefined && this.#positions[seq - this.#first] === base ? seq : entry.seq - 1;
  }
}

interface Written {
  readonly base: string | undefined;
  readonly patches: readonly Patch[];
}

function parse(value: unknown): Written | undefined {
  if (Array.isArray(value)) return parsePatches(undefined, value);
  if (typeof value !== 'object' || value === null) return undefined;
  const { base, patches } = value as { base?: unknown; patches?: unknown };
  return Array.isArray(patches) ? parsePatches(typeof base === 'string' ? base : undefined, patches) : undefined;
}

function parsePatches(base: string | undefined, values: readonly unknown[]): Written | undefined {
  const patches: Patch[] = [];
  for (const value of values) {
    if (!Array.isArray(value)) return undefined;
    const [at, deleted, inserted] = value as unknown[];
    if (!isCount(at) || !isCount(deleted) || typeof inserted !== 'string') return undefined;
    // A text area shows every end of a line as \n: the text has no other.
    patches.push([at, deleted, inserted.replace(/\r/g, '\n')]);
  }
  return { base, patches };
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

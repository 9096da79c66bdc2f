// The text that the log says, and how it came to be so: places of any known position can be followed
// to the present.

import { ChangeSet, Text, type ChangeDesc } from '@codemirror/state';

import { isSamePosition, formatPosition, type Position } from '../core/position.js';
import { changesOf, type Edit, type TextAt } from './edit.js';

/** Effective edits whose content is kept, to bring back what a fork takes. */
const CONTENT_MAX = 4_096;
/** Clients whose last effective edit is told in snapshots. */
const CLIENTS_MAX = 256;

export interface EffectiveEdit {
  readonly position: Position;
  readonly changes: ChangeSet;
  /** Tells this author's edits from one another; `undefined` for those of others. */
  readonly own: string | undefined;
}

export class History {
  #text: Text;
  #effective: string | null;
  #position: Position | undefined;
  /** The hash of each entry since `#firstSeq`, and how many edits had taken effect by then. */
  readonly #entries: { readonly hash: string; readonly edits: number }[] = [];
  readonly #firstSeq: number;
  readonly #mappings: ChangeDesc[] = [];
  #floor: Text;
  /** The effective edits since `#floor`. */
  #edits: EffectiveEdit[] = [];
  #folded = 0;
  #length: number;
  readonly #last: Map<string, string | null>;

  /** From the log's beginning, or from a snapshot. */
  constructor(readonly start: Position | undefined, readonly startText: Text = Text.empty, effective: string | null = null, last: TextAt['last'] = {}) {
    this.#last = new Map(Object.entries(last));
    this.#position = start;
    this.#text = this.#floor = startText;
    this.#effective = effective;
    this.#length = startText.length;
    this.#firstSeq = start?.seq ?? 0;
    this.#entries.push({ hash: start?.hash ?? '', edits: 0 });
  }

  get text(): Text {
    return this.#text;
  }

  /** The position of the last effective edit, as edits name it. */
  get effective(): string | null {
    return this.#effective;
  }

  /** The base of the last effective edit of a client; `undefined` if there is none, or it is not known. */
  lastOf(client: string): string | null | undefined {
    return this.#last.get(client);
  }

  /** The text as a snapshot has it. */
  get snapshot(): TextAt {
    return { text: this.#text.toString(), effective: this.#effective, last: Object.fromEntries(this.#last) };
  }

  /** How far the log was read. */
  get position(): Position | undefined {
    return this.#position;
  }

  get edits(): readonly EffectiveEdit[] {
    return this.#edits;
  }

  /** The text before the first of `edits`. */
  get floor(): Text {
    return this.#floor;
  }

  /** How many effective edits came before `edits`. */
  get folded(): number {
    return this.#folded;
  }

  /** Reads the next entry. What it changes, if it takes effect. */
  read(position: Position, edit: Edit | undefined, own: string | undefined, client: string): ChangeSet | undefined {
    const changes = edit && edit.base === this.#effective ? changesOf(edit, this.#length) : undefined;
    this.#position = position;
    if (edit && changes) {
      this.#last.delete(client);
      this.#last.set(client, edit.base);
      for (const oldest of this.#last.size > CLIENTS_MAX ? [...this.#last.keys()].slice(0, 1) : []) this.#last.delete(oldest);
      this.#text = changes.apply(this.#text);
      this.#length = this.#text.length;
      this.#effective = formatPosition(position);
      this.#mappings.push(changes.desc);
      this.#edits.push({ position, changes, own });
      if (this.#edits.length > 2 * CONTENT_MAX) this.#fold();
    }
    this.#entries.push({ hash: position.hash, edits: this.#mappings.length });
    return changes;
  }

  /** How many edits had taken effect at this position; `undefined` if it is not in this history. */
  editsAt(position: Position): number | undefined {
    const entry = this.#entries[position.seq - this.#firstSeq];
    if (!entry) return undefined;
    // The hash of the log's beginning is not told to a first join.
    const isStart = position.seq === 0 && entry.hash === '';
    return isStart || entry.hash === position.hash ? entry.edits : undefined;
  }

  /** Where a place of that position is now; `undefined` if the position is not in this history. */
  follow(position: Position, offset: number, side: -1 | 1): number | undefined {
    const from = this.editsAt(position);
    if (from === undefined) return undefined;
    let at = offset;
    for (let index = from; index < this.#mappings.length; index += 1) {
      const mapping = this.#mappings[index];
      if (!mapping || at > mapping.length) return undefined;
      at = mapping.mapPos(at, side);
    }
    return at <= this.#length ? at : undefined;
  }

  /** The last effective edit that `other` holds too: how many edits came up to it; `undefined` if none is known. */
  meets(other: History): number | undefined {
    const known = new Map(other.edits.map(({ position }) => [position.seq, position]));
    for (let index = this.#edits.length - 1; index >= 0; index -= 1) {
      const edit = this.#edits[index];
      const same = edit && known.get(edit.position.seq);
      if (edit && same && isSamePosition(edit.position, same)) return this.#folded + index + 1;
    }
    if (other.start) {
      const at = this.editsAt(other.start);
      if (at !== undefined && at >= this.#folded) return at;
    }
    const bothBegin = this.#firstSeq === 0 && (other.start?.seq ?? 0) === 0 && this.#folded === 0;
    return bothBegin && this.startText.eq(other.startText) ? 0 : undefined;
  }

  /** The text after so many edits; it must not lie before `floor`. */
  textAfter(edits: number): Text {
    return this.#edits.slice(0, edits - this.#folded).reduce((text, { changes }) => changes.apply(text), this.#floor);
  }

  #fold(): void {
    const folded = this.#edits.splice(0, CONTENT_MAX);
    this.#floor = folded.reduce((text, { changes }) => changes.apply(text), this.#floor);
    this.#folded += folded.length;
  }
}

// What one author sees: the log's text with its own unconfirmed changes on top. At most one edit is in
// flight; what is typed meanwhile gathers. Nothing that was typed is ever dropped: an edit that took no
// effect, was refused or was lost by a fork is rebased and written again.

import { ChangeSet, type Text } from '@codemirror/state';

import type { ResetCause } from '../core/packets.js';
import type { Position } from '../core/position.js';
import { difference, halves, keyOf, textOf, type Edit, type TextAt } from './edit.js';
import { History } from './history.js';
import { wantedOf, type Step } from './own.js';

interface Former {
  readonly history: History;
  readonly cause: ResetCause | undefined;
}

export class Draft {
  #history = new History(undefined);
  #inFlight: { readonly key: string; readonly base: string | null; readonly changes: ChangeSet } | undefined;
  #gathered: ChangeSet = ChangeSet.empty(0);
  /** The history that a reset declared void, until the new one is read to its end. */
  #former: Former | undefined;
  /** What became of the edit in flight while the new history is read. */
  #seen: 'effective' | 'void' | undefined;

  readonly #gone = new Set<string>();

  /** The log as far as it was read. */
  get history(): History {
    return this.#history;
  }

  /** Whether the log is being read anew: until `joined` the text stays as it was. */
  get isReplaying(): boolean {
    return this.#former !== undefined;
  }

  /** The author's text. */
  get text(): Text {
    return this.pending.apply((this.#former?.history ?? this.#history).text);
  }

  /** Everything that is not confirmed, as one change of the confirmed text. */
  get pending(): ChangeSet {
    return this.#inFlight ? this.#inFlight.changes.compose(this.#gathered) : this.#gathered;
  }

  /** Whether anything typed is not in the log yet. */
  get isConfirmed(): boolean {
    return this.#inFlight === undefined && this.#gathered.empty;
  }

  get isInFlight(): boolean {
    return this.#inFlight !== undefined;
  }

  /** The author changed its text. */
  typed(changes: ChangeSet): void {
    this.#gathered = this.#gathered.compose(changes);
  }

  /** What is to be written now. It counts as in flight. */
  next(): Edit | undefined {
    if (this.#inFlight || this.isReplaying || this.#gathered.empty) return undefined;
    return this.#send(this.#gathered);
  }

  /** The edit in flight is too large for the log: its first half instead, and the rest waits. */
  shorter(): Edit | undefined {
    const parts = this.#inFlight && halves(this.#inFlight.changes);
    if (!parts) return undefined;
    this.#gathered = parts[1].compose(this.#gathered);
    this.#inFlight = undefined;
    return this.#send(parts[0], this.#gathered);
  }

  #send(changes: ChangeSet, rest = ChangeSet.empty(changes.newLength)): Edit {
    const edit: Edit = { base: this.#history.effective, changes: changes.toJSON() };
    this.#inFlight = { key: keyOf(edit), base: edit.base, changes };
    this.#gathered = rest;
    return edit;
  }

  /** Whether this is the edit in flight. */
  isWaitingFor(edit: Edit): boolean {
    return this.#inFlight?.key === keyOf(edit);
  }

  /** The gateway says that an own edit, which was confirmed, is in the log no more. */
  isGone(edit: Edit): void {
    this.#gone.add(keyOf(edit));
  }

  /** The edit in flight will not come: it is written again, with what gathered. */
  unsent(): void {
    if (!this.#inFlight) return;
    this.#gathered = this.pending;
    this.#inFlight = undefined;
  }

  /** Reads the next entry of the log. What it changes in the author's text, if anything. */
  read(position: Position, edit: Edit | undefined, isMine: boolean, client: string): ChangeSet | undefined {
    const key = edit && isMine ? keyOf(edit) : undefined;
    const changes = this.#history.read(position, edit, key, client);
    const isInFlight = key !== undefined && key === this.#inFlight?.key;
    if (this.isReplaying) {
      if (isInFlight) this.#seen = changes ? 'effective' : 'void';
      return undefined;
    }
    if (isInFlight) return changes ? this.#confirmed(changes) : void this.unsent();
    return changes && this.#rebase(changes);
  }

  /** The edit in flight took effect, as the log words it. */
  #confirmed(changes: ChangeSet): ChangeSet | undefined {
    const believed = this.#inFlight?.changes;
    this.#inFlight = undefined;
    if (!believed || JSON.stringify(believed) === JSON.stringify(changes)) return undefined;
    // A fork came in between and took what it had been moved over.
    const before = this.#history.textAfter(this.#history.folded + this.#history.edits.length - 1);
    return this.#rebase(difference(believed.apply(before), this.#history.text));
  }

  /** Moves what is not confirmed over what others wrote. What that changes in the author's text. */
  #rebase(theirs: ChangeSet): ChangeSet {
    let over = theirs;
    if (this.#inFlight) {
      const { changes } = this.#inFlight;
      this.#inFlight = { ...this.#inFlight, changes: changes.map(over) };
      over = over.map(changes, true);
    }
    const gathered = this.#gathered;
    this.#gathered = gathered.map(over);
    return over.map(gathered, true);
  }

  /** What was read is void; the log is read anew, from this text on. */
  reset(cause: ResetCause | undefined, start: Position, content: TextAt | undefined): void {
    // A reset during a replay: what the author has still stands on the first one.
    this.#former = { history: this.#former?.history ?? this.#history, cause: this.#former?.cause === 'deleted' ? 'deleted' : cause };
    this.#seen = undefined;
    this.#history = new History(start, textOf(content?.text ?? ''), content?.effective ?? null, content?.last);
  }

  /**
   * The log was read to its end. `hasLanded`: the edit in flight, of this client, is in it, if
   * only before its present beginning. What that changes in the author's text.
   */
  joined(client?: string, hasLanded = false): ChangeSet | undefined {
    const former = this.#former;
    if (!former) return undefined;
    const before = this.text;
    if (client !== undefined) this.#seen ??= this.#outcomeBefore(former.cause, client, hasLanded);
    const carried = this.#carriedOver(former);
    const gathered = carried.pop() ?? ChangeSet.empty(this.#history.text.length);
    const sent = carried.reduce((all, changes) => all.compose(changes), ChangeSet.empty(this.#history.text.length));
    this.#former = undefined;
    this.#gone.clear();
    // What was lost goes with the edit in flight: that one has no effect, since its base went too.
    const isFlying = this.#inFlight !== undefined && this.#seen === undefined;
    this.#inFlight = isFlying && this.#inFlight ? { ...this.#inFlight, changes: sent } : undefined;
    this.#gathered = isFlying ? gathered : sent.compose(gathered);
    this.#seen = undefined;
    return difference(before, this.text);
  }

  /** What became of the edit in flight if its entry lies before the log's beginning: the snapshot tells. */
  #outcomeBefore(cause: ResetCause | undefined, client: string, hasLanded: boolean): 'effective' | 'void' | undefined {
    if (this.#inFlight && this.#history.lastOf(client) === this.#inFlight.base) return 'effective';
    // What diverged is sent again, or was read; what was deleted does not come back.
    if (!hasLanded || cause === 'diverged') return undefined;
    return cause === 'deleted' ? 'effective' : 'void';
  }

  /** The author's work that the new history does not hold, as changes of its text; last what gathered. */
  #carriedOver({ history, cause }: Former): ChangeSet[] {
    const now = this.#history;
    const met = cause === 'deleted' ? undefined : history.meets(now);
    const held = new Set(now.edits.map(({ own }) => own).filter((own) => own !== undefined));
    const lost = history.edits.map(({ own, position }, index) => {
      if (own === undefined || cause === 'deleted' || held.has(own)) return false;
      if (this.#gone.has(own)) return true;
      // Without a common point only what comes after the new beginning is sure not to be in it.
      return met === undefined ? position.seq > (now.start?.seq ?? 0) : history.folded + index >= met;
    });
    const firstLost = lost.indexOf(true);
    const from = Math.min(met ?? Infinity, history.folded + (firstLost < 0 ? history.edits.length : firstLost));
    const base = history.textAfter(from);
    const steps: Step[] = history.edits.slice(from - history.folded).map(({ changes }, index) =>
      ({ changes, isWanted: lost[from - history.folded + index] ?? false }));
    if (this.#inFlight) steps.push({ changes: this.#inFlight.changes, isWanted: this.#seen !== 'effective' });
    steps.push({ changes: this.#gathered, isWanted: true });
    const unrelated = cause === 'deleted'
      ? ChangeSet.of({ from: 0, to: base.length, insert: now.text }, base.length)
      : difference(base, now.text, true);
    let over = (from === met ? this.#since(history, met) : undefined) ?? unrelated;
    return wantedOf(base, steps).map((changes) => {
      const moved = changes.map(over);
      over = over.map(changes, true);
      return moved;
    });
  }

  /** What the new history did since the common point, if all of it is known. */
  #since(history: History, met: number): ChangeSet | undefined {
    const now = this.#history;
    const text = history.textAfter(met);
    let from: number | undefined = now.start && history.editsAt(now.start) === met ? 0 : undefined;
    const last = history.edits[met - history.folded - 1];
    const shared = last ? now.edits.findIndex(({ position }) => position.seq === last.position.seq && position.hash === last.position.hash) : -1;
    if (shared >= 0) from = now.folded + shared + 1;
    else if (met === 0) from = 0;
    if (from === undefined || from < now.folded) return undefined;
    const since = now.edits.slice(from - now.folded);
    if (since[0] && since[0].changes.length !== text.length) return undefined;
    return since.reduce((all, { changes }) => all.compose(changes), ChangeSet.empty(text.length));
  }
}

// What a writer sees: the log's text with its own edits on top that the log does not show yet.

import { applyEdit, difference, editOf, transform, type Edit } from './edit.js';
import { LogText, type TextEntry } from './log-text.js';

export interface DraftEntry extends TextEntry {
  /** The own edit that this entry is, by the id it was given. */
  readonly own: number | undefined;
}

interface Pending {
  readonly id: number;
  edit: Edit;
}

export class Draft {
  #log = new LogText();
  #pending: Pending[] = [];
  #visible: string[] = [];
  #base: string | undefined;

  get codePoints(): readonly string[] {
    return this.#visible;
  }

  get pending(): number {
    return this.#pending.length;
  }

  toString(): string {
    return this.#visible.join('');
  }

  /**
   * The text is now `text`: gives the change to `submit`, which says the id it goes by. False if
   * nothing changed.
   */
  write(text: string, submit: (payload: { base: string | undefined; patches: unknown[] }) => number): boolean {
    const after = [...text];
    const patch = difference(this.#visible, after);
    if (!patch) return false;
    const id = submit({ base: this.#base, patches: [patch] });
    this.#pending.push({ id, edit: editOf([patch]) });
    this.#visible = after;
    return true;
  }

  /** Reads the log's next entry; returns how the visible text changed. */
  read(entry: DraftEntry): Edit {
    let edit = this.#log.read(entry);
    this.#base = entry.position;
    if (entry.own !== undefined && this.#pending.some((pending) => pending.id === entry.own)) {
      const isNext = this.#pending[0]?.id === entry.own;
      this.#pending = this.#pending.filter((pending) => pending.id !== entry.own);
      // The next own edit, moved over the same entries as the log moved it: it is visible already.
      if (isNext) return [];
      return this.#show();
    }
    for (const pending of this.#pending) [edit, pending.edit] = transform(edit, pending.edit);
    applyEdit(this.#visible, edit);
    return edit;
  }

  /** Everything up to `position` was read; if that is nothing, this is where the log begins. */
  start(position: string): Edit {
    this.#base ??= position;
    return [];
  }

  /** Whether there is a place in the log to write from. */
  get isStarted(): boolean {
    return this.#base !== undefined;
  }

  /** These own edits will not be in the log. */
  drop(ids: readonly number[]): Edit {
    this.#pending = this.#pending.filter((pending) => !ids.includes(pending.id));
    return this.#show();
  }

  /** What was read so far is void. Own edits under way stay. */
  reset(position: string): Edit {
    this.#log = new LogText();
    this.#base = position;
    return this.#show();
  }

  #show(): Edit {
    const before = this.#visible;
    const text = [...this.#log.codePoints];
    for (const pending of this.#pending) applyEdit(text, pending.edit);
    this.#visible = text;
    const patch = difference(before, text);
    return patch ? editOf([patch]) : [];
  }
}

// The reviewer's pane: the log's text, and where its writers are.

import type { Document, Signal } from '@inkwire/client';

import { movePlace, type Edit } from '../text/edit.js';
import { LogText } from '../text/log-text.js';
import { CURSOR_KIND, parseCursor } from './cursor.js';
import { Frame } from './frame.js';
import { logEntry } from './log-entry.js';

/** A cursor is forgotten when nothing was heard of it for so long. */
const CURSOR_MS = 20_000;
const TYPING_MS = 1_200;

interface Cursor {
  readonly writer: string;
  start: number;
  end: number;
  typedAt: number;
  readonly heardAt: number;
}

export class ReviewerPane {
  readonly #sheet: HTMLElement;
  readonly #typing: (count: number) => void;
  readonly #cursors = new Map<string, Cursor>();
  readonly #frame = new Frame(() => this.#render());
  #text = new LogText();
  #refresh: ReturnType<typeof setTimeout> | undefined;

  /** `typing` hears how many writers type. */
  constructor(sheet: HTMLElement, document: Document, typing: (count: number) => void) {
    this.#sheet = sheet;
    this.#typing = typing;
    document.on('entry', (event) => {
      const entry = logEntry(event);
      this.#moveCursors(this.#text.read(entry), entry.client);
      this.#frame.ask();
    });
    document.on('reset', () => {
      this.#text = new LogText();
      this.#cursors.clear();
      this.#frame.ask();
    });
    document.on('signal', (signal) => this.#heard(signal));
  }

  #heard(signal: Signal): void {
    if (signal.kind !== CURSOR_KIND) return;
    let value: unknown;
    try {
      value = signal.payload.asJson();
    } catch {
      return;
    }
    const cursor = parseCursor(value);
    if (!cursor) return;
    const writer = `${signal.author} ${signal.client ?? ''}`;
    const now = performance.now();
    const typedAt = cursor.isTyping ? now : (this.#cursors.get(writer)?.typedAt ?? -Infinity);
    this.#cursors.set(writer, { writer, start: cursor.start, end: cursor.end, typedAt, heardAt: now });
    this.#frame.ask();
  }

  /** A writer's own edits are in the place that it told; the edits of others move it. */
  #moveCursors(edit: Edit, client: string): void {
    for (const cursor of this.#cursors.values()) {
      if (cursor.writer === client) continue;
      cursor.start = movePlace(cursor.start, edit, false);
      cursor.end = movePlace(cursor.end, edit, false);
    }
  }

  #render(): void {
    const now = performance.now();
    for (const cursor of [...this.#cursors.values()]) {
      if (now - cursor.heardAt > CURSOR_MS) this.#cursors.delete(cursor.writer);
    }
    const cursors = [...this.#cursors.values()].sort((a, b) => a.start - b.start || a.end - b.end);
    this.#draw(cursors);
    this.#typing(cursors.filter((cursor) => now - cursor.typedAt < TYPING_MS).length);
    clearTimeout(this.#refresh);
    if (cursors.length > 0) this.#refresh = setTimeout(() => this.#frame.ask(), TYPING_MS);
  }

  #draw(cursors: readonly Cursor[]): void {
    const text = this.#text.codePoints;
    const parts: Node[] = [];
    let at = 0;
    const until = (end: number): void => {
      if (end > at) parts.push(document.createTextNode(text.slice(at, end).join('')));
      at = Math.max(at, end);
    };
    for (const cursor of cursors) {
      const start = Math.min(Math.max(cursor.start, at), text.length);
      const end = Math.min(Math.max(cursor.end, start), text.length);
      until(start);
      if (end > start) parts.push(span('selection', text.slice(start, end).join('')));
      at = Math.max(at, end);
      parts.push(span('cursor', ''));
    }
    until(text.length);
    const { scrollTop, scrollHeight, clientHeight } = this.#sheet;
    const isAtEnd = scrollTop + clientHeight >= scrollHeight - 4;
    this.#sheet.replaceChildren(...parts);
    this.#sheet.scrollTop = isAtEnd ? this.#sheet.scrollHeight : scrollTop;
  }
}

function span(className: string, text: string): HTMLElement {
  const element = document.createElement('span');
  element.className = className;
  element.textContent = text;
  return element;
}

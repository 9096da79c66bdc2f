// Cursors are signals: where a writer is, and whether it types. The latest counts; none is kept.

import type { Document } from '@inkwire/client';

export const CURSOR_KIND = 'cursor';
/** At most one signal in this time; the last one is always sent. */
const TELL_EVERY_MS = 80;

export interface CursorSignal {
  /** The selection, in code points of the text that the writer sees. */
  readonly start: number;
  readonly end: number;
  readonly isTyping: boolean;
}

/** The writer's side: tells the cursor, not too often. */
export class CursorTeller {
  readonly #document: Document;
  #waiting: CursorSignal | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(document: Document) {
    this.#document = document;
  }

  tell(cursor: CursorSignal): void {
    this.#waiting = { ...cursor, isTyping: cursor.isTyping || (this.#waiting?.isTyping ?? false) };
    this.#timer ??= setTimeout(() => this.#send(), TELL_EVERY_MS);
  }

  #send(): void {
    this.#timer = undefined;
    const cursor = this.#waiting;
    this.#waiting = undefined;
    if (cursor) this.#document.signal(cursor, { kind: CURSOR_KIND });
  }
}

/** What came in, if it is a cursor. */
export function parseCursor(value: unknown): CursorSignal | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { start, end, isTyping } = value as Partial<Record<keyof CursorSignal, unknown>>;
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end)) return undefined;
  const [from, to] = [Number(start), Number(end)].sort((a, b) => a - b);
  return { start: Math.max(0, from ?? 0), end: Math.max(0, to ?? 0), isTyping: isTyping === true };
}

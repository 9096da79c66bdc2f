// The writer's pane: a text area whose changes become entries, and which shows what others write.
//
// What was typed is found by comparing texts, never from keys: so a composition (Korean, Japanese, an
// emoji picker) is taken as it grows. While one goes on nothing touches the text area, for that would
// break it: what the log brings waits until it ends, and so does the base of what is written.

import { AppendRefused, formatPosition, type Document } from '@inkwire/client';

import { Draft } from '../text/draft.js';
import { codePoints, movePlace, type Edit } from '../text/edit.js';
import { CursorTeller } from './cursor.js';
import { Frame } from './frame.js';
import { logEntry } from './log-entry.js';

export class WriterPane {
  readonly #area: HTMLTextAreaElement;
  readonly #document: Document;
  readonly #draft = new Draft();
  readonly #cursor: CursorTeller;
  readonly #frame = new Frame(() => this.#catchUp());
  /** What the log brought and the text area does not show yet. */
  #news: (() => Edit)[] = [];
  #isComposing = false;

  constructor(area: HTMLTextAreaElement, document: Document) {
    this.#area = area;
    this.#document = document;
    this.#cursor = new CursorTeller(document);
    area.addEventListener('input', () => this.#written());
    area.addEventListener('compositionstart', () => (this.#isComposing = true));
    area.addEventListener('compositionend', () => this.#composed());
    area.addEventListener('blur', () => this.#composed());
    area.ownerDocument.addEventListener('selectionchange', () => {
      if (area.ownerDocument.activeElement === area) this.#tellCursor(false);
    });
    document.on('entry', (entry) => this.#hear(() => this.#draft.read(logEntry(entry))));
    document.on('reset', ({ position }) => this.#hear(() => this.#draft.reset(formatPosition(position))));
    document.on('lost', ({ entries }) => this.#hear(() => this.#draft.drop(entries.map((own) => own.id))));
    document.on('nack', ({ own, isRetried }) => {
      if (own && !isRetried) this.#hear(() => this.#draft.drop([own.id]));
    });
    document.on('state', ({ phase, position }) => {
      if (phase === 'ended') area.readOnly = true;
      if (phase === 'joined' && position && area.disabled) {
        this.#hear(() => this.#draft.start(formatPosition(position)));
      }
    });
  }

  #hear(news: () => Edit): void {
    this.#news.push(news);
    this.#frame.ask();
  }

  /** Takes in what the log brought, and shows it. */
  #catchUp(): void {
    if (this.#isComposing) return;
    const edits = this.#news.splice(0).map((news) => news());
    this.#show(edits.filter((edit) => edit.length > 0));
    if (this.#draft.isStarted) this.#area.disabled = false;
  }

  #composed(): void {
    if (!this.#isComposing) return;
    this.#isComposing = false;
    this.#written();
    this.#frame.ask();
  }

  #written(): void {
    try {
      const isChanged = this.#draft.write(wellFormed(this.#area.value), (payload) => this.#document.append(payload));
      if (isChanged) this.#tellCursor(true);
    } catch (error) {
      if (!(error instanceof AppendRefused)) throw error;
      // It was not taken: the text area shows again what was.
      this.#show([]);
    }
  }

  /** Shows the draft; the selection stays at the text it was at. */
  #show(edits: readonly Edit[]): void {
    const area = this.#area;
    const shown = area.value;
    const text = this.#draft.toString();
    if (shown === text) return;
    const move = (units: number): number => {
      const place = edits.reduce((at, edit) => movePlace(at, edit, false), codePoints(shown.slice(0, units)));
      return this.#draft.codePoints.slice(0, place).join('').length;
    };
    const { scrollTop } = area;
    const [start, end] = [move(area.selectionStart), move(area.selectionEnd)];
    area.value = text;
    area.setSelectionRange(start, end);
    area.scrollTop = scrollTop;
  }

  #tellCursor(isTyping: boolean): void {
    const { value, selectionStart, selectionEnd } = this.#area;
    const place = (units: number): number => codePoints(value.slice(0, units));
    this.#cursor.tell({ start: place(selectionStart), end: place(selectionEnd), isTyping });
  }
}

/** Half a character, as some keyboards make it for a moment, has no place in a text. */
function wellFormed(text: string): string {
  return text.replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, '\ufffd');
}

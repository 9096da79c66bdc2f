// The text in a CodeMirror editor. The editor may lag behind the text by what others wrote, never by
// what its own user typed: while an input method composes, nothing near the composed text is touched.

import { Annotation, ChangeSet, StateEffect, Transaction, type Extension, type Range as CodeMirrorRange } from '@codemirror/state';
import { Decoration, EditorView, ViewPlugin, WidgetType, type DecorationSet, type ViewUpdate } from '@codemirror/view';

import type { Signal } from '../core/packets.js';
import { formatPosition, parsePosition, type Position } from '../core/position.js';
import type { Emitter } from '../emitter.js';
import type { Document } from '../document.js';
import { difference } from './edit.js';
import type { SharedText } from './shared-text.js';

/** Marks what others wrote. */
export const fromOthers = Annotation.define<boolean>();
const redraw = StateEffect.define<null>();

const SIGNAL_KIND = 'selection';
const TELL_EVERY_MS = 80;
const FRAME_MS = 16;
/** Told again while nothing changes, so that those who came later see it too. */
const REPEAT_MS = 10_000;
const FORGET_MS = 25_000;
const COLOURS = 6;

export interface EditorOptions {
  /** Whether this user's selection is told and others' are shown (default true). */
  readonly cursors?: boolean;
  /** How somebody is called (default: the subject). */
  readonly nameOf?: (subject: string) => string;
}

/** Where somebody is, in the confirmed text. */
interface RemoteSelection {
  readonly author: string;
  readonly at: Position;
  readonly anchor: number;
  readonly head: number;
  readonly heardAt: number;
}

class Caret extends WidgetType {
  constructor(readonly name: string, readonly colour: number) {
    super();
  }

  override eq(other: Caret): boolean {
    return other.name === this.name && other.colour === this.colour;
  }

  toDOM(): HTMLElement {
    const caret = document.createElement('span');
    caret.className = `ink-caret ink-colour-${this.colour}`;
    caret.setAttribute('aria-hidden', 'true');
    const name = caret.appendChild(document.createElement('span'));
    name.className = 'ink-caret-name';
    name.textContent = this.name;
    return caret;
  }

  override get lineBreaks(): number {
    return 0;
  }

  override ignoreEvent(): boolean {
    return true;
  }
}

/** A colour for a person, the same on every screen: 0 to 5. */
export function colourOf(subject: string): number {
  let sum = 7;
  for (const unit of subject) sum = (sum * 31 + (unit.codePointAt(0) ?? 0)) % 997;
  return sum % COLOURS;
}

class Binding {
  decorations: DecorationSet = Decoration.none;
  /** What the text has and the editor does not show yet. */
  #held: ChangeSet;
  readonly #view: EditorView;
  readonly #text: SharedText;
  readonly #options: EditorOptions;
  readonly #ends: (() => void)[];
  readonly #selections = new Map<string, RemoteSelection>();
  #flushTimer: ReturnType<typeof setTimeout> | undefined;
  #tellTimer: ReturnType<typeof setTimeout> | undefined;
  readonly #repeat: ReturnType<typeof setInterval> | undefined;
  #told = '';
  #wasFocused = false;

  constructor(view: EditorView, text: SharedText, options: EditorOptions) {
    this.#view = view;
    this.#text = text;
    this.#options = options;
    this.#held = difference(view.state.doc, text.doc);
    this.#ends = [
      text.on('change', (changes) => {
        this.#held = this.#held.compose(changes);
        this.#flushSoon();
      }),
      text.on('progress', () => {
        this.#flushSoon();
        this.#tellSoon();
      }),
    ];
    if (options.cursors ?? true) {
      const document: Document & Emitter<never> = text.document as never;
      this.#ends.push(document.on('signal', (signal) => this.#heard(signal)));
      this.#repeat = setInterval(() => {
        this.#told = '';
        this.#tell();
      }, REPEAT_MS);
    }
    this.#flushSoon();
  }

  update(update: ViewUpdate): void {
    for (const transaction of update.transactions) {
      if (!transaction.docChanged || transaction.annotation(fromOthers)) continue;
      const mine = transaction.changes.map(this.#held);
      this.#held = this.#held.map(transaction.changes, true);
      this.#text.typed(mine);
    }
    if (update.focusChanged) this.#wasFocused = true;
    if (update.docChanged || update.selectionSet || update.focusChanged) this.#tellSoon();
    const isAsked = update.transactions.some(({ effects }) => effects.some((effect) => effect.is(redraw)));
    if (isAsked || update.docChanged) this.decorations = this.#draw(update);
  }

  destroy(): void {
    for (const end of this.#ends) end();
    clearTimeout(this.#flushTimer);
    clearTimeout(this.#tellTimer);
    clearInterval(this.#repeat);
  }

  /** From the confirmed text to what the editor shows. */
  toEditor(at: number, side: -1 | 1): number {
    const { invertedDesc } = this.#held;
    return invertedDesc.mapPos(Math.min(this.#text.toDraft(at, side), invertedDesc.length), side);
  }

  /** From what the editor shows to the confirmed text. */
  fromEditor(at: number, side: -1 | 1): number {
    return this.#text.fromDraft(this.#held.mapPos(Math.min(at, this.#held.length), side), side);
  }

  #flushSoon(): void {
    this.#flushTimer ??= setTimeout(() => {
      this.#flushTimer = undefined;
      this.#flush();
    }, FRAME_MS);
  }

  #flush(): void {
    const view = this.#view;
    const isComposing = view.composing || view.compositionStarted;
    if (!this.#held.empty && isComposing && this.#touchesComposition()) return this.#flushSoon();
    const changes = this.#held;
    this.#held = ChangeSet.empty(changes.newLength);
    view.dispatch({
      ...(changes.empty ? {} : { changes }),
      effects: redraw.of(null),
      annotations: [fromOthers.of(true), Transaction.remote.of(true), Transaction.addToHistory.of(false)],
    });
  }

  /** Whether what is held lies on the line where an input method composes. */
  #touchesComposition(): boolean {
    const { doc, selection } = this.#view.state;
    const line = doc.lineAt(selection.main.head);
    return this.#held.touchesRange(line.from, line.to) !== false;
  }

  // --- selections

  #tellSoon(): void {
    if (this.#options.cursors === false) return;
    this.#tellTimer ??= setTimeout(() => {
      this.#tellTimer = undefined;
      this.#tell();
    }, TELL_EVERY_MS);
  }

  #tell(): void {
    const { position } = this.#text;
    if (!position || !this.#wasFocused) return;
    const { anchor, head } = this.#view.state.selection.main;
    const told = { anchor: this.fromEditor(anchor, 1), head: this.fromEditor(head, 1) };
    const key = `${formatPosition(position)} ${told.anchor} ${told.head}`;
    if (key === this.#told) return;
    if (this.#text.document.signal({ ...told, position: formatPosition(position) }, { kind: SIGNAL_KIND, position })) this.#told = key;
  }

  #heard(signal: Signal): void {
    if (signal.kind !== SIGNAL_KIND) return;
    let said: { anchor?: unknown; head?: unknown; position?: unknown } | null;
    try {
      said = signal.payload.asJson() as typeof said;
    } catch {
      return;
    }
    const at = parsePosition(said?.position) ?? signal.position;
    if (!at || !Number.isSafeInteger(said?.anchor) || !Number.isSafeInteger(said?.head)) return;
    const id = `${signal.author} ${signal.client ?? ''}`;
    this.#selections.delete(id);
    this.#selections.set(id, {
      author: signal.author, at, anchor: Math.max(0, Number(said?.anchor)), head: Math.max(0, Number(said?.head)), heardAt: performance.now(),
    });
    this.#flushSoon();
  }

  #draw(update: ViewUpdate): DecorationSet {
    const marks: CodeMirrorRange<Decoration>[] = [];
    const length = update.state.doc.length;
    for (const [id, selection] of this.#selections) {
      if (performance.now() - selection.heardAt > FORGET_MS) {
        this.#selections.delete(id);
        continue;
      }
      const place = (offset: number): number | undefined => {
        const now = this.#text.follow(selection.at, offset, 1);
        return now === undefined ? undefined : Math.min(this.toEditor(now, 1), length);
      };
      const [anchor, head] = [place(selection.anchor), place(selection.head)];
      if (anchor === undefined || head === undefined) continue;
      const colour = colourOf(selection.author);
      const [from, to] = [Math.min(anchor, head), Math.max(anchor, head)];
      if (from < to) marks.push(Decoration.mark({ class: `ink-selection ink-colour-${colour}` }).range(from, to));
      const name = this.#options.nameOf?.(selection.author) ?? selection.author;
      marks.push(Decoration.widget({ widget: new Caret(name, colour), side: 1 }).range(head));
    }
    return Decoration.set(marks, true);
  }
}

const plugins = new WeakMap<SharedText, ViewPlugin<Binding>>();

/** Binds an editor that starts with any content to the text: from then on they are the same. */
export function editor(text: SharedText, options: EditorOptions = {}): Extension {
  const plugin = ViewPlugin.define((view) => new Binding(view, text, options), { decorations: (binding) => binding.decorations });
  plugins.set(text, plugin);
  return [plugin, EditorView.baseTheme(THEME)];
}

/** Where a place of the confirmed text is in the editor. */
export function toEditor(view: EditorView, text: SharedText, at: number, side: -1 | 1): number {
  const plugin = plugins.get(text);
  return (plugin && view.plugin(plugin)?.toEditor(at, side)) ?? at;
}

/** Where a place in the editor is in the confirmed text: what is not confirmed has no place there. */
export function fromEditor(view: EditorView, text: SharedText, at: number, side: -1 | 1): number {
  const plugin = plugins.get(text);
  return (plugin && view.plugin(plugin)?.fromEditor(at, side)) ?? at;
}

const PALETTE = ['#b3261e', '#0b57d0', '#146c2e', '#8e24aa', '#9a4a00', '#00696e'];

const THEME: Record<string, Record<string, string>> = {
  '.ink-caret': { position: 'relative', borderLeft: '2px solid var(--ink-colour)', marginLeft: '-1px', marginRight: '-1px', pointerEvents: 'none' },
  '.ink-caret-name': {
    position: 'absolute', left: '-2px', bottom: '100%', padding: '0 .35em', borderRadius: '.3em .3em .3em 0', font: '600 .7rem/1.35 system-ui, sans-serif',
    color: '#fff', background: 'var(--ink-colour)', whiteSpace: 'nowrap', userSelect: 'none',
  },
  '.ink-selection': { background: 'color-mix(in srgb, var(--ink-colour) 22%, transparent)' },
  ...Object.fromEntries(PALETTE.map((colour, index) => [`.ink-colour-${index}`, { '--ink-colour': colour }])),
};

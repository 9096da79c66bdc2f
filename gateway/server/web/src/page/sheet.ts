// The editor: CodeMirror in a shadow root, so that its styles need no exception from the page's policy.

import { defaultKeymap, history, historyKeymap } from '@codemirror/commands';
import { EditorState, StateEffect, StateField, type Range } from '@codemirror/state';
import { Decoration, drawSelection, EditorView, keymap, placeholder, type DecorationSet } from '@codemirror/view';
import { editor, fromEditor, toEditor, type SharedText } from '@inkwire/client/codemirror';

import type { Sheet } from './threads.js';

const setMarks = StateEffect.define<DecorationSet>();
const marks = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update: (value, transaction) => {
    for (const effect of transaction.effects) if (effect.is(setMarks)) return effect.value;
    return value.map(transaction.changes);
  },
  provide: (field) => EditorView.decorations.from(field),
});

const theme = EditorView.theme({
  '&': { height: '100%', color: 'var(--ink)', backgroundColor: 'transparent', fontSize: '1.0625rem' },
  '&.cm-focused': { outline: '3px solid var(--accent)', outlineOffset: '2px', borderRadius: '.5rem' },
  '.cm-content': { fontFamily: 'var(--serif)', lineHeight: '1.7', padding: '1.75rem 0', caretColor: 'var(--ink)' },
  '.cm-line': { padding: '0 clamp(1rem, 4vw, 2.5rem)' },
  '.cm-scroller': { overflow: 'visible', fontFamily: 'var(--serif)' },
  '.cm-cursor': { borderLeftColor: 'var(--ink)', borderLeftWidth: '2px' },
  '.cm-placeholder': { color: 'var(--faint)' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': { backgroundColor: 'var(--selected)' },
  '.commented': { backgroundColor: 'var(--marked)', borderBottom: '2px solid var(--mark-line)' },
  '.commented.chosen': { backgroundColor: 'var(--marked-strong)' },
});

export class EditorSheet implements Sheet {
  readonly #view: EditorView;
  readonly #text: SharedText;
  readonly #host: HTMLElement;
  #marked = '';

  constructor(host: HTMLElement, text: SharedText, canWrite: boolean, on: { comment: () => void; choose: (id: string) => void; moved: () => void }) {
    this.#text = text;
    this.#host = host;
    const root = host.attachShadow({ mode: 'open' });
    this.#view = new EditorView({
      parent: root,
      root,
      state: EditorState.create({
        extensions: [
          history(),
          keymap.of([{ key: 'Mod-Alt-m', run: () => (on.comment(), true) }, ...defaultKeymap, ...historyKeymap]),
          drawSelection(), EditorView.lineWrapping, marks, theme, EditorState.readOnly.of(!canWrite),
          placeholder(canWrite ? 'Write here' : 'Nothing is written yet'),
          EditorView.contentAttributes.of({
            'aria-label': canWrite ? 'Text of the document' : 'Text of the document, to read and comment', spellcheck: 'false', autocapitalize: 'off',
          }),
          EditorView.updateListener.of((update) => {
            if (update.geometryChanged) on.moved();
          }),
          EditorView.domEventHandlers({
            click: (event) => {
              const id = event.target instanceof Element ? event.target.closest('.commented')?.getAttribute('data-thread') : undefined;
              if (id) on.choose(id);
            },
          }),
          editor(text),
        ],
      }),
    });
  }

  topOf(at: number): number | undefined {
    const view = this.#view;
    const place = Math.min(toEditor(view, this.#text, at, 1), view.state.doc.length);
    return view.lineBlockAt(place).top + view.documentTop - this.#host.getBoundingClientRect().top;
  }

  mark(ranges: readonly { readonly id: string; readonly start: number; readonly end: number }[], chosen: string | undefined): void {
    const view = this.#view;
    const length = view.state.doc.length;
    const set: Range<Decoration>[] = [];
    for (const { id, start, end } of ranges) {
      const from = Math.min(toEditor(view, this.#text, start, 1), length);
      const to = Math.min(toEditor(view, this.#text, end, -1), length);
      if (from < to) set.push(Decoration.mark({ class: id === chosen ? 'commented chosen' : 'commented', attributes: { 'data-thread': id } }).range(from, to));
    }
    const key = JSON.stringify([set.map(({ from, to }) => [from, to]), ranges.map(({ id }) => id), chosen]);
    if (key === this.#marked) return;
    this.#marked = key;
    view.dispatch({ effects: setMarks.of(Decoration.set(set, true)) });
  }

  selected(): { readonly start: number; readonly end: number } | undefined {
    const { from, to, empty } = this.#view.state.selection.main;
    if (empty) return undefined;
    const start = fromEditor(this.#view, this.#text, from, 1);
    const end = fromEditor(this.#view, this.#text, to, -1);
    return start < end ? { start, end } : undefined;
  }

  reveal(at: number): void {
    const place = Math.min(toEditor(this.#view, this.#text, at, 1), this.#view.state.doc.length);
    this.#view.dispatch({ effects: EditorView.scrollIntoView(place, { y: 'nearest', yMargin: 80 }) });
  }
}

// Comment threads beside the text, each at the height of its place; one whose text is gone says so.

import { formatPosition, type Anchor, type Comment, type Comments, type Thread } from '@inkwire/client';
import { colourOf, type SharedText } from '@inkwire/client/codemirror';

import { find, make, say } from './elements.js';
import { Frame } from './frame.js';

const GAP = 10;

export interface Sheet {
  /** The height of a place of the confirmed text within the sheet; `undefined` if it is not known. */
  topOf(at: number): number | undefined;
  /** Marks these ranges of the confirmed text, one of them as chosen. */
  mark(ranges: readonly { readonly id: string; readonly start: number; readonly end: number }[], chosen: string | undefined): void;
  /** The chosen range in the confirmed text, once it is confirmed; `undefined` if nothing is chosen. */
  selected(): { readonly start: number; readonly end: number } | undefined;
  reveal(at: number): void;
}

export class Threads {
  readonly #list = find('threads', HTMLOListElement);
  readonly #comments: Comments;
  readonly #text: SharedText;
  readonly #sheet: Sheet;
  readonly #subject: () => string | undefined;
  readonly #frame = new Frame(() => this.#render());
  #chosen: string | undefined;
  #isShowingResolved = false;
  #announced: number | undefined;

  constructor(text: SharedText, sheet: Sheet, subject: () => string | undefined) {
    this.#text = text;
    this.#sheet = sheet;
    this.#subject = subject;
    this.#comments = text.document.comments;
    this.#comments.follow(text);
    this.#comments.on('change', () => this.#frame.ask());
    text.on('progress', () => this.#frame.ask());
    addEventListener('resize', () => this.#frame.ask());
    find('comment', HTMLButtonElement).addEventListener('click', () => this.begin());
    const toggle = find('show-resolved', HTMLInputElement);
    toggle.addEventListener('change', () => {
      this.#isShowingResolved = toggle.checked;
      this.#frame.ask();
    });
  }

  /** Asks for a comment on what is selected. */
  begin(): void {
    const range = this.#sheet.selected();
    const { position } = this.#text;
    const hint = find('hint', HTMLElement);
    if (!range || !position) return say(hint, 'Select some text first, then press Comment.');
    say(hint, '');
    const quote = this.#text.text().slice(range.start, range.end);
    const form = this.#form(`Comment on “${short(quote)}”`, 'Comment', async (body) => {
      const now = this.#text.map(position, range);
      const at = this.#text.position;
      if (!now || !at) throw new Error('That text is gone meanwhile.');
      const anchor: Anchor = { position: at, ...now, unit: 'utf16', quote: this.#text.text().slice(now.start, now.end) };
      this.choose(await this.#comments.create({ text: body, anchor }));
    }, () => find('new-comment', HTMLElement).replaceChildren());
    find('new-comment', HTMLElement).replaceChildren(make('blockquote', {}, short(quote)), form);
    form.querySelector('textarea')?.focus();
  }

  choose(id: string | undefined): void {
    this.#chosen = id && (this.#comments.get(id)?.thread ?? id);
    this.#render();
    const card = this.#chosen && this.#list.querySelector<HTMLElement>(`[data-thread="${CSS.escape(this.#chosen)}"]`);
    if (!card || !this.#chosen) return;
    const place = this.#comments.place(this.#chosen);
    if (place.at === 'found') this.#sheet.reveal(place.start);
    card.focus({ preventScroll: true });
    card.scrollIntoView({ block: 'nearest' });
  }

  layOut(): void {
    const cards = [...this.#list.children] as HTMLElement[];
    const isBeside = getComputedStyle(this.#list).position === 'relative' && matchMedia('(min-width: 60rem)').matches;
    let bottom = 0;
    for (const card of cards) {
      if (!isBeside) {
        card.style.top = '';
        continue;
      }
      const place = this.#comments.place(card.dataset['thread'] ?? '');
      const wanted = place.at === 'found' ? (this.#sheet.topOf(place.start) ?? bottom) : bottom;
      const top = Math.max(wanted, bottom);
      card.style.top = `${top}px`;
      bottom = top + card.offsetHeight + GAP;
    }
    this.#list.style.minHeight = isBeside ? `${bottom}px` : '';
  }

  #render(): void {
    const threads = this.#comments.threads.filter(({ root, replies }) => !root.isDeleted || replies.some((reply) => !reply.isDeleted));
    const shown = threads.filter(({ root }) => this.#isShowingResolved || !root.resolved);
    const placed = shown.map((thread) => ({ thread, place: this.#comments.place(thread.root.id) }));
    const order = (place: (typeof placed)[number]['place']): number => (place.at === 'found' ? place.start : place.at === 'document' ? -1 : Infinity);
    placed.sort((a, b) => order(a.place) - order(b.place) || a.thread.root.position.seq - b.thread.root.position.seq);
    const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset['key'] : undefined;
    const wanted = new Map(placed.map(({ thread, place }) => [thread.root.id, this.#card(thread, place.at)]));
    for (const old of [...this.#list.children] as HTMLElement[]) if (!wanted.has(old.dataset['thread'] ?? '')) old.remove();
    let before: Element | null = this.#list.firstElementChild;
    for (const [id, card] of wanted) {
      const old = this.#list.querySelector<HTMLElement>(`:scope > [data-thread="${CSS.escape(id)}"]`);
      // A card in which somebody writes stays as it is.
      if (old && (old.dataset['state'] === card.dataset['state'] || old.contains(document.activeElement) && old.querySelector('form'))) {
        if (old !== before) this.#list.insertBefore(old, before);
        before = old.nextElementSibling;
      } else if (old) {
        if (old === before) before = card;
        old.replaceWith(card);
        before = card.nextElementSibling;
      } else this.#list.insertBefore(card, before);
    }
    if (focused) this.#list.querySelector<HTMLElement>(`[data-key="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
    const open = threads.filter(({ root }) => !root.resolved).length;
    say(find('thread-count', HTMLElement), `${open} open`);
    find('no-threads', HTMLElement).hidden = shown.length > 0;
    if (this.#announced !== undefined && open > this.#announced) say(find('announce', HTMLElement), 'A new comment thread was added.');
    this.#announced = open;
    this.#sheet.mark(placed.flatMap(({ thread, place }) =>
      place.at === 'found' && !thread.root.resolved ? [{ id: thread.root.id, start: place.start, end: place.end }] : []), this.#chosen);
    this.layOut();
  }

  #card({ root, replies }: Thread, at: 'found' | 'orphaned' | 'document'): HTMLLIElement {
    const isChosen = root.id === this.#chosen;
    const said = [root, ...replies].map(({ id, text, isDeleted, editedAt }) => [id, text, isDeleted, editedAt]);
    const card = make('li', {
      class: `thread${isChosen ? ' chosen' : ''}${root.resolved ? ' resolved' : ''}`, tabindex: -1, 'data-thread': root.id,
      'data-state': JSON.stringify([said, root.resolved, at, isChosen]), 'aria-label': `Thread by ${root.author}`,
      onclick: (event) => {
        if (!(event.target as HTMLElement).closest('button, textarea, form') && this.#chosen !== root.id) this.choose(root.id);
      },
    });
    if (root.anchor && root.anchor.quote !== '') card.append(make('blockquote', {}, short(root.anchor.quote)));
    if (at === 'orphaned') card.append(make('p', { class: 'orphaned' }, 'Orphaned: its text is gone'));
    for (const comment of [root, ...replies]) card.append(this.#comment(comment));
    if (root.resolved) card.append(make('p', { class: 'orphaned' }, `Resolved by ${root.resolved.by}`));
    card.append(make('div', { class: 'actions' },
      make('button', { type: 'button', 'data-key': `reply ${root.id}`, onclick: () => this.#edit(card, `Reply to ${root.author}`, 'Reply', '', async (text) => {
        await this.#comments.reply(root.id, text);
      }) }, 'Reply'),
      make('button', { type: 'button', 'data-key': `resolve ${root.id}`, onclick: () => this.#try(this.#comments.resolve(root.id, !root.resolved)) },
        root.resolved ? 'Open again' : 'Resolve')));
    return card;
  }

  #comment(comment: Comment): HTMLElement {
    const isMine = comment.author === this.#subject();
    const time = new Date(comment.at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
    return make('article', { class: 'comment', 'data-comment': comment.id, 'data-position': formatPosition(comment.position) },
      make('header', {}, make('span', { class: `initial colour-${colourOf(comment.author)}`, 'aria-hidden': 'true' }, [...comment.author][0]?.toUpperCase() ?? '?'),
        make('strong', {}, comment.author), make('time', {}, time + (comment.editedAt ? ', edited' : ''))),
      make('p', {}, comment.isDeleted ? 'Deleted' : comment.text),
      isMine && !comment.isDeleted ? make('div', { class: 'actions small' },
        make('button', { type: 'button', 'data-key': `edit ${comment.id}`, onclick: (event) => {
          const card = (event.target as HTMLElement).closest<HTMLElement>('.thread');
          if (card) this.#edit(card, 'Edit comment', 'Save', comment.text, (text) => this.#comments.edit(comment.id, text));
        } }, 'Edit'),
        make('button', { type: 'button', 'data-key': `delete ${comment.id}`, onclick: () => this.#try(this.#comments.delete(comment.id)) }, 'Delete')) : undefined);
  }

  #edit(card: HTMLElement, label: string, verb: string, text: string, done: (text: string) => Promise<void>): void {
    card.querySelector('form')?.remove();
    const form = this.#form(label, verb, done, () => {
      form.remove();
      this.#frame.ask();
    });
    const area = form.querySelector('textarea');
    card.append(form);
    if (area) area.value = text;
    area?.focus();
    this.layOut();
  }

  #form(label: string, verb: string, done: (text: string) => Promise<void>, close: () => void): HTMLFormElement {
    const area = make('textarea', { rows: 3, 'aria-label': label, placeholder: label });
    const problem = make('p', { class: 'problem', role: 'alert' });
    const submit = (): void => {
      const text = area.value.trim();
      if (text === '') return area.focus();
      done(text).then(close, (error: unknown) => say(problem, error instanceof Error ? error.message : String(error)));
    };
    area.addEventListener('keydown', (event) => {
      if (event.isComposing) return;
      if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) submit();
      if (event.key === 'Escape') close();
    });
    return make('form', { onsubmit: (event) => {
      event.preventDefault();
      submit();
    } }, area, problem, make('div', { class: 'actions' }, make('button', { type: 'submit', class: 'primary' }, verb),
      make('button', { type: 'button', onclick: close }, 'Cancel')));
  }

  #try(done: Promise<void>): void {
    done.catch((error: unknown) => say(find('hint', HTMLElement), error instanceof Error ? error.message : String(error)));
  }
}

function short(text: string): string {
  const characters = [...text.replace(/\s+/g, ' ')];
  return characters.length > 80 ? `${characters.slice(0, 79).join('')}…` : characters.join('');
}

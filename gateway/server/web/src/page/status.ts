// What a pane says about its connection: state, position, round trip, replica, and its one button.

import { formatPosition, type Client, type Document } from '@inkwire/client';

import { Frame } from './frame.js';

/** How long the button keeps the link away. */
const CUT_MS = 3_000;
const COUNTDOWN_MS = 250;

type Tone = 'good' | 'wait' | 'bad';

export class Status {
  readonly #client: Client;
  readonly #document: Document;
  readonly #pane: HTMLElement;
  readonly #button: HTMLButtonElement;
  readonly #frame = new Frame(() => this.#render());
  #countdown: ReturnType<typeof setTimeout> | undefined;
  /** What goes by once the document is live again. */
  #failure: string | undefined;
  /** What stays: something that was written is not in the log. */
  #loss: string | undefined;
  #remark = '';

  constructor(pane: HTMLElement, client: Client, document: Document) {
    this.#pane = pane;
    this.#client = client;
    this.#document = document;
    this.#button = this.#field('cut') as HTMLButtonElement;
    this.#button.addEventListener('click', () => client.cut(CUT_MS));
    const failed = ({ detail, code }: { detail: string; code: string }): void => this.#fail(detail || code, false);
    client.on('state', () => this.#frame.ask());
    client.on('error', failed);
    document.on('state', () => this.#frame.ask());
    document.on('error', failed);
    document.on('nack', ({ nack, isRetried }) => {
      if (!isRetried) this.#fail(`An edit was refused: ${nack.code}.`, true);
    });
    document.on('lost', (lost) => this.#fail(`${lost.to - lost.from + 1} edits may be lost: ${lost.reason}.`, true));
    this.#frame.ask();
  }

  /** Something to say while nothing is wrong. */
  remark(remark: string): void {
    this.#remark = remark;
    this.#frame.ask();
  }

  #fail(why: string, isLasting: boolean): void {
    if (isLasting) this.#loss = why;
    else this.#failure = why;
    this.#frame.ask();
  }

  #render(): void {
    const connection = this.#client.state;
    const document = this.#document.state;
    clearTimeout(this.#countdown);
    const [tone, text] = this.#sentence();
    this.#field('tone').dataset['tone'] = tone;
    say(this.#field('state'), text);
    say(this.#field('seconds'), this.#seconds());
    this.#button.disabled = connection.phase !== 'connected';
    say(this.#field('position'), document.position ? formatPosition(document.position) : '–');
    say(this.#field('round-trip'), connection.roundTripMs === undefined ? '–' : milliseconds(connection.roundTripMs));
    const replica = this.#field('replica');
    say(replica, connection.replica ?? '–');
    replica.title = connection.replica ?? '';
    if (tone === 'good') this.#failure = undefined;
    const trouble = this.#loss ?? this.#failure;
    const note = this.#field('note');
    note.dataset['tone'] = trouble ? 'bad' : '';
    say(note, trouble ?? (waiting(document.unacknowledged) || this.#remark));
    if (connection.phase === 'waiting') this.#countdown = setTimeout(() => this.#frame.ask(), COUNTDOWN_MS);
  }

  #sentence(): [Tone, string] {
    const connection = this.#client.state;
    const document = this.#document.state;
    if (document.phase === 'ended') return ['bad', ended(document.cause)];
    switch (connection.phase) {
      case 'closed':
        return ['bad', `Closed: ${connection.cause ?? 'by this page'}`];
      case 'waiting':
        return ['wait', connection.cause === 'cut' ? 'Link cut' : 'Connection lost'];
      case 'connected':
        if (document.isRenewing) return ['wait', 'Settling what was under way'];
        return document.phase === 'joined' ? ['good', 'Live'] : ['wait', 'Joining'];
      default:
        return ['wait', 'Connecting'];
    }
  }

  /** Beside the state and not in it: it changes every second, and a state that changes is read out. */
  #seconds(): string {
    const connection = this.#client.state;
    if (connection.phase !== 'waiting' || this.#document.state.phase === 'ended') return '';
    const seconds = Math.max(0, Math.ceil(((connection.retryAt ?? 0) - performance.now()) / 1000));
    return connection.cause === 'cut' ? `, back in ${seconds} s` : `, trying again in ${seconds} s`;
  }

  #field(name: string): HTMLElement {
    const found = this.#pane.querySelector<HTMLElement>(`[data-field="${name}"]`);
    if (!found) throw new Error(`the page has no field ${name}`);
    return found;
  }
}

function ended(cause: string | undefined): string {
  const isToken = cause === 'token_expired' || cause === 'unauthenticated' || cause === '4401';
  return isToken ? 'Read only: the token is not valid any more. Open this page with a new one.' : `Ended: ${cause ?? 'refused'}`;
}

function milliseconds(ms: number): string {
  return ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`;
}

function waiting(count: number): string {
  if (count === 0) return '';
  return count === 1 ? '1 edit is not acknowledged yet' : `${count} edits are not acknowledged yet`;
}

/** Changes only what differs: a status that is said again is read out again. */
function say(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

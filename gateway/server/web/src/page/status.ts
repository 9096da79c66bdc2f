// What the page says about its connection, in words, and what is not in the log yet.

import type { Client } from '@inkwire/client';
import type { SharedText } from '@inkwire/client/codemirror';

import { find, say } from './elements.js';
import { Frame } from './frame.js';

const CUT_MS = 3_000;

export class Status {
  readonly #client: Client;
  readonly #text: SharedText;
  readonly #frame = new Frame(() => this.#render());
  #trouble = '';

  constructor(client: Client, text: SharedText) {
    this.#client = client;
    this.#text = text;
    const cut = find('cut', HTMLButtonElement);
    cut.addEventListener('click', () => client.cut(CUT_MS));
    const transport = find('transport', HTMLSelectElement);
    transport.addEventListener('change', () => {
      const chosen = transport.value;
      if (chosen === 'websocket' || chosen === 'sse' || chosen === 'sockjs') client.use(chosen);
      else client.use('websocket');
    });
    client.on('state', () => this.#frame.ask());
    text.document.on('state', () => this.#frame.ask());
    text.on('progress', () => this.#frame.ask());
    text.on('refused', ({ code }) => this.#report(`Not taken: ${code}. What you typed stays here.`));
    text.document.on('lost', ({ reason, entries }) => {
      if (entries.some(({ kind }) => kind !== 'edit')) this.#report(`A comment may be lost: ${reason}.`);
    });
    addEventListener('beforeunload', (event) => {
      if (!text.isConfirmed) event.preventDefault();
    });
    this.#frame.ask();
  }

  #report(what: string): void {
    this.#trouble = what;
    this.#frame.ask();
  }

  #render(): void {
    const { phase, cause, roundTripMs, replica } = this.#client.state;
    const { document } = this.#text;
    const isLive = phase === 'connected' && document.state.phase === 'joined';
    const words = document.state.phase === 'ended' ? `Ended: ${document.state.cause ?? 'closed'}`
      : isLive ? 'Live' : phase === 'waiting' ? (cause === 'cut' ? 'Link cut' : 'Connection lost') : 'Connecting';
    const state = find('state', HTMLElement);
    say(state, words);
    state.dataset['tone'] = isLive ? 'good' : document.state.phase === 'ended' ? 'bad' : 'wait';
    say(find('saved', HTMLElement), this.#trouble || (this.#text.isConfirmed ? 'All saved' : 'Saving…'));
    say(find('round-trip', HTMLElement), roundTripMs === undefined ? '' : `${Math.max(1, Math.round(roundTripMs))} ms`);
    say(find('replica', HTMLElement), replica ?? '');
    find('cut', HTMLButtonElement).disabled = phase !== 'connected';
  }
}

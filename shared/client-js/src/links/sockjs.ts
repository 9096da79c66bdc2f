// SockJS by requests alone, for networks that let neither WebSockets nor long event streams through:
// native packets in its frames. Each request shows the credentials, so that the session's address is no
// secret. Where streaming is held back on the way, it polls.

import { HttpLink, type HttpWire } from './link.js';

/** How long the first frame may take until it polls instead. */
const STREAMING_TIMEOUT_MS = 4_000;
/** Messages of one request. */
const BATCH_MAX = 128;
const BATCH_LENGTH_MAX = 512 * 1024;

export class SockJsLink extends HttpLink {
  readonly #wire: HttpWire;
  readonly #base: string;
  readonly #session: () => string;
  /** Of the `hello`, which comes before anything else is sent. */
  readonly #token: () => string | undefined;
  #path = '';
  #mode: 'xhr_streaming' | 'xhr' = 'xhr_streaming';
  #isOpen = false;
  #rest = '';
  #queue: string[] = [];
  #isSending = false;
  #giveUpReceive = (): void => {};
  #giveUpSend = (): void => {};
  #giveUpTimer = (): void => {};

  /** `base` is SockJS's path on the gateway; `session` draws the id of one. */
  constructor(wire: HttpWire, base: string, session: () => string, token: () => string | undefined) {
    super();
    this.#wire = wire;
    this.#base = base;
    this.#session = session;
    this.#token = token;
    wire.soon(() => this.#begin());
  }

  send(text: string): void {
    this.#queue.push(text);
    this.#wire.soon(() => this.#pump());
  }

  protected override end(): void {
    this.#giveUpReceive();
    this.#giveUpSend();
    this.#giveUpTimer();
  }

  #begin(): void {
    if (this.isClosed) return;
    this.#path = `${this.#base}/000/${this.#session()}`;
    if (this.#mode === 'xhr_streaming') {
      this.#giveUpTimer = this.#wire.after(STREAMING_TIMEOUT_MS, () => {
        this.#giveUpReceive();
        this.#mode = 'xhr';
        this.#begin();
      });
    }
    this.#receive();
  }

  #receive(): void {
    this.#rest = '';
    this.#giveUpReceive = this.#wire.stream(
      { method: 'POST', path: `${this.#path}/${this.#mode}`, token: this.#token() },
      {
        text: (chunk) => this.#heard(chunk),
        ended: (answer, isWhole) => {
          if (this.isClosed) return;
          if (answer) return this.lose(answer.status === 401 ? 4401 : 1006, `http_${answer.status}`);
          if (!isWhole) return this.lose(1006, '');
          this.#receive();
        },
      },
    );
  }

  #heard(chunk: string): void {
    this.#rest += chunk;
    for (let end = this.#rest.indexOf('\n'); end >= 0 && !this.isClosed; end = this.#rest.indexOf('\n')) {
      const frame = this.#rest.slice(0, end);
      this.#rest = this.#rest.slice(end + 1);
      this.#frame(frame);
    }
  }

  #frame(frame: string): void {
    switch (frame[0]) {
      case 'o':
        this.#giveUpTimer();
        this.#isOpen = true;
        return this.opened();
      case 'a': {
        for (const text of JSON.parse(frame.slice(1)) as string[]) this.say(text);
        return;
      }
      case 'c': {
        const [code, reason] = JSON.parse(frame.slice(1)) as [number, string];
        return this.lose(code, reason);
      }
      default:
        // Heart-beats, and the prelude of a stream.
    }
  }

  #pump(): void {
    if (this.isClosed || this.#isSending || !this.#isOpen || this.#queue.length === 0) return;
    const batch: string[] = [];
    for (let length = 0; batch.length < BATCH_MAX && this.#queue.length > 0; ) {
      const next = this.#queue[0] ?? '';
      if (batch.length > 0 && length + next.length > BATCH_LENGTH_MAX) break;
      length += next.length;
      batch.push(next);
      this.#queue.shift();
    }
    this.#isSending = true;
    this.#giveUpSend = this.#wire.request(
      { method: 'POST', path: `${this.#path}/xhr_send`, token: this.#token(), body: JSON.stringify(batch), contentType: 'text/plain' },
      (answer) => {
        this.#isSending = false;
        // Whether it was taken is not known, or it was not: the next session begins with what is.
        if (answer?.status !== 204) return this.lose(answer?.status === 401 ? 4401 : 1006, answer ? `http_${answer.status}` : '');
        this.#pump();
      },
    );
  }
}

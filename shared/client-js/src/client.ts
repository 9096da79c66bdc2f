// The driver: a link, one timer and a clock around the core. It decides nothing.

import { isDocumentId } from './core/document-id.js';
import { randomBytes } from '@noble/hashes/utils';

import { asHex } from './core/bytes.js';
import { ConnectionCore, type Effect, type Token } from './core/connection.js';
import type { ConnectionEvents, ConnectionState } from './core/events.js';
import { NOTIFICATIONS, SUB_PROTOCOL } from './core/packets.js';
import type { Position } from './core/position.js';
import { TRANSPORTS, type Transport } from './core/transports.js';
import { Document, type Gateway, type JoinOptions } from './document.js';
import { Emitter } from './emitter.js';
import { Http, httpBase, type Fetch } from './http.js';
import { FetchWire } from './links/fetch-wire.js';
import type { LinkLike } from './links/link.js';
import { SockJsLink } from './links/sockjs.js';
import { SseLink } from './links/sse.js';
import { Notifications } from './notifications.js';

/** What is used of a WebSocket: the browser's, node's own (22 and later), or the one of `ws`. */
export type WebSocketLike = LinkLike;

export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike;

export interface ClientOptions {
  /** Like `wss://gateway.example/ws`. */
  readonly url: string;
  /** A token that stays the same. */
  readonly token?: string | undefined;
  /** Asked at every connect, and before a token ends: the session's credentials are renewed in place. */
  readonly getToken?: (() => string | Token | Promise<string | Token>) | undefined;
  /** Where there is no global `WebSocket`, node before 22, there is no such transport without it. */
  readonly webSocket?: WebSocketConstructor | undefined;
  /**
   * Which transports may be taken, the best first (default: `websocket`, `sse`, `sockjs`). The next one
   * is taken where one does not get through; the better one is tried again later.
   */
  readonly transports?: readonly Transport[] | undefined;
  /** Where SockJS is on the gateway (default `/sockjs`). */
  readonly sockJsPath?: string | undefined;
  /** Where REST is (default: beside `url`, `https://gateway.example` of `wss://gateway.example/ws`). */
  readonly httpUrl?: string | undefined;
  /** Makes the requests of REST (default: the global `fetch`). */
  readonly fetch?: Fetch | undefined;
  /** How often the round trip is measured (default 10 s, and never less often than the gateway asks). */
  readonly pingIntervalMs?: number | undefined;
}

/** One connection to a gateway, and the way back to it. */
export class Client extends Emitter<ConnectionEvents> {
  readonly #options: ClientOptions;
  readonly #core: ConnectionCore;
  readonly #webSocket: WebSocketConstructor | undefined;
  readonly #wire: FetchWire;
  #socket: LinkLike | undefined;
  /** To go over to, while the replica of the present one drains. */
  #next: LinkLike | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #events: (() => void)[] = [];
  #isDispatching = false;
  readonly #gateway: Gateway;
  readonly #online = (): void => this.#run((now) => this.#core.retryNow(now));

  constructor(options: ClientOptions) {
    super();
    this.#webSocket = (options.webSocket ?? (globalThis as { WebSocket?: unknown }).WebSocket) as WebSocketConstructor | undefined;
    const transports = (options.transports ?? TRANSPORTS).filter((transport) => transport !== 'websocket' || this.#webSocket);
    if (transports.length === 0) throw new TypeError('there is no global WebSocket: give one as `webSocket`, or permit another transport');
    this.#options = options;
    this.#core = new ConnectionCore(
      {
        hasTokens: options.token !== undefined || options.getToken !== undefined,
        canRenewTokens: options.getToken !== undefined,
        pingIntervalMs: options.pingIntervalMs,
        transports,
        random: Math.random,
        drawClient: drawUuid,
        firstClient: drawUuid(),
        wallClock: Date.now,
      },
      (name, event) => this.#events.push(() => this.dispatch(name, event)),
    );
    const fetch: Fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
    const base = options.httpUrl ?? httpBase(options.url);
    this.#wire = new FetchWire(base, fetch);
    this.#gateway = {
      run: this.#run,
      leave: (core, now) => this.#core.leave(core, now),
      limits: this.#core,
      http: new Http(base, fetch, (isRefused) => this.#tokenNow(isRefused)),
    };
  }

  get state(): ConnectionState {
    return this.#core.state;
  }

  connect(): this {
    (globalThis as { addEventListener?: typeof addEventListener }).addEventListener?.('online', this.#online);
    this.#run((now) => this.#core.connect(now));
    return this;
  }

  /** Joins a document; it is joined again after every reconnect, from its last position. */
  join(id: string, options: JoinOptions = {}): Document {
    if (!isDocumentId(id)) throw new TypeError(`${JSON.stringify(id)} is no document id`);
    return this.#join(id, options);
  }

  /** What concerns this session's own subject: mentions, replies, messages; after `since`, or all that is kept. */
  notifications(since?: Position): Notifications {
    return new Notifications(this.#join(NOTIFICATIONS, since ? { write: false, since } : { write: false }));
  }

  #join(id: string, options: JoinOptions): Document {
    let document: Document | undefined;
    this.#run((now) => {
      document = new Document(this.#gateway, options, (emit) =>
        this.#core.join(id, options, (name, event) => this.#events.push(() => emit(name, event)), now));
    });
    return document as Document;
  }

  /** Ends a subject's access to a document (owners). The answer is the document's `access` event, or its `error`. */
  revoke(document: string, subject: string): void {
    this.#run(() => this.#core.revoke(document, subject));
  }

  /** Restores a subject's access to a document (owners). */
  grant(document: string, subject: string): void {
    this.#run(() => this.#core.grant(document, subject));
  }

  /**
   * Takes another transport, and prefers it from now on: the new link is opened, and everything joined
   * there, before the present one is dropped. Nothing is lost or repeated by it.
   */
  use(transport: Transport): void {
    if (transport === 'websocket' && !this.#webSocket) throw new TypeError('there is no global WebSocket: give one as `webSocket`');
    this.#run((now) => this.#core.use(transport, now));
  }

  /**
   * For demonstrations and tests: drops the link without a word and stays away for `awayMs`
   * (default: as after any lost link), then resumes.
   */
  cut(awayMs?: number): void {
    this.#run((now) => this.#core.cut(awayMs, now));
  }

  /** Leaves all documents and closes. What is not acknowledged is told as lost. */
  close(): void {
    (globalThis as { removeEventListener?: typeof removeEventListener }).removeEventListener?.('online', this.#online);
    this.#run((now) => this.#core.close(now));
  }

  /** Lets something happen in the core; does what it asks for; tells what it said. */
  readonly #run = (happen: (now: number) => void): void => {
    happen(performance.now());
    for (const effect of this.#core.takeEffects()) this.#perform(effect);
    this.#schedule();
    this.#dispatchEvents();
  };

  #perform(effect: Effect): void {
    switch (effect.do) {
      case 'fetch_token':
        return void this.#fetchToken();
      case 'open':
        this.#socket = this.#open(effect.transport);
        return;
      case 'open_next':
        this.#next = this.#open(effect.transport);
        return;
      case 'send_next':
        return this.#next?.send(effect.text);
      case 'drop_next':
        return this.#dropNext();
      case 'go_over':
        return this.#goOver();
      case 'send':
        return this.#socket?.send(effect.text);
      case 'drop':
        return this.#drop(effect.code);
    }
  }

  async #askToken(): Promise<Token> {
    const given = this.#options.getToken ? await this.#options.getToken() : (this.#options.token ?? '');
    return typeof given === 'string' ? { token: given } : given;
  }

  /** For requests beside the session. */
  async #tokenNow(isRefused: boolean): Promise<string | undefined> {
    const { token, getToken } = this.#options;
    if (getToken === undefined) return token;
    return (isRefused ? undefined : this.#core.token) ?? (await this.#askToken()).token;
  }

  async #fetchToken(): Promise<void> {
    try {
      const token = await this.#askToken();
      this.#run((now) => this.#core.tokenReady(token, now));
    } catch (error) {
      this.#run((now) => this.#core.tokenFailed(String(error), now));
    }
  }

  #link(transport: Transport): LinkLike {
    if (transport === 'sse') return new SseLink(this.#wire, () => this.#core.planned);
    if (transport === 'sockjs' || !this.#webSocket) {
      return new SockJsLink(this.#wire, this.#options.sockJsPath ?? '/sockjs', () => asHex(randomBytes(16)), () => this.#core.token);
    }
    return new this.#webSocket(this.#options.url, [SUB_PROTOCOL]);
  }

  #open(transport: Transport): LinkLike {
    const socket = this.#link(transport);
    // A socket that is neither any more is nobody's.
    const asWhat = (present: (now: number) => void, next: (now: number) => void): void => {
      if (this.#socket === socket) this.#run(present);
      else if (this.#next === socket) this.#run(next);
    };
    socket.onopen = () => asWhat((now) => this.#core.linkOpened(now), (now) => this.#core.nextOpened(now));
    socket.onmessage = (event: { data: unknown }) => {
      const text = typeof event.data === 'string' ? event.data : '';
      asWhat((now) => this.#core.received(text, now), (now) => this.#core.nextReceived(text, now));
    };
    socket.onclose = (event: { code: number; reason: unknown }) =>
      asWhat(
        (now) => {
          this.#socket = undefined;
          this.#core.linkClosed(event.code, String(event.reason), now);
        },
        (now) => {
          this.#next = undefined;
          this.#core.nextClosed(now);
        },
      );
    // A close always follows; the browser says no more than that there was an error.
    socket.onerror = () => {};
    return socket;
  }

  #goOver(): void {
    const former = this.#socket;
    this.#socket = this.#next;
    this.#next = undefined;
    former?.close(1000);
  }

  #dropNext(): void {
    const next = this.#next;
    this.#next = undefined;
    if (next?.terminate) next.terminate();
    else next?.close(4000);
  }

  #drop(code: number): void {
    const socket = this.#socket;
    this.#socket = undefined;
    if (!socket) return;
    if (code !== 1000 && socket.terminate) socket.terminate();
    else socket.close(code);
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    const deadline = this.#core.nextDeadline();
    if (deadline === undefined) return;
    // Timers may fire up to a millisecond early, and take no more than 2^31 ms.
    const wait = Math.min(Math.max(0, Math.ceil(deadline - performance.now())) + 1, 2 ** 31 - 1);
    this.#timer = setTimeout(() => this.#run((now) => this.#core.tick(now)), wait);
  }

  /** Listeners may call back into the client: what that says is told after what was said before. */
  #dispatchEvents(): void {
    if (this.#isDispatching) return;
    this.#isDispatching = true;
    for (let tell = this.#events.shift(); tell; tell = this.#events.shift()) tell();
    this.#isDispatching = false;
  }
}

/** A random UUID. `crypto.randomUUID` is missing in pages that did not come over TLS. */
function drawUuid(): string {
  const bytes = randomBytes(16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return asHex(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

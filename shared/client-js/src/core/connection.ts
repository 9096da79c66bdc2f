// The connection: one link at a time, and the way back to it. No timers and no sockets: what happens
// comes in with `now`, what is to be done leaves as effects.
//
//   idle ─► token ─► opening ─► greeting ─► connected
//             ▲          │          │           │
//             └─ waiting ◄──────────┴───────────┘   (full jitter; the link is lost or distrusted)
//   closed: by the application, or because the credentials cannot become valid

import type { AccessAction } from './access.js';
import { Backoff } from './backoff.js';
import { DocumentCore, earliest, isDue, LANDING_MS_DEFAULT, type DocumentOptions, type EmitDocument, type Link, type Planned } from './document.js';
import { Moving } from './moving.js';
import type { ConnectionEvents, ConnectionPhase, ConnectionState } from './events.js';
import * as packets from './packets.js';
import { PacketFault, parsePacket, type ServerPacket } from './packets.js';
import { Transports, type Transport } from './transports.js';

const OPEN_TIMEOUT_MS = 10_000;
/** How long a `pong` may take before the link counts as dead. */
const PONG_TIMEOUT_MS = 10_000;
/** A link that stood this long makes the next wait short again. */
const STEADY_AFTER_MS = 5_000;
const RETRY_MAX_MS = 10_000;
/** Credentials are renewed this long before they end, or after 4/5 of a shorter life. */
const RENEW_BEFORE_MS = 30_000;
const RENEW_AGAIN_MS = 1_000;
/** What a renewal may be refused with. */
const RENEWAL_REFUSALS: ReadonlySet<string> = new Set(['unauthenticated', 'token_expired', 'unavailable', 'throttled']);
/** How long a `left` may take. */
const LEAVE_TIMEOUT_MS = 60_000;
/** The close code of a link whose requests are not answered. */
export const POSTS_BLOCKED = 4998;
/** Used where a gateway does not say it. */
const MESSAGE_BYTES_MAX_DEFAULT = 2_097_152;

export interface Token {
  readonly token: string;
  /** When it ends, in ms since 1970; by default the `exp` of a JWT. */
  readonly expiresAt?: number | undefined;
}

export interface ConnectionOptions {
  /** Whether there is a source of tokens; without it the session is anonymous. */
  readonly hasTokens: boolean;
  /** Whether asking again may give another token. */
  readonly canRenewTokens: boolean;
  /** How often the round trip is measured, at most (default 10 s). */
  readonly pingIntervalMs?: number | undefined;
  /** Those that may be used, the best first (default: WebSocket alone). */
  readonly transports?: readonly Transport[] | undefined;
  /** From 0 to 1. */
  readonly random: () => number;
  /** A new client id. */
  readonly drawClient: () => string;
  /**
   * The first client id of each document: an event stream can name one for all of its documents.
   * Default: each document draws its own.
   */
  readonly firstClient?: string | undefined;
  /** The wall clock, in ms since 1970: for the end of tokens, and for the age of what was sent. */
  readonly wallClock: () => number;
}

export type Effect =
  | { readonly do: 'fetch_token' }
  | { readonly do: 'open'; readonly transport: Transport }
  | { readonly do: 'send'; readonly text: string }
  /** Open another link beside the present one, to go over to. */
  | { readonly do: 'open_next'; readonly transport: Transport }
  | { readonly do: 'send_next'; readonly text: string }
  | { readonly do: 'drop_next' }
  /** From here on the next link is the present one; the former is to be closed. */
  | { readonly do: 'go_over' }
  /** Drop the link; nothing more is heard of it. */
  | { readonly do: 'drop'; readonly code: number };

export type EmitConnection = <K extends keyof ConnectionEvents>(name: K, event: ConnectionEvents[K]) => void;

type Phase = 'idle' | 'token' | 'opening' | 'greeting' | 'connected' | 'waiting' | 'closed';

const PHASES: Readonly<Record<Phase, ConnectionPhase>> = {
  idle: 'idle', token: 'connecting', opening: 'connecting', greeting: 'connecting',
  connected: 'connected', waiting: 'waiting', closed: 'closed',
};

export class ConnectionCore {
  readonly #options: ConnectionOptions;
  readonly #emit: EmitConnection;
  readonly #retries: Backoff;
  readonly #documents = new Map<string, DocumentCore>();
  /** Documents that were left on this link, until `left`: what is heard of them is not for the next join. */
  readonly #leaving = new Map<string, { readonly deadline: number }>();
  /** Documents whose first client id was drawn. */
  readonly #hasJoined = new Set<string>();
  #effects: Effect[] = [];
  /** The next link, while the replica of the present one drains. */
  #moving: Moving | undefined;
  readonly #transports: Transports;
  /** Of the present link. */
  #transport: Transport = 'websocket';
  /** Whether something came on the present link behind its `welcome`. */
  #isHeard = false;
  #phase: Phase = 'idle';
  #linkNumber = 0;
  #token: string | undefined;
  #replica: string | undefined;
  #subject: string | undefined;
  #payloadBytesMax = Number.MAX_SAFE_INTEGER;
  #messageBytesMax = MESSAGE_BYTES_MAX_DEFAULT;
  #landingMs = LANDING_MS_DEFAULT;
  #roundTripMs: number | undefined;
  #cause: string | undefined;
  #retryAt: number | undefined;
  #openDeadline: number | undefined;
  #connectedAt = 0;
  #pingEveryMs = 10_000;
  #pingAt: number | undefined;
  #pings = 0;
  #pinged: { id: number; at: number } | undefined;
  #renewAt: number | undefined;
  #isRenewing = false;
  #refusals = 0;
  #told: ConnectionState | undefined;

  constructor(options: ConnectionOptions, emit: EmitConnection) {
    this.#options = options;
    this.#emit = emit;
    this.#retries = new Backoff(options.random, 100, RETRY_MAX_MS);
    this.#transports = new Transports(options.transports ?? ['websocket']);
  }

  get state(): ConnectionState {
    return {
      phase: PHASES[this.#phase],
      replica: this.#phase === 'connected' ? this.#replica : undefined,
      subject: this.#subject,
      transport: this.#phase === 'connected' ? this.#transport : undefined,
      roundTripMs: this.#phase === 'connected' ? this.#roundTripMs : undefined,
      retryAt: this.#retryAt,
      cause: this.#cause,
    };
  }

  /** The credentials of the present session, or those that are to begin the next one. */
  get token(): string | undefined {
    return this.#token;
  }

  /** What is to be joined on a link that is opened now. */
  get planned(): Planned[] {
    return [...this.#documents.values()].filter((document) => !document.hasEnded).map((document) => document.planned);
  }

  /** The largest payload that the gateway takes, once it said so. */
  get payloadBytesMax(): number {
    return this.#payloadBytesMax;
  }

  /** The largest message that the gateway takes. */
  get messageBytesMax(): number {
    return this.#messageBytesMax;
  }

  get hasEffects(): boolean {
    return this.#effects.length > 0;
  }

  takeEffects(): Effect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  // --- the application

  connect(now: number): void {
    if (this.#phase !== 'idle') return;
    this.#begin(now);
  }

  join(id: string, options: DocumentOptions, emit: EmitDocument, now: number): DocumentCore {
    if (this.#documents.has(id)) throw new Error(`the document ${id} is joined already`);
    this.#beginMoveAgain(now);
    const document = new DocumentCore(id, options, emit, {
      random: this.#options.random, client: this.#clientsOf(id), wallClock: this.#options.wallClock,
    });
    this.#documents.set(id, document);
    if (this.#phase === 'closed') document.end(this.#cause ?? 'closed');
    else if (!this.#leaving.has(id)) this.#linkUp(document, now);
    return document;
  }

  leave(document: DocumentCore, now: number): void {
    if (this.#documents.get(document.id) !== document) return;
    this.#beginMoveAgain(now);
    this.#documents.delete(document.id);
    if (document.close()) this.#leaving.set(document.id, { deadline: now + LEAVE_TIMEOUT_MS });
  }

  revoke(document: string, subject: string): void {
    this.#changeAccess(document, subject, 'revoke');
  }

  grant(document: string, subject: string): void {
    this.#changeAccess(document, subject, 'grant');
  }

  /** Drops the link as a failing network would, and stays away for `awayMs`. */
  cut(awayMs: number | undefined, now: number): void {
    if (this.#phase === 'closed' || this.#phase === 'idle') return;
    this.#loseLink('cut', now, awayMs);
  }

  /**
   * Takes another transport: the new link is opened, and all is joined there, before the present one is
   * dropped. From now on it is the preferred one.
   */
  use(transport: Transport, now: number): void {
    this.#transports.prefer(transport);
    if (this.#phase === 'opening' || this.#phase === 'greeting') {
      this.#transports.take(transport);
      return this.#loseLink('moved', now, 0);
    }
    if (this.#phase !== 'connected') return this.#transports.take(transport);
    if (this.#moving?.transport === transport) return;
    // A replica that drains is left in any case.
    const isDraining = this.#moving?.cause === 'drain';
    if (this.#moving) {
      this.#dropNext(now);
      this.#moving = undefined;
    }
    if (isDraining || this.#transport !== transport) {
      this.#moving = new Moving(this.#options.random, now, transport, isDraining ? 'drain' : 'asked');
    }
  }

  /** The network is said to be back: no need to wait longer. */
  retryNow(now: number): void {
    if (this.#phase !== 'waiting') return;
    this.#retryAt = now;
  }

  close(now: number): void {
    for (const document of [...this.#documents.values()]) this.leave(document, now);
    if (this.#phase === 'closed') return;
    this.#shut('closed');
  }

  // --- the driver

  tokenReady(token: Token, now: number): void {
    this.#token = token.token;
    const life = (token.expiresAt ?? jwtExpiry(token.token) ?? Infinity) - this.#options.wallClock();
    const renewIn = Math.max(life - RENEW_BEFORE_MS, life * 0.8, 1_000);
    this.#renewAt = this.#options.canRenewTokens && Number.isFinite(renewIn) ? now + renewIn : undefined;
    if (this.#phase === 'token') this.#open(now);
    else if (this.#moving?.stage === 'token') {
      this.#openNext(now);
      // It is the present session's too, should the next one come to nothing.
      this.#send(packets.auth(token.token));
    } else if (this.#isRenewing && this.#phase === 'connected') {
      this.#send(packets.auth(token.token));
      if (this.#moving?.stage === 'arriving') this.#sendNext(packets.auth(token.token));
    }
    this.#isRenewing = false;
  }

  tokenFailed(why: string, now: number): void {
    this.#emit('error', { code: 'token_unavailable', detail: why });
    if (this.#phase === 'token') this.#loseLink('token_unavailable', now);
    else if (this.#isRenewing) this.#renewAt = now + RETRY_MAX_MS;
    if (this.#moving?.stage === 'token') this.#moving.postpone(now);
    this.#isRenewing = false;
  }

  linkOpened(now: number): void {
    if (this.#phase !== 'opening') return;
    this.#phase = 'greeting';
    this.#openDeadline = now + OPEN_TIMEOUT_MS;
    this.#send(packets.hello(this.#token));
  }

  linkClosed(code: number, reason: string, now: number): void {
    if (this.#phase === 'opening' || this.#phase === 'greeting' || this.#phase === 'connected') {
      this.#linkEnded(code, reason, now);
    }
  }

  received(text: string, now: number): void {
    let packet: ServerPacket;
    try {
      packet = parsePacket(text);
    } catch (error) {
      if (!(error instanceof PacketFault)) throw error;
      return this.#distrust(error.message, now);
    }
    switch (packet.type) {
      case 'welcome':
        return this.#welcomed(packet, now);
      case 'pong':
        return this.#ponged(packet.id, now);
      case 'authenticated':
        this.#refusals = 0;
        return;
      case 'drain':
        return this.#toldToMove(packet.afterMs, now);
      case 'unknown':
        return;
      case 'error':
        if (packet.document === undefined) {
          this.#cause = packet.code;
          // A renewal that was refused: the credentials of before still count, for how long is not known.
          const isRefusal = RENEWAL_REFUSALS.has(packet.code);
          if (isRefusal && this.#phase === 'connected' && this.#options.canRenewTokens) this.#renewAt = now + RENEW_AGAIN_MS;
          return this.#emit('error', { code: packet.code, detail: packet.detail });
        }
        break;
      default:
    }
    if (packet.document !== undefined) this.#heard(packet, packet.document, now);
    if (this.#moving) this.#moveOn(now);
  }

  // --- the next link

  nextOpened(now: number): void {
    if (this.#moving?.stage !== 'opening') return;
    this.#moving.enter('greeting', now);
    this.#moving.token = this.#token;
    this.#sendNext(packets.hello(this.#token));
  }

  /** It could not be opened, or is gone. */
  nextClosed(now: number): void {
    if (this.#moving?.hasLink) this.#postponeMove(now);
  }

  nextReceived(text: string, now: number): void {
    const moving = this.#moving;
    if (!moving) return;
    let packet: ServerPacket;
    try {
      packet = parsePacket(text);
    } catch (error) {
      if (!(error instanceof PacketFault)) throw error;
      return this.#dropNext(now);
    }
    if (packet.type === 'welcome') {
      if (moving.stage !== 'greeting') return;
      moving.arrive(packet, now);
      // Renewed since the hello.
      if (this.#token !== undefined && moving.token !== this.#token) this.#sendNext(packets.auth(this.#token));
      return this.#moveOn(now);
    }
    if (packet.type === 'error' && packet.document === undefined) return this.#dropNext(now);
    if (packet.type === 'drain' && moving.stage === 'arriving') {
      // Still better than the present one, which was told before.
      moving.againAt ??= now + this.#options.random() * packet.afterMs;
      return;
    }
    if (moving.stage !== 'arriving' || !('document' in packet) || packet.document === undefined) return;
    const fault = moving.arrivals.get(packet.document)?.take(packet);
    if (fault === undefined) this.#moveOn(now);
    else this.#dropNext(now);
  }

  /** A packet of a document. */
  #heard(packet: ServerPacket, document: string, now: number): void {
    if (!this.#leaving.has(document)) return this.#documents.get(document)?.receive(packet, now);
    // It belongs to the membership of before, up to the answer to its `leave`.
    const isOver = packet.type === 'left' || (packet.type === 'error' && packet.code === 'not_joined');
    if (!isOver) return;
    this.#leaving.delete(document);
    const next = this.#documents.get(document);
    if (next) this.#linkUp(next, now);
  }

  nextDeadline(): number | undefined {
    const moments = [this.#openDeadline, this.#retryAt, this.#moving?.deadline, this.#moving?.settleAt];
    if (this.#phase === 'connected') {
      if (!this.#moving) moments.push(this.#transports.againAt);
      moments.push(this.#pingAt, this.#pinged && this.#pinged.at + PONG_TIMEOUT_MS, this.#isRenewing ? undefined : this.#renewAt);
    }
    for (const { deadline } of this.#leaving.values()) moments.push(deadline);
    for (const document of this.#documents.values()) moments.push(document.nextDeadline());
    return earliest(moments);
  }

  tick(now: number): void {
    if (this.#phase === 'waiting' && isDue(this.#retryAt, now)) this.#begin(now);
    if (isDue(this.#openDeadline, now)) this.#loseLink('timeout', now);
    if (this.#phase === 'connected') {
      if (this.#pinged && this.#pinged.at + PONG_TIMEOUT_MS <= now) return this.#loseLink('heartbeat_timeout', now);
      if (isDue(this.#pingAt, now)) this.#ping(now);
      if (isDue(this.#renewAt, now) && !this.#isRenewing) {
        this.#isRenewing = true;
        this.#effects.push({ do: 'fetch_token' });
      }
    }
    for (const [document, { deadline }] of this.#leaving) {
      if (deadline <= now) return this.#distrust(`${document}: the leave was not answered`, now);
    }
    for (const document of [...this.#documents.values()]) document.tick(now);
    this.#tickMove(now);
  }

  // --- inside

  /** A document that was left and is joined again counts from 1 anew: it is another client then. */
  #clientsOf(id: string): () => string {
    let first = this.#hasJoined.has(id) ? undefined : this.#options.firstClient;
    this.#hasJoined.add(id);
    return () => {
      const client = first ?? this.#options.drawClient();
      first = undefined;
      return client;
    };
  }

  #changeAccess(id: string, subject: string, action: AccessAction): void {
    const document = this.#documents.get(id);
    if (document) document.changeAccess(subject, action);
    else this.#emit('error', { code: 'not_joined', detail: `${id} is not joined` });
  }

  #begin(now: number): void {
    this.#retryAt = undefined;
    this.#isRenewing = false;
    if (this.#options.hasTokens && (this.#token === undefined || this.#options.canRenewTokens)) {
      this.#phase = 'token';
      this.#effects.push({ do: 'fetch_token' });
    } else this.#open(now);
    this.#tell();
  }

  #open(now: number): void {
    this.#phase = 'opening';
    this.#openDeadline = now + OPEN_TIMEOUT_MS;
    this.#transport = this.#transports.current;
    this.#isHeard = false;
    this.#effects.push({ do: 'open', transport: this.#transport });
    this.#tell();
  }

  #toldToMove(afterMs: number, now: number): void {
    if (this.#phase !== 'connected') return;
    if (this.#moving) this.#moving.cause = 'drain';
    else this.#moving = new Moving(this.#options.random, now + this.#options.random() * afterMs, this.#transport);
  }

  #tickMove(now: number): void {
    if (!this.#moving && this.#phase === 'connected' && isDue(this.#transports.againAt, now)) {
      this.#moving = new Moving(this.#options.random, now, this.#transports.better(now), 'better');
    }
    const moving = this.#moving;
    if (!moving) return;
    if (isDue(moving.settleAt, now)) {
      moving.settleAt = undefined;
      this.#moveOn(now);
    }
    if (!isDue(moving.deadline, now)) return;
    if (moving.stage !== 'waiting') return this.#dropNext(now);
    if (!this.#options.hasTokens || (this.#token !== undefined && !this.#options.canRenewTokens)) return this.#openNext(now);
    moving.enter('token', now);
    if (!this.#isRenewing) this.#effects.push({ do: 'fetch_token' });
  }

  #openNext(now: number): void {
    this.#moving?.enter('opening', now);
    if (this.#moving) this.#effects.push({ do: 'open_next', transport: this.#moving.transport });
  }

  /** Joins on the next link what can be joined there, and goes over once all of it stands. */
  #moveOn(now: number): void {
    const moving = this.#moving;
    if (moving?.stage !== 'arriving') return;
    const mustSettle = moving.settleAt !== undefined && now < moving.settleAt;
    const documents = [...this.#documents.values()].filter((document) => !document.hasEnded);
    for (const document of documents) {
      if (moving.arrivals.has(document.id)) continue;
      const isSettled = document.hold();
      // A new identity is taken first: it is not the one to join with.
      if ((!isSettled && mustSettle) || document.state.isRenewing) continue;
      const { text, arrival } = document.joinBeside();
      moving.arrivals.set(document.id, arrival);
      this.#sendNext(text);
    }
    const stands = documents.every((document) => {
      const arrival = moving.arrivals.get(document.id);
      return (document.hasAccessAnswered || !mustSettle) && arrival !== undefined && document.meets(arrival);
    });
    if (stands) this.#goOver(moving, now);
  }

  #goOver(moving: Moving, now: number): void {
    const { welcome } = moving;
    if (!welcome) return;
    this.#transport = moving.transport;
    this.#transports.take(moving.transport);
    this.#moving = moving.againAt === undefined ? undefined : new Moving(this.#options.random, moving.againAt, moving.transport);
    this.#leaving.clear();
    this.#effects.push({ do: 'go_over' });
    this.#greeted(welcome, now);
    for (const document of [...this.#documents.values()]) {
      const arrival = moving.arrivals.get(document.id);
      if (arrival) document.goOver(arrival, this.#link(), welcome.subject, now);
    }
    this.#tell();
  }

  /** The documents are others now than those that the next link joined. */
  #beginMoveAgain(now: number): void {
    if (this.#moving?.stage === 'arriving') this.#dropNext(now);
  }

  #dropNext(now: number): void {
    if (this.#moving?.hasLink) this.#effects.push({ do: 'drop_next' });
    this.#postponeMove(now);
  }

  #postponeMove(now: number): void {
    const moving = this.#moving;
    moving?.postpone(now);
    if (moving?.isGivenUp) {
      this.#moving = undefined;
      if (moving.cause === 'asked') {
        this.#transports.prefer(this.#transport);
        this.#emit('error', { code: 'transport_unavailable', detail: `${moving.transport} does not get through` });
      }
    }
    for (const document of [...this.#documents.values()]) document.release(now);
  }

  /** The present link is over, and with it whatever was to follow it. */
  #forgetNext(): void {
    if (this.#moving?.hasLink) this.#effects.push({ do: 'drop_next' });
    this.#moving = undefined;
  }

  #sendNext(text: string): void {
    this.#effects.push({ do: 'send_next', text });
  }

  #welcomed(packet: Extract<ServerPacket, { type: 'welcome' }>, now: number): void {
    if (this.#phase !== 'greeting') return;
    this.#phase = 'connected';
    this.#openDeadline = undefined;
    this.#greeted(packet, now);
    for (const document of [...this.#documents.values()]) this.#linkUp(document, now);
    this.#tell();
  }

  /** A session begins on this link. */
  #greeted(packet: Extract<ServerPacket, { type: 'welcome' }>, now: number): void {
    this.#connectedAt = now;
    this.#isHeard = false;
    this.#transports.stands(now);
    this.#refusals = 0;
    this.#cause = undefined;
    this.#replica = packet.replica;
    this.#subject = packet.subject;
    this.#payloadBytesMax = packet.payloadBytesMax;
    this.#messageBytesMax = packet.messageBytesMax ?? MESSAGE_BYTES_MAX_DEFAULT;
    this.#landingMs = packet.landingMs ?? LANDING_MS_DEFAULT;
    // Half of what is asked for: timers of pages in the background come late.
    this.#pingEveryMs = Math.min(this.#options.pingIntervalMs ?? 10_000, packet.heartbeatMs / 2 || Infinity);
    this.#linkNumber += 1;
    this.#pinged = undefined;
    this.#ping(now);
  }

  #linkUp(document: DocumentCore, now: number): void {
    if (this.#phase === 'connected' && this.#subject !== undefined) document.linkUp(this.#link(), this.#subject, now);
  }

  #link(): Link {
    const number = this.#linkNumber;
    const isUp = (): boolean => this.#linkNumber === number && this.#phase === 'connected';
    return {
      messageBytesMax: this.#messageBytesMax,
      landingMs: this.#landingMs,
      send: (text) => {
        if (isUp()) this.#send(text);
      },
      distrust: (why, now) => {
        if (isUp()) this.#distrust(why, now);
      },
    };
  }

  #ping(now: number): void {
    this.#pingAt = now + this.#pingEveryMs;
    if (this.#pinged) return;
    this.#pings += 1;
    this.#pinged = { id: this.#pings, at: now };
    this.#send(packets.ping(this.#pings));
  }

  #ponged(id: number, now: number): void {
    if (this.#pinged?.id === id) {
      // What is written by requests has no round trip of its own.
      this.#roundTripMs = this.#transport === 'sse' ? undefined : now - this.#pinged.at;
      this.#isHeard = true;
      this.#pinged = undefined;
      this.#tell();
    }
  }

  #linkEnded(code: number, reason: string, now: number): void {
    const cause = reason || this.#cause || String(code);
    if (code === 4401) {
      this.#refusals += 1;
      this.#token = undefined;
      if (!this.#options.canRenewTokens || this.#refusals >= 3) {
        this.#emit('error', { code: 'unauthenticated', detail: 'the gateway refused the credentials' });
        return this.#shut(cause, 'is closed');
      }
    }
    // 1002, 1007 and 1009 speak of a defect: the same again would fail again at once.
    if (code === 1009) this.#giveUpLargest();
    // The link stood, but what is written over it did not get through.
    if (code === POSTS_BLOCKED) this.#transports.failed(true);
    if (this.#phase !== 'connected' && code < 4000 && code !== 1012 && code !== 1013) this.#transports.failed(false);
    const isDefect = code === 1002 || code === 1007 || code === 1009;
    this.#loseLink(cause, now, isDefect ? RETRY_MAX_MS : undefined, 'is closed');
  }

  /** A message was too large, and which one is not said: the largest entry without an answer. */
  #giveUpLargest(): void {
    let largest: DocumentCore | undefined;
    for (const document of this.#documents.values()) {
      const bytes = document.largestUnderWay;
      if (bytes !== undefined && bytes > (largest?.largestUnderWay ?? -1)) largest = document;
    }
    largest?.giveUpLargest();
  }

  #distrust(why: string, now: number): void {
    this.#emit('error', { code: 'distrusted', detail: why });
    this.#loseLink('distrusted', now);
  }

  #loseLink(cause: string, now: number, awayMs?: number, link?: 'is closed'): void {
    const wasConnected = this.#phase === 'connected';
    const hasLink = wasConnected || this.#phase === 'opening' || this.#phase === 'greeting';
    // Opened, and then silent: something on the way does not let it through.
    const isSilent = cause === 'timeout' || (cause === 'heartbeat_timeout' && !this.#isHeard);
    if (hasLink && isSilent) this.#transports.failed(true);
    if (wasConnected && now - this.#connectedAt >= STEADY_AFTER_MS) this.#retries.reset();
    this.#phase = 'waiting';
    this.#cause = cause;
    this.#openDeadline = this.#pingAt = undefined;
    this.#pinged = undefined;
    this.#leaving.clear();
    this.#retryAt = now + (awayMs ?? this.#retries.next());
    this.#effects = this.#effects.filter((effect) => effect.do !== 'send');
    this.#forgetNext();
    if (hasLink && !link) this.#effects.push({ do: 'drop', code: 4000 });
    if (wasConnected) for (const document of [...this.#documents.values()]) document.linkDown(now);
    this.#tell();
  }

  #shut(cause: string, link?: 'is closed'): void {
    const hasLink = this.#phase === 'opening' || this.#phase === 'greeting' || this.#phase === 'connected';
    this.#phase = 'closed';
    this.#cause = cause;
    this.#retryAt = this.#openDeadline = this.#pingAt = this.#renewAt = undefined;
    this.#pinged = undefined;
    this.#leaving.clear();
    this.#forgetNext();
    if (hasLink && !link) this.#effects.push({ do: 'drop', code: 1000 });
    for (const document of [...this.#documents.values()]) document.end(cause);
    this.#tell();
  }

  #send(text: string): void {
    this.#effects.push({ do: 'send', text });
  }

  #tell(): void {
    const state = this.state;
    const told = this.#told;
    const isSame = told !== undefined && (Object.keys(state) as (keyof ConnectionState)[]).every((k) => state[k] === told[k]);
    if (isSame) return;
    this.#told = state;
    this.#emit('state', state);
  }
}

/** The `exp` of a JWT in ms, if it is one and has it. It is not checked: only the gateway does that. */
export function jwtExpiry(token: string): number | undefined {
  const body = token.split('.')[1];
  if (body === undefined) return undefined;
  try {
    const claims: unknown = JSON.parse(atob(body.replace(/-/g, '+').replace(/_/g, '/')));
    const exp = (claims as { exp?: unknown } | null)?.exp;
    return typeof exp === 'number' ? exp * 1000 : undefined;
  } catch {
    return undefined;
  }
}

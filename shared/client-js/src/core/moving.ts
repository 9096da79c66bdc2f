// Make before break (C15), when a replica drains and when another transport is to be taken: while the present link goes on, the next one is opened and the documents are
// joined there; only when all of it stands does the client go over, in one step. Until then nothing of
// the present link has changed, so a next one that fails costs nothing.
//
//   drain ─► waiting ─► token ─► opening ─► greeting ─► arriving ─► gone over
//               ▲          │        │          │           │
//               └──────────┴────────┴──────────┴───────────┘ failed: after a pause, while the present one lives

import { Backoff } from './backoff.js';
import { digestOf } from './digest.js';
import type { ServerPacket } from './packets.js';
import { isSamePosition, nextPosition, type Position } from './position.js';
import type { Transport } from './transports.js';

/** How long a connection, and then a `welcome`, may take. */
export const NEXT_TIMEOUT_MS = 10_000;
/** How long it may take from the `welcome` until all documents are joined. */
export const ARRIVAL_TIMEOUT_MS = 5_000;
/** How long a document falls silent, at most, until what it asked is answered. */
export const SETTLE_MAX_MS = 1_000;
/** Packets of one document that are kept until the client goes over. */
const KEPT_MAX = 8_192;
const RETRY_MAX_MS = 10_000;
/** Who asked for another transport waits for so many attempts. */
const ATTEMPTS_MAX = 3;

/** Why to move. */
export type MovingCause =
  /** The replica is about to stop: it is tried as long as the link lives. */
  | 'drain'
  /** Another transport was asked for. */
  | 'asked'
  /** A better transport may work again: one attempt. */
  | 'better';

type DocumentPacket = Extract<ServerPacket, { document: string }>;

/** One document as the next link has it: what came is kept, and its chain is checked. */
export class Arrival {
  readonly kept: ServerPacket[] = [];
  readonly #verify: boolean;
  #reached: Position | undefined;
  #isJoined = false;
  /** It starts over there, from a reset or a first snapshot. */
  #restarts = false;

  constructor(readonly client: string | undefined, readonly since: Position | undefined, readonly receive: boolean, verify: boolean) {
    this.#reached = since;
    this.#verify = verify;
  }

  /** Keeps a packet; a text if nothing will come of this link. */
  take(packet: ServerPacket): string | undefined {
    switch (packet.type) {
      case 'entry': {
        const last = this.#reached;
        const { entry } = packet;
        if (last && isSamePosition(entry.position, last)) return undefined;
        if (last && entry.position.seq !== last.seq + 1) return 'the next link broke the order';
        if (last && this.#verify) {
          const digest = digestOf({ ...entry, payload: entry.payload.asBytes() });
          if (!isSamePosition(nextPosition(last, digest), entry.position)) return 'the next link broke the order';
        }
        this.#reached = entry.position;
        break;
      }
      case 'reset':
        this.#reached = packet.position;
        this.#restarts = true;
        this.#isJoined = false;
        break;
      case 'snapshot':
        this.#reached = packet.snapshot.position;
        this.#restarts = true;
        break;
      case 'joined':
        if (this.receive && this.#reached && !isSamePosition(this.#reached, packet.position)) return 'the next link broke the order';
        this.#reached = packet.position;
        this.#isJoined = true;
        break;
      case 'ended':
        this.#isJoined = true;
        break;
      case 'nack':
        return 'the log of the next link went back';
      case 'error':
        // The join goes on by itself.
        return packet.code === 'unavailable' ? undefined : `a document was not joined: ${packet.code}`;
      default:
        // The present link tells these.
        return undefined;
    }
    if (this.kept.length >= KEPT_MAX) return 'too much came before the client could go over';
    this.kept.push(packet);
    return undefined;
  }

  /** Whether the document can go over: then neither what is kept nor what comes later leaves a hole. */
  meets(shown: Position | undefined, hasShown: (position: Position) => boolean): boolean {
    if (!this.#isJoined) return false;
    if (!this.receive || !shown) return true;
    // What was shown since this join was asked is not what it starts with.
    if (!this.since) return false;
    if (this.#restarts || !this.#reached) return true;
    return this.#reached.seq >= shown.seq || hasShown(this.#reached);
  }
}

/** How far the next link is. */
export class Moving {
  stage: 'waiting' | 'token' | 'opening' | 'greeting' | 'arriving' = 'waiting';
  readonly arrivals = new Map<string, Arrival>();
  welcome: Extract<ServerPacket, { type: 'welcome' }> | undefined;
  settleAt: number | undefined;
  /** The token of the hello. */
  token: string | undefined;
  /** The next link drains as well: when to go on from there. It says so once. */
  againAt: number | undefined;
  readonly #retries: Backoff;
  #deadline: number | undefined;
  #attempts = 0;

  constructor(random: () => number, deadline: number, readonly transport: Transport, public cause: MovingCause = 'drain') {
    this.#retries = new Backoff(random, 100, RETRY_MAX_MS);
    this.#deadline = deadline;
  }

  /** Whether there is a socket, or will be. */
  get hasLink(): boolean {
    return this.stage !== 'waiting' && this.stage !== 'token';
  }

  get deadline(): number | undefined {
    return this.#deadline;
  }

  enter(stage: 'token' | 'opening' | 'greeting', now: number): void {
    this.stage = stage;
    // The source of tokens takes as long as it takes.
    this.#deadline = stage === 'token' ? undefined : now + NEXT_TIMEOUT_MS;
  }

  arrive(welcome: Extract<ServerPacket, { type: 'welcome' }>, now: number): void {
    this.stage = 'arriving';
    this.welcome = welcome;
    this.settleAt = now + SETTLE_MAX_MS;
    this.#deadline = now + ARRIVAL_TIMEOUT_MS;
  }

  /** Whether it is not tried any more. */
  get isGivenUp(): boolean {
    return this.#attempts >= (this.cause === 'drain' ? Infinity : this.cause === 'asked' ? ATTEMPTS_MAX : 1);
  }

  postpone(now: number): void {
    this.#attempts += 1;
    this.stage = 'waiting';
    this.arrivals.clear();
    this.welcome = this.settleAt = this.againAt = undefined;
    this.#deadline = now + this.#retries.next();
  }
}

/** What is kept of `arrival` and was not shown yet, as if it had come after `shown`. */
export function unseen(arrival: Arrival, shown: Position | undefined): ServerPacket[] {
  let from = arrival.receive ? shown : undefined;
  const packets: ServerPacket[] = [];
  for (const packet of arrival.kept as DocumentPacket[]) {
    if (packet.type === 'reset' || packet.type === 'snapshot') from = undefined;
    // The last one that was shown is compared; it stands for all before it.
    if (packet.type === 'entry' && from && packet.entry.position.seq < from.seq) continue;
    // The join ended before what was shown meanwhile, which comes here once more.
    const isBehind = packet.type === 'joined' && from !== undefined && packet.position.seq < from.seq;
    packets.push(isBehind && from ? { ...packet, position: from } : packet);
  }
  return packets;
}

// What the application hears. Each event of a document comes in the order of its log.

import type { Entry, Nack, Participant, ResetCause, Role, Signal, Snapshot } from './packets.js';
import type { Payload } from './payload.js';
import type { Position } from './position.js';
import type { Transport } from './transports.js';
import type { LostRange, OwnEntry } from './writer.js';

/** The connection as a whole. */
export type ConnectionPhase = 'idle' | 'connecting' | 'connected' | 'waiting' | 'closed';

export interface ConnectionState {
  readonly phase: ConnectionPhase;
  /** The replica that answers, while connected. */
  readonly replica: string | undefined;
  readonly subject: string | undefined;
  /** What the present link is, while connected. */
  readonly transport: Transport | undefined;
  /** The latest round trip to it; unknown over `sse`. */
  readonly roundTripMs: number | undefined;
  /** While waiting: when the next attempt is made, in the driver's clock. */
  readonly retryAt: number | undefined;
  /** Why the last connection ended: a code of the error table, or a close code. */
  readonly cause: string | undefined;
}

/** One document on the connection. */
export type DocumentPhase =
  /** No link, or not asked yet. */
  | 'offline'
  | 'joining'
  | 'joined'
  /** The gateway refused it, or revoked it; `cause` says why. */
  | 'ended';

export interface DocumentState {
  readonly phase: DocumentPhase;
  /** The last position that was delivered. */
  readonly position: Position | undefined;
  readonly role: Role | undefined;
  /** Entries that are not acknowledged yet. */
  readonly unacknowledged: number;
  /** Whether the writer waits to go on under a new identity. */
  readonly isRenewing: boolean;
  readonly cause: string | undefined;
}

export interface EntryEvent extends Entry {
  /** The own entry that this is, by the id that `append` gave; only while it is held. */
  readonly own: number | undefined;
}

export interface ResetEvent {
  /** `undefined`: the first join starts from a snapshot. */
  readonly cause: ResetCause | undefined;
  /** What was delivered so far is void; the content starts here. */
  readonly position: Position;
  readonly snapshot: Snapshot | undefined;
}

export interface AckEvent {
  readonly own: OwnEntry;
  /** At or after the entry's own position. */
  readonly position: Position | undefined;
}

export interface NackEvent {
  readonly own: OwnEntry | undefined;
  readonly nack: Nack;
  /** Whether the client sends it again by itself. */
  readonly isRetried: boolean;
}

export interface ErrorEvent {
  readonly code: string;
  readonly detail: string;
}

export interface AccessEvent {
  readonly subject: string;
  readonly action: string | undefined;
  readonly position: Position;
}

/** Who is there: all of them, or who came and went since. */
export interface ParticipantsEvent {
  readonly what: 'present' | 'entered' | 'left';
  readonly participants: readonly Participant[];
}

export interface DocumentEvents {
  readonly entry: EntryEvent;
  readonly reset: ResetEvent;
  readonly ack: AckEvent;
  readonly nack: NackEvent;
  readonly lost: LostRange;
  readonly signal: Signal;
  readonly state: DocumentState;
  readonly access: AccessEvent;
  /** Only while somebody watches: see `Document.presence`. */
  readonly participants: ParticipantsEvent;
  /** The gateway asks for a snapshot: the option `snapshot` is asked by itself. */
  readonly snapshot_due: { readonly position: Position };
  /** This client's snapshot was accepted. */
  readonly snapshot_put: { readonly position: Position };
  readonly error: ErrorEvent;
}

export interface ConnectionEvents {
  readonly state: ConnectionState;
  readonly error: ErrorEvent;
}

/** May give an entry of the lost tail another wording before it is sent again (default: as it was). */
export type RewriteLost = (own: OwnEntry, position: Position | undefined) => Payload | undefined;

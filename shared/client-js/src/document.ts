// One joined document, as the application has it: it decides nothing, the core does.

import { Comments } from './comments.js';
import type { DocumentCore, DocumentOptions, EmitDocument } from './core/document.js';
import type { DocumentEvents, DocumentState, ParticipantsEvent } from './core/events.js';
import { appendWithin, type AnchorAt } from './core/packets.js';
import { Payload } from './core/payload.js';
import { formatPosition, type Position } from './core/position.js';
import { Emitter } from './emitter.js';
import { GatewayProblem, Http } from './http.js';
import { Presence } from './presence.js';

export interface AppendOptions {
  /** What the entry is to the application (default `edit`). */
  readonly kind?: string;
  readonly contentType?: string;
}

export interface SignalOptions extends AppendOptions {
  /** The position at which it is true (default: the last one delivered). */
  readonly position?: Position;
}

/** The entry was not taken: `code` says why. */
export class AppendRefused extends Error {
  override readonly name = 'AppendRefused';

  /**
   * `invalid`: a field is not permitted. `too_large`: the payload is, or no message of the gateway's
   * size carries it. `not_open`: the document ended, or is only read. `queue_full`: too much waits.
   */
  constructor(readonly code: 'invalid' | 'too_large' | 'not_open' | 'queue_full', message: string) {
    super(message);
  }
}

/** The content at a position: exactly the entries up to there, nothing that is not in the log yet. */
export interface OfferedSnapshot {
  readonly position: Position;
  /** A {@link Payload}, or any JSON value. */
  readonly payload: unknown;
  /** `application/json` if absent. */
  readonly contentType?: string | undefined;
  /** Where the open anchored comments are at that position, by their ids. */
  readonly anchors?: Readonly<Record<string, AnchorAt>> | undefined;
}

/** `undefined`: not now; the gateway asks again. */
export type MakeSnapshot = () => OfferedSnapshot | undefined;

export interface JoinOptions extends DocumentOptions {
  /** Asked when the gateway wants a snapshot, so that later joins are short and the log can be trimmed. */
  readonly snapshot?: MakeSnapshot | undefined;
}

const KIND = /^[A-Za-z0-9._-]{1,64}$/;
const CONTENT_TYPE = /^[\x20-\x7e]{1,127}$/;


/** What is used of the connection. */
export interface Gateway {
  /** Lets something happen in the core. */
  readonly run: (happen: (now: number) => void) => void;
  readonly leave: (core: DocumentCore, now: number) => void;
  /** What it said that it takes. */
  readonly limits: { readonly payloadBytesMax: number; readonly messageBytesMax: number };
  readonly http: Http;
}

/** One joined document. */
export class Document extends Emitter<DocumentEvents> {
  readonly #gateway: Gateway;
  readonly #core: DocumentCore;
  #comments: Comments | undefined;
  #presence: Presence | undefined;
  #snapshot: MakeSnapshot | undefined;

  /** Only {@link Client.join} makes one. */
  constructor(gateway: Gateway, options: JoinOptions, join: (emit: EmitDocument) => DocumentCore) {
    super();
    this.#gateway = gateway;
    this.#snapshot = options.snapshot;
    this.#core = join((name, event) => {
      this.dispatch(name, event);
      if (name === 'participants') this.#presence?.heard(event as ParticipantsEvent);
      else if (name === 'snapshot_due') this.#offer();
    });
  }

  get id(): string {
    return this.#core.id;
  }

  get state(): DocumentState {
    return this.#core.state;
  }

  /** The writer's present identity; a new one may be taken while the document is joined. */
  get client(): string | undefined {
    return this.#core.client;
  }

  /** Writes a JSON value. It is kept and sent until it is acknowledged; returns its id for the events. */
  append(value: unknown, options: AppendOptions = {}): number {
    return this.#append(Payload.json(value), options, 'application/json');
  }

  appendText(text: string, options: AppendOptions = {}): number {
    return this.#append(Payload.text(text), options, 'text/plain; charset=utf-8');
  }

  appendBytes(bytes: Uint8Array, options: AppendOptions = {}): number {
    return this.#append(Payload.bytes(bytes), options, 'application/octet-stream');
  }

  /** Sends what is ephemeral, if it can go out now: the latest counts, nothing is kept. */
  signal(value: unknown, options: SignalOptions = {}): boolean {
    const kind = options.kind ?? 'cursor';
    let isSent = false;
    this.#gateway.run(() => {
      isSent = this.#core.signal(kind, options.contentType ?? 'application/json', Payload.json(value), options.position);
    });
    return isSent;
  }

  /** The comments of the document. They are read when this is first used, and kept from then on. */
  get comments(): Comments {
    this.#comments ??= new Comments(this, (position) =>
      this.#gateway.http.json('GET', Http.document(this.id, 'comments'), {
        query: [['min_position', position && formatPosition(position)]],
      }).catch((error: unknown) => {
        // Nobody has written anything yet.
        if (error instanceof GatewayProblem && error.code === 'unknown_document') return [];
        throw error;
      }));
    return this.#comments;
  }

  /** Who is there, from now until `stop`. */
  presence(): Presence {
    this.#presence ??= new Presence(() => {
      this.#presence = undefined;
      this.#gateway.run(() => this.#core.watchPresence(false));
    });
    this.#gateway.run(() => this.#core.watchPresence(true));
    return this.#presence;
  }

  /** From now on `make` is asked whenever the gateway wants a snapshot. Returns what ends it. */
  offerSnapshots(make: MakeSnapshot): () => void {
    this.#snapshot = make;
    return () => {
      if (this.#snapshot === make) this.#snapshot = undefined;
    };
  }

  /**
   * Offers the content at a position, unasked: the answer is `snapshot_put`, or an `error`. Whether it
   * could go out. Without `anchors`, {@link Comments} says where the open comments are.
   */
  putSnapshot(offered: OfferedSnapshot): boolean {
    const { position, payload, contentType } = offered;
    const anchors = offered.anchors ?? this.#comments?.anchorsAt(position);
    if (this.#comments && anchors === undefined) return false;
    let isSent = false;
    this.#gateway.run(() => {
      isSent = this.#core.putSnapshot(
        { position, contentType: contentType ?? 'application/json', payload: payload instanceof Payload ? payload : Payload.json(payload) }, anchors,
      );
    });
    return isSent;
  }

  #offer(): void {
    const offered = this.#snapshot?.();
    if (offered) this.putSnapshot(offered);
  }

  /** Leaves for good. What is not acknowledged is told as lost. */
  leave(): void {
    this.#gateway.run((now) => this.#gateway.leave(this.#core, now));
  }

  #append(payload: Payload, options: AppendOptions, defaultType: string): number {
    const kind = options.kind ?? 'edit';
    const contentType = options.contentType ?? defaultType;
    if (!KIND.test(kind)) throw new AppendRefused('invalid', 'a kind is 1 to 64 of A-Z a-z 0-9 . _ -');
    if (!CONTENT_TYPE.test(contentType)) throw new AppendRefused('invalid', 'a content type is 1 to 127 printable ASCII characters');
    const { payloadBytesMax, messageBytesMax } = this.#gateway.limits;
    if (payload.byteLength > payloadBytesMax) {
      throw new AppendRefused('too_large', `the payload has ${payload.byteLength} bytes, the gateway takes ${payloadBytesMax}`);
    }
    // Under the longest number: it may be sent under any.
    if (appendWithin(messageBytesMax, this.id, Number.MAX_SAFE_INTEGER, kind, contentType, payload) === undefined) {
      throw new AppendRefused('too_large', `no message of ${messageBytesMax} bytes carries the payload`);
    }
    let id: number | undefined;
    this.#gateway.run((now) => {
      id = this.#core.append(kind, contentType, payload, now)?.id;
    });
    if (id === undefined) {
      if (!this.#core.isOpen) throw new AppendRefused('not_open', 'the document ended, or is only read');
      throw new AppendRefused('queue_full', 'too much waits to be sent');
    }
    return id;
  }
}


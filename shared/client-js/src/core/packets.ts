// The packets of `inkwire.v1.json`. What comes in is checked here, once; nobody checks it again.

import { utf8 } from './bytes.js';
import { memberText } from './members.js';
import { Payload } from './payload.js';
import { formatPosition, parsePosition, type Position } from './position.js';
import { parseDigests, type ClientRow } from './row.js';

export const SUB_PROTOCOL = 'inkwire.v1.json';

export type Role = 'viewer' | 'reviewer' | 'writer' | 'owner';
/** The log of what concerns the session's own subject, under the name by which it is joined. */
export const NOTIFICATIONS = '$notifications';

export type ResetCause = 'trimmed' | 'diverged' | 'deleted';

export interface Snapshot {
  readonly position: Position;
  readonly contentType: string;
  readonly payload: Payload;
}

/** One sequenced message of a document. */
export interface Entry {
  readonly position: Position;
  /** Milliseconds since 1970-01-01 UTC. */
  readonly at: number;
  readonly author: string;
  readonly client: string;
  readonly clientSeq: number;
  readonly kind: string;
  readonly contentType: string;
  readonly payload: Payload;
  readonly traceparent: string | undefined;
}

/** What is ephemeral: cursor, selection, typing. */
export interface Signal {
  readonly author: string;
  readonly client: string | undefined;
  readonly kind: string;
  readonly contentType: string;
  readonly payload: Payload;
  /** The position at which it was true. */
  readonly position: Position | undefined;
}

/** Who is in a document: a client with all its sessions. */
export interface Participant {
  /** Its client, or its session where that joined without one. */
  readonly id: string;
  readonly subject: string;
  /** Not said of one who left. */
  readonly role: Role | undefined;
  /** Milliseconds since 1970-01-01 UTC. */
  readonly since: number | undefined;
}

/** Where an anchor of a comment lies at a snapshot's position. */
export type AnchorAt = { readonly start: number; readonly end: number } | 'orphaned';

/** Why an entry was not appended. */
export type Nack =
  | { readonly code: 'gap'; readonly expected: number; readonly row: ClientRow | undefined }
  | { readonly code: 'unknown_client' }
  | { readonly code: 'client_conflict'; readonly row: ClientRow | undefined }
  | { readonly code: 'forbidden'; readonly need: string | undefined }
  | { readonly code: 'too_large'; readonly maxBytes: number | undefined }
  | { readonly code: 'throttled' | 'unavailable'; readonly afterMs: number }
  | { readonly code: 'log_full' }
  | { readonly code: 'revoked' }
  | { readonly code: 'invalid'; readonly why: string | undefined };

export type ServerPacket =
  | {
      readonly type: 'welcome';
      readonly session: string;
      readonly replica: string;
      readonly subject: string;
      readonly heartbeatMs: number;
      readonly payloadBytesMax: number;
      readonly messageBytesMax: number | undefined;
      readonly landingMs: number | undefined;
    }
  | { readonly type: 'authenticated'; readonly expiresAt: number | undefined }
  | {
      readonly type: 'joined';
      readonly document: string;
      readonly position: Position;
      readonly role: Role;
      readonly subject: string;
      readonly row: ClientRow | undefined;
    }
  | { readonly type: 'left'; readonly document: string }
  | { readonly type: 'entry'; readonly document: string; readonly entry: Entry }
  | { readonly type: 'signal'; readonly document: string; readonly signal: Signal }
  | {
      readonly type: 'ack';
      readonly document: string;
      readonly clientSeq: number;
      readonly position: Position;
      readonly duplicate: boolean;
    }
  | { readonly type: 'nack'; readonly document: string; readonly clientSeq: number | undefined; readonly nack: Nack }
  | {
      readonly type: 'reset';
      readonly document: string;
      readonly cause: ResetCause;
      readonly position: Position;
      readonly row: ClientRow | undefined;
      readonly snapshot: Snapshot | undefined;
    }
  | { readonly type: 'snapshot'; readonly document: string; readonly snapshot: Snapshot }
  | { readonly type: 'ended'; readonly document: string; readonly code: string }
  | {
      readonly type: 'access_changed';
      readonly document: string;
      readonly subject: string;
      readonly action: string | undefined;
      readonly position: Position;
    }
  | {
      readonly type: 'error';
      readonly code: string;
      readonly document: string | undefined;
      readonly detail: string;
      readonly afterMs: number | undefined;
      readonly need: string | undefined;
    }
  | {
      readonly type: 'presence' | 'participants_entered' | 'participants_left';
      readonly document: string;
      readonly participants: readonly Participant[];
    }
  /** The log is over its threshold: whoever has the content puts a snapshot. */
  | { readonly type: 'snapshot_due'; readonly document: string; readonly position: Position }
  | { readonly type: 'snapshot_put'; readonly document: string; readonly position: Position }
  | { readonly type: 'pong'; readonly id: number }
  /** This replica is about to stop: open another connection within this time. */
  | { readonly type: 'drain'; readonly afterMs: number }
  /** A packet of a later version: nothing depends on it. */
  | { readonly type: 'unknown'; readonly name: string };

/** What came in is no packet of this protocol. */
export class PacketFault extends Error {
  override readonly name = 'PacketFault';
}

export function hello(token: string | undefined): string {
  return JSON.stringify({ type: 'hello', token });
}

export function auth(token: string): string {
  return JSON.stringify({ type: 'auth', token });
}

export function join(document: string, since: Position | undefined, client: string | undefined, receive: boolean): string {
  return JSON.stringify({ type: 'join', document, since: since && formatPosition(since), client, receive });
}

export function leave(document: string): string {
  return JSON.stringify({ type: 'leave', document });
}

export function append(document: string, clientSeq: number, kind: string, contentType: string, payload: Payload): string {
  return appendWith(payload.member(), document, clientSeq, kind, contentType);
}

/** The `append` in a form of at most `bytesMax`; `undefined` if it has none. */
export function appendWithin(
  bytesMax: number, document: string, clientSeq: number, kind: string, contentType: string, payload: Payload,
): string | undefined {
  const plain = append(document, clientSeq, kind, contentType, payload);
  if (isWithin(bytesMax, plain)) return plain;
  // Escapes take up to six bytes for one, Base64 four for three. The bytes of the payload are the same.
  const base64 = appendWith(payload.memberAsBase64(), document, clientSeq, kind, contentType);
  return isWithin(bytesMax, base64) ? base64 : undefined;
}

function appendWith(member: string, document: string, clientSeq: number, kind: string, contentType: string): string {
  const head = JSON.stringify({ type: 'append', document, client_seq: clientSeq, kind, content_type: contentType });
  return `${head.slice(0, -1)},${member}}`;
}

/** Whether the text has at most so many bytes. */
export function isWithin(bytesMax: number, text: string): boolean {
  // A unit of UTF-16 has at most three bytes: most texts need not be encoded to be measured.
  return text.length * 3 <= bytesMax || (text.length <= bytesMax && utf8(text).length <= bytesMax);
}

export function signal(document: string, kind: string, contentType: string, payload: Payload, position: Position | undefined): string {
  const head = JSON.stringify({
    type: 'signal', document, kind, content_type: contentType, position: position && formatPosition(position),
  });
  return `${head.slice(0, -1)},${payload.member()}}`;
}

export function revoke(document: string, subject: string): string {
  return JSON.stringify({ type: 'revoke', document, subject });
}

export function grant(document: string, subject: string): string {
  return JSON.stringify({ type: 'grant', document, subject });
}

export function presence(document: string, watch: boolean): string {
  return JSON.stringify({ type: 'presence', document, watch });
}

export function putSnapshot(document: string, snapshot: Snapshot, anchors: Readonly<Record<string, AnchorAt>> | undefined): string {
  const head = JSON.stringify({
    type: 'put_snapshot', document, position: formatPosition(snapshot.position), content_type: snapshot.contentType, anchors,
  });
  return `${head.slice(0, -1)},${snapshot.payload.member()}}`;
}

export function ping(id: number): string {
  return JSON.stringify({ type: 'ping', id });
}

/** Parses one text message of the gateway; throws a {@link PacketFault}. */
export function parsePacket(text: string): ServerPacket {
  const fields = new Fields(text);
  const type = fields.text('type');
  const document = (): string => fields.text('document');
  switch (type) {
    case 'welcome':
      return {
        type,
        session: fields.text('session'),
        replica: fields.text('replica'),
        subject: fields.text('subject'),
        heartbeatMs: fields.number('heartbeat_ms'),
        payloadBytesMax: fields.number('payload_bytes_max'),
        messageBytesMax: fields.optionalNumber('message_bytes_max'),
        landingMs: fields.optionalNumber('landing_ms'),
      };
    case 'authenticated':
      return { type, expiresAt: fields.optionalNumber('expires_at') };
    case 'joined':
      return {
        type,
        document: document(),
        position: fields.position('position'),
        role: fields.text('role') as Role,
        subject: fields.text('subject'),
        row: fields.row('client_seq'),
      };
    case 'left':
      return { type, document: document() };
    case 'entry':
      return {
        type,
        document: document(),
        entry: {
          position: fields.position('position'),
          at: fields.number('at'),
          author: fields.text('author'),
          client: fields.text('client'),
          clientSeq: fields.number('client_seq'),
          kind: fields.optionalText('kind') ?? 'edit',
          contentType: fields.optionalText('content_type') ?? 'application/json',
          payload: fields.payload(),
          traceparent: fields.optionalText('traceparent'),
        },
      };
    case 'signal':
      return {
        type,
        document: document(),
        signal: {
          author: fields.text('author'),
          client: fields.optionalText('client'),
          kind: fields.optionalText('kind') ?? 'edit',
          contentType: fields.optionalText('content_type') ?? 'application/json',
          payload: fields.payload(),
          position: fields.optionalPosition('position'),
        },
      };
    case 'ack':
      return {
        type,
        document: document(),
        clientSeq: fields.number('client_seq'),
        position: fields.position('position'),
        duplicate: fields.flag('duplicate'),
      };
    case 'nack':
      return { type, document: document(), clientSeq: fields.optionalNumber('client_seq'), nack: parseNack(fields) };
    case 'reset':
      return {
        type,
        document: document(),
        cause: fields.text('cause') as ResetCause,
        position: fields.position('position'),
        row: fields.row('client_seq'),
        snapshot: fields.nested('snapshot')?.snapshot(),
      };
    case 'snapshot':
      return { type, document: document(), snapshot: fields.snapshot() };
    case 'ended':
      return { type, document: document(), code: fields.text('code') };
    case 'access_changed':
      return {
        type,
        document: document(),
        subject: fields.text('subject'),
        action: fields.optionalText('action'),
        position: fields.position('position'),
      };
    case 'error':
      return {
        type,
        code: fields.text('code'),
        document: fields.optionalText('document'),
        detail: fields.optionalText('detail') ?? '',
        afterMs: fields.optionalNumber('after_ms'),
        need: fields.optionalText('need'),
      };
    case 'presence':
    case 'participants_entered':
    case 'participants_left':
      return { type, document: document(), participants: fields.list('participants').map(participant) };
    case 'snapshot_due':
    case 'snapshot_put':
      return { type, document: document(), position: fields.position('position') };
    case 'drain':
      return { type, afterMs: fields.number('after_ms') };
    case 'pong':
      return { type, id: fields.number('id') };
    default:
      return { type: 'unknown', name: type };
  }
}

function participant(fields: Fields): Participant {
  return {
    id: fields.text('id'),
    subject: fields.text('subject'),
    role: fields.optionalText('role') as Role | undefined,
    since: fields.optionalNumber('since'),
  };
}

function parseNack(fields: Fields): Nack {
  const code = fields.text('code');
  switch (code) {
    case 'gap':
      return { code, expected: fields.number('expected'), row: fields.row('row_client_seq') };
    case 'unknown_client':
    case 'log_full':
    case 'revoked':
      return { code };
    case 'client_conflict':
      return { code, row: fields.row('row_client_seq') };
    case 'forbidden':
      return { code, need: fields.optionalText('need') };
    case 'too_large':
      return { code, maxBytes: fields.optionalNumber('max_bytes') };
    case 'throttled':
    case 'unavailable':
      return { code, afterMs: fields.optionalNumber('after_ms') ?? 0 };
    default:
      return { code: 'invalid', why: fields.optionalText('why') ?? `refused with ${code}` };
  }
}

/** The members of one packet, each read as what it has to be. */
class Fields {
  readonly #source: string;
  readonly #members: Readonly<Record<string, unknown>>;

  constructor(source: string) {
    let value: unknown;
    try {
      value = JSON.parse(source);
    } catch {
      throw new PacketFault('the message is not JSON');
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new PacketFault('a packet is one JSON object');
    }
    this.#source = source;
    this.#members = value as Record<string, unknown>;
  }

  text(name: string): string {
    return this.optionalText(name) ?? this.#missing(name);
  }

  number(name: string): number {
    return this.optionalNumber(name) ?? this.#missing(name);
  }

  position(name: string): Position {
    return this.optionalPosition(name) ?? this.#missing(name);
  }

  flag(name: string): boolean {
    return this.#members[name] === true;
  }

  optionalText(name: string): string | undefined {
    const value = this.#members[name];
    if (value === undefined || value === null) return undefined;
    if (typeof value !== 'string') throw new PacketFault(`${name} is not a text`);
    return value;
  }

  optionalNumber(name: string): number | undefined {
    const value = this.#members[name];
    if (value === undefined || value === null) return undefined;
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
      throw new PacketFault(`${name} is not a whole number`);
    }
    return value;
  }

  optionalPosition(name: string): Position | undefined {
    const token = this.optionalText(name);
    if (token === undefined) return undefined;
    const position = parsePosition(token);
    if (!position) throw new PacketFault(`${name} is not a position`);
    return position;
  }

  payload(): Payload {
    const raw = memberText(this.#source, 'payload');
    if (raw !== undefined) return Payload.received('payload', raw);
    const text = this.optionalText('text');
    if (text !== undefined) return Payload.received('text', text);
    const base64 = this.optionalText('base64');
    if (base64 !== undefined) return Payload.received('base64', base64);
    return this.#missing('payload, text or base64');
  }

  /** The client's row; `counter` is the member with its number. */
  row(counter: string): ClientRow | undefined {
    const clientSeq = this.optionalNumber(counter);
    if (clientSeq === undefined) return undefined;
    const digests = parseDigests(this.optionalText('digests') ?? '');
    if (!digests) throw new PacketFault('digests are not 4-byte digests in hex');
    return { clientSeq, position: this.optionalPosition('row_position'), digests };
  }

  snapshot(): Snapshot {
    return {
      position: this.position('position'),
      contentType: this.optionalText('content_type') ?? 'application/json',
      payload: this.payload(),
    };
  }

  nested(name: string): Fields | undefined {
    const raw = memberText(this.#source, name);
    return raw === undefined || raw === 'null' ? undefined : new Fields(raw);
  }

  list(name: string): Fields[] {
    const value = this.#members[name];
    if (!Array.isArray(value)) throw new PacketFault(`${name} is not a list`);
    return value.map((item) => new Fields(JSON.stringify(item)));
  }

  #missing(name: string): never {
    throw new PacketFault(`${name} is missing`);
  }
}

// A gateway of one replica in memory, for tests: the log's rules (C1, C2), sessions with their gate,
// and faults on demand. It speaks `inkwire.v1.json`; it is kinder than the real one in nothing that
// a client can see, and knows no time.

import { digestOf, formatPosition, isSamePosition, nextPosition, parsePosition, Payload, shortDigest } from '../../src/core/index.js';
import type { Position } from '../../src/core/index.js';
import { memberText } from '../../src/core/members.js';

export interface LogEntry {
  readonly position: Position;
  readonly author: string;
  readonly client: string;
  readonly clientSeq: number;
  readonly kind: string;
  readonly contentType: string;
  readonly payload: Payload;
}

interface Row {
  clientSeq: number;
  position: Position;
  digests: string[];
}

type Json = Record<string, unknown>;

export class Log {
  base: Position;
  entries: LogEntry[] = [];
  rows = new Map<string, Row>();

  constructor(random: () => number = Math.random) {
    const hash = Array.from({ length: 16 }, () => Math.floor(random() * 16).toString(16)).join('');
    this.base = { seq: 0, hash };
  }

  get head(): Position {
    return this.entries[this.entries.length - 1]?.position ?? this.base;
  }

  holds(position: Position): boolean {
    if (isSamePosition(position, this.base)) return true;
    const entry = this.entries[position.seq - this.base.seq - 1];
    return entry !== undefined && isSamePosition(entry.position, position);
  }

  after(position: Position): LogEntry[] {
    return this.entries.slice(position.seq - this.base.seq);
  }

  row(author: string, client: string | undefined): Row | undefined {
    return client === undefined ? undefined : this.rows.get(`${author} ${client}`);
  }

  append(entry: Omit<LogEntry, 'position'>): { code: 'ack'; position: Position; duplicate: boolean } | { code: string; expected?: number; row?: Row } {
    const key = `${entry.author} ${entry.client}`;
    const row = this.rows.get(key);
    const digest = digestOf({ ...entry, payload: entry.payload.asBytes() });
    if (!row && entry.clientSeq !== 1) return { code: 'unknown_client' };
    const last = row?.clientSeq ?? 0;
    if (row && entry.clientSeq <= last) {
      const had = row.digests[row.digests.length - 1 - (last - entry.clientSeq)];
      if (had !== shortDigest(digest)) return { code: 'client_conflict', row };
      return { code: 'ack', position: row.position, duplicate: true };
    }
    if (entry.clientSeq > last + 1) return { code: 'gap', expected: last + 1, ...(row ? { row } : {}) };
    const position = nextPosition(this.head, digest);
    this.entries.push({ ...entry, position });
    this.rows.set(key, {
      clientSeq: entry.clientSeq,
      position,
      digests: [...(row?.digests ?? []), shortDigest(digest)].slice(-64),
    });
    return { code: 'ack', position, duplicate: false };
  }

  copy(): Log {
    const copy = new Log();
    copy.base = this.base;
    copy.entries = [...this.entries];
    copy.rows = new Map([...this.rows].map(([key, row]) => [key, { ...row, digests: [...row.digests] }]));
    return copy;
  }
}

interface Membership {
  readonly client: string | undefined;
  readonly receive: boolean;
  delivered: Position;
  /** The last position that was acknowledged here. */
  acknowledged: Position | undefined;
  shut: { number: number; expected: number | undefined } | undefined;
}

export class Session {
  /** Called when there is something in `out`. */
  onOutput: (() => void) | undefined;
  readonly out: string[] = [];
  subject = '';
  readonly memberships = new Map<string, Membership>();
  readonly #gateway: FakeGateway;
  isOpen = true;
  /** An event stream: it is told its client's row at every comparison. */
  isStream = false;

  constructor(gateway: FakeGateway) {
    this.#gateway = gateway;
  }

  say(packet: Json): void {
    if (!this.isOpen) return;
    this.out.push(JSON.stringify(packet));
    this.onOutput?.();
  }

  sayWithPayload(packet: Json, payload: Payload): void {
    if (!this.isOpen) return;
    this.out.push(`${JSON.stringify(packet).slice(0, -1)},${payload.member()}}`);
    this.onOutput?.();
  }

  /** One message of the client. */
  receive(text: string): void {
    const packet = JSON.parse(text) as Json;
    const document = String(packet['document']);
    switch (packet['type']) {
      case 'hello':
        this.subject = String(packet['token'] ?? 'anonymous');
        return this.say({ type: 'welcome', session: 's', replica: this.#gateway.replica, subject: this.subject, heartbeat_ms: 30_000, payload_bytes_max: 65_536 });
      case 'auth':
        return this.say({ type: 'authenticated' });
      case 'ping':
        return this.say({ type: 'pong', id: packet['id'] });
      case 'join':
        return this.#join(document, packet);
      case 'leave':
        this.memberships.delete(document);
        return this.say({ type: 'left', document });
      case 'append':
        return this.#append(document, packet, payloadOf(packet, text));
      case 'signal':
        return this.#gateway.signal(this, document, packet, payloadOf(packet, text));
      default:
        this.say({ type: 'error', code: 'unknown_packet', detail: '' });
    }
  }

  #join(document: string, packet: Json): void {
    const log = this.#gateway.log(document);
    const since = parsePosition(packet['since']);
    const membership: Membership = {
      client: packet['client'] as string | undefined, receive: packet['receive'] !== false,
      delivered: since ?? log.base, acknowledged: undefined, shut: undefined,
    };
    this.memberships.set(document, membership);
    this.catchUp(document, since !== undefined);
  }

  /** Delivers what the log holds, after a reset if its history is another one; then `joined`. */
  catchUp(document: string, mayReset: boolean): void {
    const log = this.#gateway.log(document);
    const membership = this.memberships.get(document);
    if (!membership) return;
    if (!log.holds(membership.delivered)) {
      if (mayReset) {
        this.say({ type: 'reset', document, cause: 'diverged', position: formatPosition(log.base), ...this.#row(log, membership, 'client_seq') });
      }
      membership.delivered = log.base;
    }
    this.deliver(document);
    membership.shut = undefined;
    this.say({ type: 'joined', document, position: formatPosition(log.head), role: 'writer', subject: this.subject, ...this.#row(log, membership, 'client_seq') });
  }

  deliver(document: string): void {
    const membership = this.memberships.get(document);
    if (!membership) return;
    for (const entry of this.#gateway.log(document).after(membership.delivered)) {
      membership.delivered = entry.position;
      if (membership.receive) this.sayWithPayload(this.#entry(document, entry), entry.payload);
    }
  }

  /** The log was replaced by an older one: forks are reset, lost acknowledgements told. */
  compare(document: string): void {
    const membership = this.memberships.get(document);
    if (!membership) return;
    const log = this.#gateway.log(document);
    if (!log.holds(membership.delivered)) return this.catchUp(document, true);
    this.deliver(document);
    if (this.isStream) this.say({ type: 'row', document, ...this.#row(log, membership, 'client_seq') });
    if (membership.acknowledged && !log.holds(membership.acknowledged)) {
      membership.acknowledged = undefined;
      const expected = (log.row(this.subject, membership.client)?.clientSeq ?? 0) + 1;
      membership.shut = { number: expected, expected };
      this.say({ type: 'nack', document, code: 'gap', expected, ...this.#row(log, membership, 'row_client_seq') });
    }
  }

  #append(document: string, packet: Json, payload: Payload): void {
    const membership = this.memberships.get(document);
    if (!membership?.client) return this.say({ type: 'error', code: 'not_joined', document, detail: 'join first' });
    const clientSeq = Number(packet['client_seq']);
    const { shut } = membership;
    if (shut) {
      if (clientSeq === shut.number || clientSeq === shut.expected) membership.shut = undefined;
      else if (clientSeq > shut.number) return;
    }
    const refuse = (nack: Json): void => {
      membership.shut = { number: clientSeq, expected: nack['expected'] as number | undefined };
      this.say({ type: 'nack', document, client_seq: clientSeq, ...nack });
    };
    const fault = this.#gateway.faultBefore?.(clientSeq);
    if (fault) return refuse(fault);
    const answer = this.#gateway.log(document).append({
      author: this.subject, client: membership.client, clientSeq,
      kind: String(packet['kind'] ?? 'edit'), contentType: String(packet['content_type'] ?? 'application/json'), payload,
    });
    this.#gateway.appended?.(document);
    if ('position' in answer) {
      if (this.#gateway.loseReply?.()) return refuse({ code: 'unavailable', after_ms: 10 });
      membership.acknowledged = answer.position;
      this.say({ type: 'ack', document, client_seq: clientSeq, position: formatPosition(answer.position), duplicate: answer.duplicate });
      return this.#gateway.announce(document);
    }
    const { row, ...rest } = answer;
    refuse({ ...rest, ...(row ? rowFields(row, 'row_client_seq') : {}) });
  }

  #entry(document: string, entry: LogEntry): Json {
    return {
      type: 'entry', document, position: formatPosition(entry.position), at: 0, author: entry.author, client: entry.client,
      client_seq: entry.clientSeq, kind: entry.kind, content_type: entry.contentType,
    };
  }

  #row(log: Log, membership: Membership, counter: string): Json {
    const row = log.row(this.subject, membership.client);
    return row ? rowFields(row, counter) : {};
  }
}

export class FakeGateway {
  replica = 'fake-1';
  readonly logs = new Map<string, Log>();
  readonly sessions = new Set<Session>();
  readonly #random: () => number;
  /** A refusal instead of the append. */
  faultBefore: ((clientSeq: number) => Json | undefined) | undefined;
  /** Whether the answer to an append gets lost between the log and the replica. */
  loseReply: (() => boolean) | undefined;
  appended: ((document: string) => void) | undefined;
  /** Whether sessions hear of an append at once; otherwise call `announce`. */
  isEager = true;

  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  log(document: string): Log {
    const log = this.logs.get(document) ?? new Log(this.#random);
    this.logs.set(document, log);
    return log;
  }

  open(): Session {
    const session = new Session(this);
    this.sessions.add(session);
    return session;
  }

  end(session: Session): void {
    session.isOpen = false;
    session.memberships.clear();
    this.sessions.delete(session);
  }

  announce(document: string): void {
    if (!this.isEager) return;
    for (const session of this.sessions) {
      const membership = session.memberships.get(document);
      if (membership && this.log(document).holds(membership.delivered)) session.deliver(document);
    }
  }

  signal(from: Session, document: string, packet: Json, payload: Payload): void {
    const own = from.memberships.get(document)?.client;
    for (const session of this.sessions) {
      const membership = session.memberships.get(document);
      if (!membership || session === from || (own !== undefined && membership.client === own)) continue;
      session.sayWithPayload(
        { type: 'signal', document, author: from.subject, client: own, kind: packet['kind'], content_type: packet['content_type'], position: packet['position'] },
        payload,
      );
    }
  }

  /** A failover: the log is an older one now. */
  rollBack(document: string, older: Log): void {
    this.logs.set(document, older.copy());
  }

  compareAll(document: string): void {
    for (const session of this.sessions) session.compare(document);
  }
}

function payloadOf(packet: Json, text: string): Payload {
  const raw = memberText(text, 'payload');
  if (raw !== undefined) return Payload.received('payload', raw);
  if (typeof packet['text'] === 'string') return Payload.received('text', packet['text']);
  return Payload.received('base64', String(packet['base64'] ?? ''));
}

function rowFields(row: Row, counter: string): Json {
  return { [counter]: row.clientSeq, row_position: formatPosition(row.position), digests: row.digests.join('') };
}

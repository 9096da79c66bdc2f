// Event streams downwards and requests upwards, spoken to as a session of the native protocol: each
// packet of the core becomes a request or another stream, each event is a packet already.
//
// A stream's documents are fixed when it is opened. When they change, the next one is opened from where
// each document is, and the present one is dropped at the next one's first event: what both deliver comes
// once, since a document passes on nothing below its position.

import { POSTS_BLOCKED } from '../core/connection.js';
import type { Planned } from '../core/document.js';
import { memberText } from '../core/members.js';
import { NOTIFICATIONS } from '../core/packets.js';
import { formatPosition, isSamePosition, parsePosition, type Position } from '../core/position.js';
import { EventParser } from './event-parser.js';
import { HttpLink, type Answer, type HttpWire } from './link.js';
import { jsonObject, Posting } from './posting.js';

type Json = Record<string, unknown>;

/** A stream says something every 20 s. */
const SILENCE_MAX_MS = 50_000;
/** Documents of one stream. */
const DOCUMENTS_MAX = 32;

/** One document, from its `join` (or since it was foreseen) to its `leave`. */
class Member {
  /** Whether the core asked for it: what comes before waits. */
  isAsked = false;
  readonly held: string[] = [];
  presence = false;
  isGone = false;
  /** The last position that was passed on. */
  passed: Position | undefined;
  /** Told by a `joined` of this membership. */
  isJoined = false;

  constructor(
    readonly document: string, readonly client: string | undefined, readonly receive: boolean,
    readonly since: Position | undefined, readonly posting: Posting | undefined,
  ) {
    this.passed = since;
  }
}

interface Stream {
  readonly covers: ReadonlyMap<string, Member>;
  readonly presence: boolean;
  isWelcomed: boolean;
  heardAt: number;
  giveUp: () => void;
}

/** Documents that one stream can carry: those of one client. */
class Group {
  readonly members = new Map<string, Member>();
  present: Stream | undefined;
  next: Stream | undefined;
  isScheduled = false;

  constructor(readonly client: string | undefined, readonly isOfNotifications: boolean) {}
}

export class SseLink extends HttpLink {
  readonly #wire: HttpWire;
  readonly #planned: () => readonly Planned[];
  readonly #groups = new Map<string, Group>();
  #token: string | undefined;
  #isWelcomed = false;
  #isDraining = false;
  /** Only to learn who answers, as long as there is nothing to read. */
  #greeting: Stream | undefined;
  readonly #requests = new Set<() => void>();
  readonly #signals = new Map<string, { isSending: boolean; next: string | undefined }>();

  /** `planned` says what is going to be joined, so that the first stream carries it. */
  constructor(wire: HttpWire, planned: () => readonly Planned[]) {
    super();
    this.#wire = wire;
    this.#planned = planned;
    wire.soon(() => this.opened());
  }

  send(text: string): void {
    const packet = jsonObject(text);
    if (!packet || this.isClosed) return;
    const document = String(packet['document']);
    switch (packet['type']) {
      case 'hello':
        return this.#hello(packet['token'] as string | undefined);
      case 'auth':
        return this.#renew(String(packet['token']));
      case 'ping':
        return this.#ping(packet['id']);
      case 'join':
        return this.#join(document, packet);
      case 'leave':
        return this.#leave(document);
      case 'append':
        return this.#member(document)?.posting?.append(Number(packet['client_seq']), entryOf(packet, text));
      case 'signal':
        return this.#signal(document, packet, text);
      case 'presence':
        return this.#watch(document, packet['watch'] !== false);
      case 'put_snapshot':
        return this.#putSnapshot(document, packet, text);
      case 'revoke':
      case 'grant':
        return this.#changeAccess(document, String(packet['subject']), packet['type']);
      default:
    }
  }

  protected override end(): void {
    for (const group of this.#groups.values()) {
      group.present?.giveUp();
      group.next?.giveUp();
      for (const member of group.members.values()) {
        member.isGone = true;
        member.posting?.end();
      }
    }
    this.#greeting?.giveUp();
    for (const giveUp of [...this.#requests]) giveUp();
  }

  // --- the session

  #hello(token: string | undefined): void {
    this.#token = token;
    for (const { document, client, receive, since, presence } of this.#planned()) {
      const member = this.#newMember(document, client, receive, since);
      if (member) member.presence = presence;
    }
    if (this.#groups.size === 0) this.#greet();
    for (const group of this.#groups.values()) this.#open(group);
  }

  #greet(): void {
    this.#greeting = this.#stream('/v1/notifications', new Map(), false, (answer) => this.#refused(answer));
  }

  #renew(token: string): void {
    this.#token = token;
    this.say(JSON.stringify({ type: 'authenticated' }));
    // The streams end with the token that opened them.
    for (const group of this.#groups.values()) this.#schedule(group);
  }

  #ping(id: unknown): void {
    const now = this.#wire.now();
    const streams = [...this.#groups.values()].map(({ present }) => present).filter((stream) => stream !== undefined);
    // Without an answer the core counts the link as dead.
    if (streams.every(({ heardAt }) => now - heardAt < SILENCE_MAX_MS)) this.say(JSON.stringify({ type: 'pong', id }));
  }

  /** A stream was refused before its first event. */
  #refused(answer: Answer): void {
    const code = jsonObject(answer.text)?.['code'];
    if (answer.status === 401) return this.lose(4401, String(code ?? 'unauthenticated'));
    // The gateway itself says that it is too much now; another's page says that it does not get through.
    this.lose(typeof code === 'string' && (answer.status === 429 || answer.status === 503) ? 1013 : 1006, String(code ?? `http_${answer.status}`));
  }

  // --- documents

  #newMember(document: string, client: string | undefined, receive: boolean, since: Position | undefined): Member | undefined {
    const isOfNotifications = document === NOTIFICATIONS;
    const key = isOfNotifications ? document : (client ?? '');
    const group = this.#groups.get(key) ?? new Group(isOfNotifications ? undefined : client, isOfNotifications);
    if (group.members.size >= DOCUMENTS_MAX) return undefined;
    this.#groups.set(key, group);
    const postman = {
      wire: this.#wire,
      token: () => this.#token,
      say: (packet: Json) => {
        if (!member.isGone) this.say(JSON.stringify(packet));
      },
      blocked: () => this.lose(POSTS_BLOCKED, 'posts_blocked'),
    };
    const posting = client === undefined ? undefined : new Posting(postman, document, client);
    const member = new Member(document, client, receive, since, posting);
    group.members.set(document, member);
    return member;
  }

  #groupOf(member: Member): Group | undefined {
    return [...this.#groups.values()].find((group) => group.members.get(member.document) === member);
  }

  #member(document: string): Member | undefined {
    for (const group of this.#groups.values()) {
      const member = group.members.get(document);
      if (member) return member;
    }
    return undefined;
  }

  #join(document: string, packet: Json): void {
    const client = typeof packet['client'] === 'string' ? packet['client'] : undefined;
    const receive = packet['receive'] !== false;
    const since = parsePosition(packet['since']);
    const planned = this.#member(document);
    // From another place it is asked anew: the row that came is older than what was acknowledged since.
    const isFromThere = planned?.since === since || (planned?.since !== undefined && since !== undefined && isSamePosition(planned.since, since));
    const fits = planned && !planned.isAsked && planned.client === client && planned.receive === receive && isFromThere;
    if (planned && fits) {
      planned.isAsked = true;
      for (const text of planned.held.splice(0)) this.#pass(planned, text);
      return;
    }
    if (planned?.isAsked) return this.#error(document, 'already_joined');
    if (planned) this.#forget(planned);
    const member = this.#newMember(document, client, receive, since);
    if (!member) return this.#error(document, 'too_many_documents');
    member.isAsked = true;
    const group = this.#groupOf(member);
    if (group) this.#schedule(group);
  }

  #leave(document: string): void {
    const member = this.#member(document);
    if (!member) return this.#error(document, 'not_joined');
    const group = this.#forget(member);
    const left = (): void => this.say(JSON.stringify({ type: 'left', document }));
    if (member.posting) member.posting.finish(left);
    else left();
    if (group) this.#schedule(group);
  }

  #forget(member: Member): Group | undefined {
    member.isGone = true;
    const group = this.#groupOf(member);
    group?.members.delete(member.document);
    return group;
  }

  #watch(document: string, watch: boolean): void {
    const member = this.#member(document);
    if (!member) return this.#error(document, 'not_joined');
    if (member.presence === watch) return;
    member.presence = watch;
    const group = this.#groupOf(member);
    if (watch && group) this.#schedule(group);
  }

  #error(document: string, code: string, detail = ''): void {
    this.say(JSON.stringify({ type: 'error', code, document, detail }));
  }

  // --- streams

  /** Once what happens now is over, so that joins that come together share a stream. */
  #schedule(group: Group): void {
    if (group.isScheduled) return;
    group.isScheduled = true;
    this.#wire.soon(() => {
      group.isScheduled = false;
      if (!this.isClosed) this.#open(group);
    });
  }

  #open(group: Group): void {
    group.next?.giveUp();
    group.next = undefined;
    if (group.members.size === 0) {
      group.present?.giveUp();
      group.present = undefined;
      for (const [key, other] of this.#groups) if (other === group) this.#groups.delete(key);
      return;
    }
    const members = [...group.members.values()];
    const presence = members.some((member) => member.presence);
    const query = new URLSearchParams();
    if (!group.isOfNotifications) {
      for (const { document } of members) query.append('document', document);
      if (group.client !== undefined) query.append('client', group.client);
      if (presence) query.append('presence', 'true');
    }
    if (members.some(({ passed }) => passed)) {
      query.append('since', members.map(({ passed }) => (passed ? formatPosition(passed) : '')).join(','));
    }
    const search = query.toString();
    const path = `${group.isOfNotifications ? '/v1/notifications' : '/v1/events'}${search === '' ? '' : `?${search}`}`;
    group.next = this.#stream(path, new Map(members.map((member) => [member.document, member])), presence, (answer) => {
      group.next = undefined;
      const code = String(jsonObject(answer.text)?.['code'] ?? '');
      const isOfDocuments = code !== '' && (answer.status === 403 || answer.status === 404 || answer.status === 400);
      if (!isOfDocuments) return this.#refused(answer);
      if (!this.#isWelcomed) {
        // Who this is, another stream says; then each join is asked again and answered.
        for (const other of this.#groups.values()) {
          other.next?.giveUp();
          for (const member of [...other.members.values()]) this.#forget(member);
        }
        this.#groups.clear();
        if (!this.#greeting) this.#greet();
        return;
      }
      for (const member of members) {
        if (member.isGone || member.isJoined) continue;
        this.#forget(member);
        if (member.isAsked) this.#error(member.document, code);
      }
      if (group.members.size > 0 && group.members.size < members.length) this.#schedule(group);
      else if (group.members.size > 0) this.lose(1006, code);
    });
  }

  #stream(path: string, covers: ReadonlyMap<string, Member>, presence: boolean, refused: (answer: Answer) => void): Stream {
    const parser = new EventParser();
    const stream: Stream = { covers, presence, isWelcomed: false, heardAt: this.#wire.now(), giveUp: () => {} };
    stream.giveUp = this.#wire.stream(
      { method: 'GET', path, token: this.#token, accept: 'text/event-stream' },
      {
        text: (chunk) => {
          stream.heardAt = this.#wire.now();
          for (const { data } of parser.push(chunk)) if (!this.isClosed) this.#heard(stream, data);
        },
        ended: (answer) => {
          if (this.isClosed) return;
          if (answer?.status === 204) return this.#over(stream);
          if (answer) return refused(answer);
          // All that was passed on has a position to resume from.
          this.lose(1006, 'stream_ended');
        },
      },
    );
    return stream;
  }

  /** Access to all of it is revoked. */
  #over(stream: Stream): void {
    for (const member of stream.covers.values()) {
      if (!member.isGone) this.say(JSON.stringify({ type: 'ended', document: member.document, code: 'revoked' }));
      this.#forget(member);
    }
  }

  #heard(stream: Stream, text: string): void {
    const packet = jsonObject(text);
    if (!packet) return;
    switch (packet['type']) {
      case 'welcome':
        return this.#welcomed(stream, text);
      case 'drain':
        if (this.#isDraining) return;
        this.#isDraining = true;
        return this.say(text);
      case 'error':
        if (packet['document'] === undefined || packet['document'] === null) return this.#ending(packet, text);
        break;
      default:
    }
    if (typeof packet['document'] !== 'string') return;
    // The subject's own log is told under its own name.
    const member = stream.covers.get(packet['document']) ?? stream.covers.get(NOTIFICATIONS);
    if (!member || member.isGone) return;
    const own = member.document === packet['document'] ? text : renamed(text, member.document);
    if (member.isAsked) this.#pass(member, own);
    else member.held.push(own);
  }

  #welcomed(stream: Stream, text: string): void {
    stream.isWelcomed = true;
    for (const group of this.#groups.values()) {
      if (group.next !== stream) continue;
      group.present?.giveUp();
      group.present = stream;
      group.next = undefined;
      this.#greeting?.giveUp();
      this.#greeting = undefined;
    }
    if (this.#isWelcomed) return;
    this.#isWelcomed = true;
    this.say(text);
  }

  /** Why the stream is about to end. */
  #ending(packet: Json, text: string): void {
    this.say(text);
    const code = String(packet['code']);
    this.lose(code === 'unauthenticated' || code === 'token_expired' ? 4401 : code === 'going_away' ? 1012 : 4000, code);
  }

  #pass(member: Member, text: string): void {
    const packet = jsonObject(text);
    if (!packet) return;
    const position = parsePosition(packet['position']);
    switch (packet['type']) {
      case 'entry':
        // Another stream passed it on; the last one is compared, and stands for those before it.
        if (!member.receive || (position && member.passed && position.seq < member.passed.seq)) return;
        if (position) member.passed = position;
        break;
      case 'snapshot':
      case 'reset':
        if (packet['type'] === 'snapshot' && !member.receive) return;
        if (position) member.passed = position;
        break;
      case 'joined': {
        const isAgain = member.isJoined;
        member.isJoined = true;
        if (position && (!member.passed || position.seq >= member.passed.seq)) member.passed = position;
        if (isAgain) member.posting?.compare(packet);
        else if (position && member.passed && position.seq < member.passed.seq) {
          return this.say(JSON.stringify({ ...packet, position: formatPosition(member.passed) }));
        }
        break;
      }
      case 'nack':
        if (packet['client_seq'] === undefined && typeof packet['expected'] === 'number') member.posting?.gap(packet['expected']);
        break;
      case 'row':
        return member.posting?.compare(packet);
      case 'signal':
        if (!member.receive) return;
        break;
      case 'presence':
      case 'participants_entered':
      case 'participants_left':
        if (!member.presence) return;
        break;
      case 'ended':
        this.#forget(member);
        member.posting?.end();
        return this.say(text);
      default:
    }
    this.say(text);
  }

  // --- requests

  #request(method: string, path: string, body: string | undefined, done: (answer: Answer | undefined) => void): void {
    const request = { method, path, token: this.#token, accept: 'application/json', ...(body === undefined ? {} : { body }) };
    const giveUp = this.#wire.request(request, (answer) => {
      this.#requests.delete(giveUp);
      done(answer);
    });
    this.#requests.add(giveUp);
  }

  /** The latest counts: while one is under way the next one waits, and its successor takes its place. */
  #signal(document: string, packet: Json, text: string): void {
    const client = this.#member(document)?.client;
    const key = `${document} ${String(packet['kind'])}`;
    const lane = this.#signals.get(key) ?? { isSending: false, next: undefined };
    this.#signals.set(key, lane);
    const head = JSON.stringify({ client, kind: packet['kind'], content_type: packet['content_type'], position: packet['position'] });
    lane.next = `${head.slice(0, -1)},${payloadMember(text)}}`;
    const pump = (): void => {
      if (lane.isSending || lane.next === undefined || this.isClosed) return;
      const body = lane.next;
      lane.next = undefined;
      lane.isSending = true;
      this.#request('POST', pathOf(document, 'signals'), body, () => {
        lane.isSending = false;
        pump();
      });
    };
    pump();
  }

  #putSnapshot(document: string, packet: Json, text: string): void {
    const head = JSON.stringify({ position: packet['position'], content_type: packet['content_type'], anchors: packet['anchors'] });
    this.#request('PUT', pathOf(document, 'snapshot'), `${head.slice(0, -1)},${payloadMember(text)}}`, (answer) => {
      if (answer && answer.status < 300) return this.say(JSON.stringify({ type: 'snapshot_put', document, position: packet['position'] }));
      const said = answer && jsonObject(answer.text);
      this.#error(document, String(said?.['code'] ?? 'unavailable'), String(said?.['detail'] ?? ''));
    });
  }

  #changeAccess(document: string, subject: string, action: 'revoke' | 'grant'): void {
    const path = `${pathOf(document, 'participants')}/${encodeURIComponent(subject)}`;
    this.#request(action === 'revoke' ? 'DELETE' : 'PUT', path, undefined, (answer) => {
      const said = answer && jsonObject(answer.text);
      if (answer && answer.status < 300 && typeof said?.['position'] === 'string') {
        return this.say(JSON.stringify({ type: 'access_changed', document, subject, action, position: said['position'] }));
      }
      this.#error(document, String(said?.['code'] ?? 'unavailable'), String(said?.['detail'] ?? `whether the access of ${subject} was changed is not known`));
    });
  }
}

function pathOf(document: string, resource: string): string {
  return `/v1/documents/${encodeURIComponent(document)}/${resource}`;
}

/** The member with the payload, as it was written. */
function payloadMember(packet: string): string {
  for (const field of ['payload', 'text', 'base64']) {
    const value = memberText(packet, field);
    if (value !== undefined) return `"${field}":${value}`;
  }
  return '"payload":null';
}

/** An `append` as an entry of a request. */
function entryOf(packet: Json, text: string): string {
  const head = JSON.stringify({ client_seq: packet['client_seq'], kind: packet['kind'], content_type: packet['content_type'] });
  return `${head.slice(0, -1)},${payloadMember(text)}}`;
}

/** The packet under another document's name, its payload untouched. */
function renamed(packet: string, document: string): string {
  const name = memberText(packet, 'document');
  const at = name === undefined ? -1 : packet.indexOf(`"document":${name}`);
  return at < 0 ? packet : `${packet.slice(0, at)}"document":${JSON.stringify(document)}${packet.slice(at + `"document":${name}`.length)}`;
}

// One document on the connection: joined from its position, read in order, written by its writer.
//
//            start            joined                    reset
//   offline ───────► joining ────────► joined ─────────────────► joining (nothing is sent)
//      ▲                │                 │  rejoin: leave … left
//      └── link lost ───┴─────────────────┤
//                                         └─ ended ─► ended
//
// A new identity is taken in three steps: wait until nothing of the old one can land any more
// (quiesce: leave, and wait), ask the log for its last word on it (settle), go on under the new one (adopt).

import { Access, type AccessAction } from './access.js';
import { Backoff } from './backoff.js';
import type { DocumentEvents, DocumentPhase, DocumentState, RewriteLost } from './events.js';
import { Arrival, unseen } from './moving.js';
import * as packets from './packets.js';
import type { AnchorAt, Entry, Nack, Role, ServerPacket, Snapshot } from './packets.js';
import type { Payload } from './payload.js';
import { formatPosition, isSamePosition, nextPosition, type Position } from './position.js';
import { digestOf } from './digest.js';
import type { ClientRow } from './row.js';
import { Writer, WRITER_LIMITS, type LostRange, type OwnEntry, type Verdict, type WriterLimits } from './writer.js';

/** No answer at all for this long: the link is not trusted any more. */
const ANSWER_TIMEOUT_MS = 20_000;
const JOIN_TIMEOUT_MS = 60_000;
/** How many delivered positions are kept to tell a repeat. */
const RECENT_MAX = 256;
/** Used before a gateway said it. */
export const LANDING_MS_DEFAULT = 11_000;

export interface DocumentOptions {
  /** Whether entries are wanted (default true). */
  readonly receive?: boolean;
  /** Whether this client writes (default true). A mere reader is no participant with a client. */
  readonly write?: boolean;
  /** Resume after this position: the application holds the content up to there. */
  readonly since?: Position;
  /** Whether each entry's hash is checked (default true). */
  readonly verify?: boolean;
  readonly rewriteLost?: RewriteLost;
  readonly limits?: Partial<WriterLimits>;
}

/** What is to be asked of a link for one document. */
export interface Planned {
  readonly document: string;
  readonly since: Position | undefined;
  readonly client: string | undefined;
  readonly receive: boolean;
  readonly presence: boolean;
}

/** What the document may do to the connection. */
export interface Link {
  /** The largest message that the gateway takes. */
  readonly messageBytesMax: number;
  /** How long after the end of a session something sent in it can still land in the log. */
  readonly landingMs: number;
  send(text: string): void;
  /** The link is not to be trusted: drop it and come back. */
  distrust(why: string, now: number): void;
}

/** What is drawn and read from outside. */
export interface Sources {
  readonly random: () => number;
  /** A new client id. */
  readonly client: () => string;
  /** The wall clock: it goes on while a machine sleeps. */
  readonly wallClock: () => number;
}

export type EmitDocument = <K extends keyof DocumentEvents>(name: K, event: DocumentEvents[K]) => void;

interface Renewal {
  step: 'quiesce' | 'settle' | 'adopt';
  /** Nothing of the old identity lands after this moment; unknown until its session ended. */
  quietAt: number | undefined;
}

export class DocumentCore {
  readonly id: string;
  readonly #receive: boolean;
  readonly #verify: boolean;
  readonly #rewriteLost: RewriteLost | undefined;
  readonly #writer: Writer | undefined;
  readonly #emit: EmitDocument;
  readonly #pauses: Backoff;
  readonly #access = new Access();
  #link: Link | undefined;
  #phase: DocumentPhase | 'leaving' | 'closed' = 'offline';
  /** Whether the gateway may have this document among the session's: only `left` or a refusal says no. */
  #isMember = false;
  #landingMs = LANDING_MS_DEFAULT;
  #position: Position | undefined;
  /** The positions that were delivered last. */
  #recent: Position[] = [];
  /** Sends no entries, since it is about to go over to another link. */
  #isHeld = false;
  /** Whether somebody wants to know who is there. */
  #watchesPresence = false;
  /** Goes over: what it passes on the way is nobody's business. */
  #isCrossing = false;
  #role: Role | undefined;
  #cause: string | undefined;
  #renewal: Renewal | undefined;
  #pausedUntil = 0;
  #joinDeadline: number | undefined;
  #rejoinAt: number | undefined;
  #answerDeadline: number | undefined;
  #told: DocumentState | undefined;

  constructor(id: string, options: DocumentOptions, emit: EmitDocument, sources: Sources) {
    this.id = id;
    this.#receive = options.receive ?? true;
    this.#verify = options.verify ?? true;
    this.#rewriteLost = options.rewriteLost;
    this.#position = options.since;
    this.#emit = emit;
    this.#pauses = new Backoff(sources.random);
    if (options.write ?? true) this.#writer = new Writer(sources.client, sources.wallClock, { ...WRITER_LIMITS, ...options.limits });
  }

  get state(): DocumentState {
    return {
      phase: this.#phase === 'leaving' ? 'joining' : this.#phase === 'closed' ? 'ended' : this.#phase,
      position: this.#position,
      role: this.#role,
      unacknowledged: this.#writer?.unacknowledged ?? 0,
      isRenewing: this.#renewal !== undefined,
      cause: this.#cause,
    };
  }

  /** The writer's present identity. */
  get client(): string | undefined {
    return this.#writer?.client;
  }

  /** Whether anything may be written: the document did not end, and is not only read. */
  get isOpen(): boolean {
    return this.#writer !== undefined && this.#phase !== 'closed' && this.#phase !== 'ended';
  }

  /** Takes an entry. It is sent now or later; `undefined` if the queue is full or nothing may be written. */
  append(kind: string, contentType: string, payload: Payload, now: number): OwnEntry | undefined {
    if (!this.#writer || !this.isOpen) return undefined;
    const own = this.#writer.append(kind, contentType, payload);
    this.pump(now);
    return own;
  }

  /** Sends a signal if it can go out now; the latest counts, so nothing is kept. */
  signal(kind: string, contentType: string, payload: Payload, position: Position | undefined): boolean {
    if (this.#phase !== 'joined' || !this.#link) return false;
    this.#link.send(packets.signal(this.id, kind, contentType, payload, position ?? this.#position));
    return true;
  }

  /** Asks to end or restore a subject's access. The outcome is told, if only that it is not known. */
  changeAccess(subject: string, action: AccessAction): void {
    const isJoined = this.#phase === 'joined' || this.#phase === 'joining';
    if (!isJoined || !this.#link) return this.#emit('error', { code: 'not_joined', detail: `the access of ${subject} is changed only while joined` });
    if (!this.#access.ask(subject, action)) return this.#emit('error', { code: 'throttled', detail: 'too many such requests have no answer' });
    this.#link.send(packets[action](this.id, subject));
  }

  get watchesPresence(): boolean {
    return this.#watchesPresence;
  }

  /** Whether to be told who is there, now and after each join. */
  watchPresence(watch: boolean): void {
    if (watch === this.#watchesPresence) return;
    this.#watchesPresence = watch;
    if (this.#phase === 'joined') this.#link?.send(packets.presence(this.id, watch));
  }

  /** Offers the content at a position; whether it could go out. */
  putSnapshot(snapshot: Snapshot, anchors: Readonly<Record<string, AnchorAt>> | undefined): boolean {
    if (this.#phase !== 'joined' || !this.#link) return false;
    const packet = packets.putSnapshot(this.id, snapshot, anchors);
    if (!packets.isWithin(this.#link.messageBytesMax, packet)) return false;
    this.#link.send(packet);
    return true;
  }

  /** What a join would ask now. */
  get planned(): Planned {
    return {
      document: this.id, since: this.#receive ? this.#position : undefined, client: this.#writer?.client,
      receive: this.#receive, presence: this.#watchesPresence,
    };
  }

  // --- what the connection tells

  linkUp(link: Link, subject: string, now: number): void {
    this.#link = link;
    this.#landingMs = link.landingMs;
    const lost = this.#writer?.signIn(subject);
    if (lost) {
      this.#renewal = undefined;
      this.#emit('lost', lost);
    }
    if (this.#phase !== 'closed' && this.#phase !== 'ended') this.#join(now);
  }

  linkDown(now: number): void {
    this.#isHeld = false;
    this.#link = undefined;
    this.#isMember = false;
    this.#joinDeadline = this.#answerDeadline = this.#rejoinAt = undefined;
    this.#writer?.linkLost();
    this.#giveUpAccess();
    if (this.#renewal) this.#renewal.quietAt ??= now + this.#landingMs;
    if (this.#phase !== 'closed' && this.#phase !== 'ended') this.#phase = 'offline';
    this.#tell();
  }

  /** About to go over to another link: no entries are sent here. Whether all that was asked is answered. */
  hold(): boolean {
    this.#isHeld = true;
    return this.#phase === 'joined' && !this.#writer?.isWaitingForAnswer && this.hasAccessAnswered;
  }

  /** Whether every request about access was answered. */
  get hasAccessAnswered(): boolean {
    return this.#access.isAnswered;
  }

  /** It stays on this link. */
  release(now: number): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    this.pump(now);
  }

  get hasEnded(): boolean {
    return this.#phase === 'closed' || this.#phase === 'ended';
  }

  /** The join for another link, beside the one that goes on in this one. */
  joinBeside(): { readonly text: string; readonly arrival: Arrival } {
    const since = this.#receive ? this.#position : undefined;
    const client = this.#writer?.client;
    return {
      text: packets.join(this.id, since, client, this.#receive),
      arrival: new Arrival(client, since, this.#receive, this.#verify),
    };
  }

  /** Whether it can go over to the link where this came. */
  meets(arrival: Arrival): boolean {
    if (this.#renewal || arrival.client !== this.#writer?.client) return false;
    return arrival.meets(this.#position, (position) => this.#recent.some((recent) => isSamePosition(recent, position)));
  }

  /** Goes over to the link where `arrival` came; the application hears of nothing but entries. */
  goOver(arrival: Arrival, link: Link, subject: string, now: number): void {
    this.#isHeld = false;
    if (this.hasEnded) return;
    this.#isCrossing = true;
    this.#giveUpAccess();
    this.#writer?.linkLost();
    this.#link = link;
    this.#landingMs = link.landingMs;
    this.#isMember = true;
    this.#phase = 'joining';
    this.#joinDeadline = now + JOIN_TIMEOUT_MS;
    this.#answerDeadline = this.#rejoinAt = undefined;
    const lost = this.#writer?.signIn(subject);
    if (lost) this.#emit('lost', lost);
    for (const packet of unseen(arrival, this.#position)) this.receive(packet, now);
    this.#isCrossing = false;
    this.#tell();
    // Another user is another client than the one that joined.
    if (lost && !this.hasEnded) this.#rejoin(now);
  }

  /**
   * Leaves for good. What is not acknowledged is told as lost. Returns whether a `left` is to come:
   * until then all that is heard of the document belongs to this membership.
   */
  close(): boolean {
    if (this.#phase === 'closed') return false;
    const isMember = this.#isMember && this.#link !== undefined;
    if (isMember && this.#phase !== 'leaving') this.#link?.send(packets.leave(this.id));
    this.#phase = 'closed';
    this.#abandon();
    return isMember;
  }

  /** The connection is over: nothing more is written or read here. */
  end(cause: string): void {
    this.#link = undefined;
    if (this.#phase !== 'closed' && this.#phase !== 'ended') this.#ended(cause);
  }

  /** The size of the largest entry that was sent and has no answer. */
  get largestUnderWay(): number | undefined {
    return this.#writer?.largestUnderWay?.bytes;
  }

  /** The gateway closed the link over a message too large: the largest one is not sent again. */
  giveUpLargest(): void {
    const largest = this.#writer?.largestUnderWay;
    if (largest) this.#writer?.giveUp(largest.clientSeq, { code: 'too_large', maxBytes: undefined });
  }

  receive(packet: ServerPacket, now: number): void {
    if (this.#phase === 'closed') return;
    switch (packet.type) {
      case 'joined':
        return this.#joined(packet, now);
      case 'left':
        if (this.#phase === 'leaving') this.#left(now);
        return;
      case 'entry':
        return this.#entry(packet.entry, now);
      case 'snapshot':
        this.#position = packet.snapshot.position;
        this.#recent = [];
        return this.#emit('reset', { cause: undefined, position: packet.snapshot.position, snapshot: packet.snapshot });
      case 'reset':
        return this.#reset(packet, now);
      case 'signal':
        return this.#emit('signal', packet.signal);
      case 'ack':
        return this.#ack(packet.clientSeq, packet.position, now);
      case 'nack':
        return this.#nack(packet.clientSeq, packet.nack, now);
      case 'ended':
        this.#isMember = false;
        return this.#ended(packet.code);
      case 'access_changed':
        this.#access.changed(packet.subject, packet.action);
        return this.#emit('access', { subject: packet.subject, action: packet.action, position: packet.position });
      case 'presence':
        return this.#participants('present', packet);
      case 'participants_entered':
        return this.#participants('entered', packet);
      case 'participants_left':
        return this.#participants('left', packet);
      case 'snapshot_due':
        if (this.#phase === 'joined') this.#emit('snapshot_due', { position: packet.position });
        return;
      case 'snapshot_put':
        return this.#emit('snapshot_put', { position: packet.position });
      case 'error':
        return this.#error(packet, now);
      default:
    }
  }

  #participants(what: 'present' | 'entered' | 'left', packet: Extract<ServerPacket, { type: 'presence' | 'participants_entered' | 'participants_left' }>): void {
    if (this.#watchesPresence) this.#emit('participants', { what, participants: packet.participants });
  }

  nextDeadline(): number | undefined {
    const writer = this.#writer;
    const moments = [this.#joinDeadline, this.#answerDeadline, this.#rejoinAt, writer?.retainsUntil];
    if (this.#phase === 'joined') {
      if (this.#renewal?.step === 'quiesce') moments.push(this.#renewal.quietAt);
      else if (writer && writer.unacknowledged > 0 && this.#pausedUntil > 0) moments.push(this.#pausedUntil);
    }
    return earliest(moments);
  }

  tick(now: number): void {
    this.#writer?.retain(now);
    if (isDue(this.#joinDeadline, now)) return this.#distrust('the join was not answered', now);
    if (isDue(this.#answerDeadline, now)) return this.#distrust('appends were not answered', now);
    if (isDue(this.#rejoinAt, now)) {
      this.#rejoinAt = undefined;
      this.#join(now);
      return;
    }
    const quietAt = this.#renewal?.step === 'quiesce' ? this.#renewal.quietAt : undefined;
    if (this.#renewal && isDue(quietAt, now) && this.#phase === 'joined') {
      this.#renewal.step = 'settle';
      return this.#rejoin(now);
    }
    this.pump(now);
  }

  /** Sends what may be sent. */
  pump(now: number): void {
    const link = this.#link;
    const writer = this.#writer;
    if (!link || !writer || this.#phase !== 'joined' || this.#renewal || this.#isHeld || now < this.#pausedUntil) return this.#tell();
    this.#pausedUntil = 0;
    const { messages, tooLarge } = writer.due(now, (clientSeq, entry) =>
      packets.appendWithin(link.messageBytesMax, this.id, clientSeq, entry.kind, entry.contentType, entry.payload));
    for (const message of messages) link.send(message);
    if (messages.length > 0) this.#answerDeadline ??= now + ANSWER_TIMEOUT_MS;
    if (tooLarge !== undefined) return this.#refused(tooLarge, { code: 'too_large', maxBytes: link.messageBytesMax }, now);
    this.#tell();
  }

  // --- joining

  #join(now: number): void {
    if (!this.#link) return;
    this.#phase = 'joining';
    this.#isMember = true;
    this.#cause = undefined;
    this.#joinDeadline = now + JOIN_TIMEOUT_MS;
    this.#answerDeadline = undefined;
    this.#writer?.linkLost();
    if (this.#renewal?.step === 'quiesce' && isDue(this.#renewal.quietAt, now)) this.#renewal.step = 'settle';
    this.#link.send(packets.join(this.id, this.#receive ? this.#position : undefined, this.#writer?.client, this.#receive));
    this.#tell();
  }

  #rejoin(now: number): void {
    this.#phase = 'leaving';
    this.#joinDeadline = now + JOIN_TIMEOUT_MS;
    this.#answerDeadline = undefined;
    this.#link?.send(packets.leave(this.id));
    this.#tell();
  }

  /** The session of before is over for this document. */
  #left(now: number): void {
    this.#isMember = false;
    this.#giveUpAccess();
    if (this.#renewal) this.#renewal.quietAt ??= now + this.#landingMs;
    this.#join(now);
  }

  #joined(packet: Extract<ServerPacket, { type: 'joined' }>, now: number): void {
    if (this.#phase !== 'joining') return;
    if (this.#receive && this.#position && !isSamePosition(this.#position, packet.position)) {
      return this.#distrust(`joined at ${formatPosition(packet.position)}, delivered ${formatPosition(this.#position)}`, now);
    }
    this.#position = packet.position;
    this.#role = packet.role;
    this.#phase = 'joined';
    this.#joinDeadline = undefined;
    this.#pausedUntil = 0;
    if (this.#watchesPresence) this.#link?.send(packets.presence(this.id, true));
    const lost = this.#writer?.signIn(packet.subject);
    if (lost) {
      // The row is the old identity's of another user: ask again under the new one.
      this.#renewal = undefined;
      this.#emit('lost', lost);
      return this.#rejoin(now);
    }
    this.#obey(packet.row, now);
    this.pump(now);
  }

  /** The row of a join: where the writer goes on, or how its renewal does. */
  #obey(row: ClientRow | undefined, now: number): void {
    const writer = this.#writer;
    if (!writer) return;
    switch (this.#renewal?.step) {
      case undefined:
        this.#heed(writer.rewind(row, now, this.#rewrite), now);
        if (writer.mustRenew) this.#renew(now);
        return;
      case 'quiesce':
        return;
      case 'settle': {
        const { landed, lost, refused } = writer.settle(row, now);
        for (const own of landed) this.#emit('ack', { own, position: row?.position });
        for (const { own, nack } of refused) this.#emit('nack', { own, nack, isRetried: false });
        for (const range of lost) this.#emit('lost', range);
        this.#renewal = { step: 'adopt', quietAt: undefined };
        return this.#rejoin(now);
      }
      case 'adopt':
        this.#renewal = undefined;
        this.#heed(writer.rewind(row, now, this.#rewrite), now);
    }
  }

  readonly #rewrite = (own: OwnEntry): Payload | undefined => this.#rewriteLost?.(own, this.#position);

  /**
   * Somebody else writes as this client, the log lost more than is held, or a number that may be taken
   * was refused. What is under way ends with the membership; reading goes on in the next one.
   */
  #renew(now: number): void {
    if (this.#renewal) return;
    this.#renewal = { step: 'quiesce', quietAt: undefined };
    this.#rejoin(now);
  }

  #reset(packet: Extract<ServerPacket, { type: 'reset' }>, now: number): void {
    if (packet.cause === 'deleted') this.#writer?.forgetAcknowledged();
    this.#position = packet.position;
    this.#recent = [];
    if (this.#phase === 'joined') {
      // Nothing is sent before the `joined` that ends the reset.
      this.#phase = 'joining';
      this.#joinDeadline = now + JOIN_TIMEOUT_MS;
      this.#answerDeadline = undefined;
      this.#writer?.linkLost();
    }
    this.#emit('reset', { cause: packet.cause, position: packet.position, snapshot: packet.snapshot });
    this.#tell();
  }

  // --- reading

  #entry(entry: Entry, now: number): void {
    const last = this.#position;
    if (last) {
      // A repeat is no news; anything else that is not the next one is a fault of the link.
      if (isSamePosition(entry.position, last) || this.#recent.some((recent) => isSamePosition(recent, entry.position))) return;
      if (entry.position.seq !== last.seq + 1) {
        return this.#distrust(`entry ${entry.position.seq} after ${last.seq}`, now);
      }
      if (this.#verify) {
        const digest = digestOf({ ...entry, payload: entry.payload.asBytes() });
        if (!isSamePosition(nextPosition(last, digest), entry.position)) {
          return this.#distrust(`entry ${entry.position.seq} does not extend the history`, now);
        }
      }
    }
    this.#position = entry.position;
    if (this.#recent.push(entry.position) > RECENT_MAX) this.#recent.shift();
    const own = this.#writer?.recognise(entry);
    this.#emit('entry', { ...entry, own: own === 'foreign' ? undefined : own?.id });
    // Before `joined` the row says the same.
    if (own === 'foreign' && this.#phase === 'joined') this.#renew(now);
    this.#tell();
  }

  // --- writing

  #ack(clientSeq: number, position: Position, now: number): void {
    const writer = this.#writer;
    if (!writer) return;
    for (const own of writer.acknowledge(clientSeq, now)) this.#emit('ack', { own, position });
    this.#pauses.reset();
    this.#answerDeadline = writer.isWaitingForAnswer ? now + ANSWER_TIMEOUT_MS : undefined;
    this.pump(now);
  }

  #nack(clientSeq: number | undefined, nack: Nack, now: number): void {
    const writer = this.#writer;
    // While a new identity is on its way nothing of the old one is sent again, whatever is said of it.
    if (!writer || this.#renewal || this.#phase !== 'joined') return;
    this.#answerDeadline = undefined;
    const own = clientSeq === undefined ? undefined : writer.at(clientSeq);
    switch (nack.code) {
      case 'gap':
        this.#heed(writer.gap(nack.expected, nack.row, now, this.#rewrite), now);
        break;
      case 'unknown_client':
        this.#heed(writer.rewind(undefined, now, this.#rewrite), now);
        break;
      case 'client_conflict':
        this.#heed(clientSeq === undefined ? 'new_client' : writer.conflict(clientSeq, nack.row), now);
        break;
      case 'throttled':
      case 'unavailable':
      case 'log_full':
        // One call carries many entries, and its outcome is unknown for all of them.
        if (clientSeq !== undefined && nack.code === 'unavailable') writer.doubt(clientSeq);
        if (clientSeq !== undefined && writer.isSent(clientSeq)) this.#heed(writer.retreat(clientSeq), now);
        this.#pausedUntil = now + Math.max('afterMs' in nack ? nack.afterMs : 1_000, 1) + this.#pauses.next();
        break;
      case 'revoked':
        this.#emit('nack', { own, nack, isRetried: false });
        return this.#ended('revoked');
      case 'forbidden':
      case 'too_large':
      case 'invalid':
        if (clientSeq === undefined) return this.#emit('nack', { own, nack, isRetried: false });
        return writer.isSent(clientSeq) ? this.#refused(clientSeq, nack, now) : undefined;
    }
    this.#emit('nack', { own, nack, isRetried: true });
    this.pump(now);
  }

  /** Refused for good. The application hears it once it is sure that the entry is not in the log. */
  #refused(clientSeq: number, nack: Nack, now: number): void {
    const refused = this.#writer?.refuse(clientSeq, nack);
    if (refused?.verdict === 'continue') this.#emit('nack', { own: refused.entry, nack, isRetried: false });
    if (refused) this.#heed(refused.verdict, now);
    this.pump(now);
  }

  #heed(verdict: Verdict, now: number): void {
    if (verdict === 'new_client') this.#renew(now);
    else if (verdict === 'rejoin') this.#rejoin(now);
  }

  // --- ends

  #ended(code: string): void {
    this.#phase = 'ended';
    this.#cause = code;
    this.#role = undefined;
    this.#joinDeadline = this.#answerDeadline = this.#rejoinAt = undefined;
    this.#giveUpAccess();
    this.#abandon();
  }

  #giveUpAccess(): void {
    // As the gateway itself says it.
    for (const subject of this.#access.giveUp()) {
      this.#emit('error', { code: 'unavailable', detail: `whether the access of ${subject} was changed is not known; ask again` });
    }
  }

  #abandon(): void {
    this.#renewal = undefined;
    const lost: LostRange | undefined = this.#writer?.abandon('ended');
    if (lost) this.#emit('lost', lost);
    this.#tell();
  }

  #error(packet: Extract<ServerPacket, { type: 'error' }>, now: number): void {
    if (this.#phase === 'joined' || packet.code === 'unavailable') this.#access.failed(packet.code, packet.afterMs);
    this.#emit('error', { code: packet.code, detail: packet.detail });
    if (this.#phase !== 'joining') {
      const isGone = packet.code === 'not_joined' && (this.#phase === 'joined' || this.#phase === 'leaving');
      if (isGone) this.#left(now);
      return;
    }
    switch (packet.code) {
      case 'unavailable':
        // The join goes on by itself once the log can be reached; whether the link lives, pings tell.
        this.#joinDeadline = undefined;
        return;
      case 'throttled':
      case 'internal':
        this.#isMember = false;
        this.#joinDeadline = undefined;
        this.#rejoinAt = now + Math.max(packet.afterMs ?? 1_000, 1) + this.#pauses.next();
        return;
      case 'already_joined':
        return this.#rejoin(now);
      default:
        this.#isMember = false;
        this.#ended(packet.code);
    }
  }

  #distrust(why: string, now: number): void {
    this.#link?.distrust(`${this.id}: ${why}`, now);
  }

  /** Tells the state if it is another one. */
  #tell(): void {
    if (this.#isCrossing) return;
    const state = this.state;
    const told = this.#told;
    const isSame = told !== undefined && (Object.keys(state) as (keyof DocumentState)[]).every((k) => state[k] === told[k]);
    if (isSame) return;
    this.#told = state;
    this.#emit('state', state);
  }
}

export function isDue(moment: number | undefined, now: number): boolean {
  return moment !== undefined && moment <= now;
}

export function earliest(moments: readonly (number | undefined)[]): number | undefined {
  const known = moments.filter((m): m is number => m !== undefined);
  return known.length > 0 ? Math.min(...known) : undefined;
}

// The writer's half of one document: every entry the application gave is in the log exactly once, or
// the application is told the range that is not known to be.
//
//   1 … held[0]-1      acknowledged, and no longer held
//   held, ≤ acknowledged   acknowledged, and kept for a while: a failover may have lost them
//   ≤ sent             sent on this link, no answer yet
//   < next             waiting to be sent
//
// Nothing here sends: `due` says what goes out, the document puts it on the link.

import { digestOf, shortDigest } from './digest.js';
import type { Entry, Nack } from './packets.js';
import type { Payload } from './payload.js';
import { ROW_DIGESTS_MAX, rowDigest, type ClientRow } from './row.js';

export interface WriterLimits {
  /** How long an acknowledged entry is kept for re-sending. */
  readonly retainedMs: number;
  /** How many bytes of acknowledged entries are kept. */
  readonly retainedBytesMax: number;
  /** How many entries may wait, sent or not. */
  readonly queueEntriesMax: number;
  readonly queueBytesMax: number;
}

export const WRITER_LIMITS: WriterLimits = {
  retainedMs: 60_000,
  retainedBytesMax: 4 * 1024 * 1024,
  queueEntriesMax: 100_000,
  queueBytesMax: 64 * 1024 * 1024,
};

/** A moment by both clocks: the first never jumps, but it may stand still while a machine sleeps. */
interface Moment {
  readonly elapsed: number;
  readonly unix: number;
}

/** A row outlives its last use by 24 h; an hour of it is left for clocks and queues. */
const ROW_TRUSTED_MS = 23 * 3_600_000;

/** An entry of this writer, as the application gave it. */
export interface OwnEntry {
  /** Names it for the application: it stays while numbers change. */
  readonly id: number;
  readonly kind: string;
  readonly contentType: string;
  readonly payload: Payload;
}

/** Why a range of entries cannot be re-sent. */
export type LostReason =
  /** The log ends before them, and they are no longer held. */
  | 'not_held'
  /** The log does not know this client any more: whether it holds them cannot be told. */
  | 'row_lost'
  /** Another user is signed in. */
  | 'subject_changed'
  /** Access was revoked, or the document refused. */
  | 'ended';

/** A range that may not be in the log. */
export interface LostRange {
  readonly client: string;
  readonly from: number;
  readonly to: number;
  readonly reason: LostReason;
  /** Those of the range that are still in memory. */
  readonly entries: readonly OwnEntry[];
}

/** What a reading of the row leads to. */
export type Verdict =
  | 'continue'
  /** The gateway waits for a number that is acknowledged and no longer held: join again. */
  | 'rejoin'
  | 'new_client';

/** What became of an old identity's entries. */
export interface Settled {
  readonly landed: OwnEntry[];
  readonly lost: LostRange[];
  readonly refused: { readonly own: OwnEntry; readonly nack: Nack }[];
}

/** The message that carries an entry under a number; `undefined` if it is larger than the gateway takes. */
export type Encode = (clientSeq: number, entry: OwnEntry) => string | undefined;

/** May give an entry of the lost tail another wording before it is sent again. */
export type Rewrite = (entry: OwnEntry) => Payload | undefined;

interface Held {
  readonly id: number;
  readonly kind: string;
  readonly contentType: string;
  payload: Payload;
  number: number;
  /** Every wording that was ever sent under this number, but the present one. */
  earlier: Payload[];
  firstSentAt: Moment | undefined;
  /** It was sent, and whether it landed is not known: its number is taken until the log says so. */
  isUnsettled: boolean;
  /** Refused for good while its number may be taken: the application hears it once that is settled. */
  refused: Nack | undefined;
  acknowledgedAt: number | undefined;
}

export class Writer {
  #client: string;
  #subject: string | undefined;
  #held: Held[] = [];
  #next = 1;
  #sent = 0;
  #highestSent = 0;
  #acknowledged = 0;
  #ids = 0;
  #retainedBytes = 0;
  #queuedBytes = 0;
  #lastUseAt: Moment;
  readonly #limits: WriterLimits;
  readonly #drawClient: () => string;
  readonly #wallClock: () => number;

  constructor(drawClient: () => string, wallClock: () => number, limits: WriterLimits = WRITER_LIMITS) {
    this.#drawClient = drawClient;
    this.#wallClock = wallClock;
    this.#lastUseAt = { elapsed: 0, unix: 0 };
    this.#client = drawClient();
    this.#limits = limits;
  }

  get client(): string {
    return this.#client;
  }

  /** How many held entries are not known to be in the log. */
  get unacknowledged(): number {
    return this.#next - Math.min(Math.max(this.#acknowledged + 1, this.#firstHeld), this.#next);
  }

  /** Whether a refusal waits to be settled: only a new client is sure. */
  get mustRenew(): boolean {
    return this.#held.some((entry) => entry.refused !== undefined);
  }

  /** Whether entries are on the link without an answer. */
  get isWaitingForAnswer(): boolean {
    return this.#sent > this.#acknowledged;
  }

  /** Takes an entry; `undefined` if the queue is full. */
  append(kind: string, contentType: string, payload: Payload): OwnEntry | undefined {
    const bytes = payload.byteLength;
    if (this.unacknowledged >= this.#limits.queueEntriesMax) return undefined;
    if (this.#queuedBytes + bytes > this.#limits.queueBytesMax) return undefined;
    this.#queuedBytes += bytes;
    this.#ids += 1;
    const entry: Held = {
      id: this.#ids, kind, contentType, payload, number: this.#next,
      earlier: [], firstSentAt: undefined, isUnsettled: false, refused: undefined, acknowledgedAt: undefined,
    };
    this.#next += 1;
    this.#held.push(entry);
    return entry;
  }

  /** The held entry with this number. */
  at(clientSeq: number): OwnEntry | undefined {
    return this.#at(clientSeq);
  }

  /**
   * What may be sent now, in order, as `encode` gives it. It counts as sent. It ends before an entry
   * that has no encoding, since no message may be so large.
   */
  due(now: number, encode: Encode): { readonly messages: string[]; readonly tooLarge: number | undefined } {
    const until = Math.min(this.#next - 1, this.#acknowledged + ROW_DIGESTS_MAX);
    const messages: string[] = [];
    let tooLarge: number | undefined;
    while (this.#sent < until) {
      const entry = this.#at(this.#sent + 1);
      if (!entry) break;
      const message = encode(entry.number, entry);
      if (message === undefined) {
        tooLarge = entry.number;
        break;
      }
      this.#sent += 1;
      entry.firstSentAt ??= this.#moment(now);
      messages.push(message);
    }
    if (messages.length > 0) this.#lastUseAt = this.#moment(now);
    this.#highestSent = Math.max(this.#highestSent, this.#sent);
    return { messages, tooLarge };
  }

  /** The largest entry that was sent and has no answer yet. */
  get largestUnderWay(): { readonly clientSeq: number; readonly bytes: number } | undefined {
    let largest: { clientSeq: number; bytes: number } | undefined;
    for (let number = this.#acknowledged + 1; number <= this.#sent; number += 1) {
      const bytes = this.#at(number)?.payload.byteLength ?? 0;
      if (!largest || bytes > largest.bytes) largest = { clientSeq: number, bytes };
    }
    return largest;
  }

  /** The log holds everything up to `clientSeq`: numbers are contiguous. Returns what is news. */
  acknowledge(clientSeq: number, now: number): OwnEntry[] {
    const through = Math.min(clientSeq, this.#sent);
    const news: OwnEntry[] = [];
    for (let number = this.#acknowledged + 1; number <= through; number += 1) {
      const entry = this.#at(number);
      if (entry && this.#markAcknowledged(entry, now)) news.push(entry);
    }
    this.#acknowledged = Math.max(this.#acknowledged, through);
    this.#lastUseAt = this.#moment(now);
    this.retain(now);
    return news;
  }

  /** Forgets acknowledged entries that were kept long enough, oldest first. */
  retain(now: number): void {
    for (let oldest = this.#oldestSettled; oldest; oldest = this.#oldestSettled) {
      const isOver = this.#retainedBytes > this.#limits.retainedBytesMax;
      if (!isOver && now < (oldest.acknowledgedAt ?? now) + this.#limits.retainedMs) return;
      this.#forgetOldest();
    }
  }

  /** When `retain` has something to do again. */
  get retainsUntil(): number | undefined {
    const since = this.#oldestSettled?.acknowledgedAt;
    return since === undefined ? undefined : since + this.#limits.retainedMs;
  }

  /** The document was deleted: what was acknowledged does not come back. */
  forgetAcknowledged(): void {
    while (this.#oldestSettled) this.#forgetOldest();
  }

  /** The link is gone: what was sent on it and not acknowledged is unknown. */
  linkLost(): void {
    this.doubt(this.#acknowledged + 1);
    this.#sent = Math.min(this.#sent, this.#acknowledged);
  }

  /** What was sent from this number on may be in the log or not. */
  doubt(from: number): void {
    for (let number = from; number <= this.#sent; number += 1) {
      const entry = this.#at(number);
      if (entry) entry.isUnsettled = true;
    }
  }

  /** Who is signed in. Another user is another client: nothing held goes out under the new name. */
  signIn(subject: string): LostRange | undefined {
    const former = this.#subject;
    this.#subject = subject;
    if (former === undefined || former === subject) return undefined;
    return this.abandon('subject_changed');
  }

  /**
   * Gives up everything that is not known to be in the log, and takes a new identity. That includes
   * what was acknowledged and then lost by a failover.
   */
  abandon(reason: LostReason): LostRange | undefined {
    const from = this.#acknowledged + 1;
    const lost = from < this.#next ? this.#range(from, this.#next - 1, reason) : undefined;
    this.#takeNewClient([]);
    return lost;
  }

  /**
   * The log knows this client up to `row` (`undefined`: not at all), read together with the log.
   * What follows is sent from there.
   */
  rewind(row: ClientRow | undefined, now: number, rewrite?: Rewrite): Verdict {
    if (!row) return this.#rewindUnknown(now, rewrite);
    if (row.clientSeq > this.#highestSent) return 'new_client';
    if (!this.#agreesWith(row)) return 'new_client';
    if (row.clientSeq + 1 < this.#firstHeld) return this.#isNotHeldAfter(row.clientSeq);
    this.#goBackTo(row.clientSeq, rewrite);
    return 'continue';
  }

  /** The gateway waits for `expected`. */
  gap(expected: number, row: ClientRow | undefined, now: number, rewrite?: Rewrite): Verdict {
    if (row) {
      const verdict = this.rewind(row, now, rewrite);
      // The gate opens by exactly this number, even if entries before it were not acknowledged yet.
      if (verdict === 'continue') this.#sent = Math.max(0, Math.min(expected - 1, this.#next - 1));
      return verdict;
    }
    if (expected === 1) return this.rewind(undefined, now, rewrite);
    if (expected > this.#highestSent + 1) return 'new_client';
    if (expected < this.#firstHeld) return this.#isNotHeldAfter(expected - 1);
    this.#goBackTo(expected - 1, rewrite);
    this.#sent = expected - 1;
    return 'continue';
  }

  /** The log holds other content under this number. */
  conflict(clientSeq: number, row: ClientRow | undefined): Verdict {
    if (!row || rowDigest(row, clientSeq) === undefined || !this.#agreesWith(row)) return 'new_client';
    return this.retreat(clientSeq);
  }

  /** A refusal that passes: the number goes out again later, and what followed it too. */
  retreat(clientSeq: number): Verdict {
    if (clientSeq < this.#firstHeld) return 'rejoin';
    this.#sent = Math.min(this.#sent, clientSeq - 1);
    return 'continue';
  }

  /** Whether an answer to this number is news: what goes out again anyhow needs none. */
  isSent(clientSeq: number): boolean {
    return clientSeq <= this.#sent;
  }

  /**
   * A refusal for good. The number is free again unless this entry, or one after it, may have landed
   * before; then only a new client is sure, and `settle` tells what became of it.
   */
  refuse(clientSeq: number, nack: Nack): { readonly entry: OwnEntry; readonly verdict: Verdict } | undefined {
    const entry = this.#at(clientSeq);
    if (!entry) return undefined;
    this.retreat(clientSeq);
    const isOpen = this.#held.some((e) => e.number >= clientSeq && (e.isUnsettled || e.acknowledgedAt !== undefined));
    if (isOpen) {
      entry.refused = nack;
      return { entry, verdict: 'new_client' };
    }
    this.#drop(entry);
    for (const later of this.#held) {
      if (later.number > clientSeq) {
        // Whatever was sent under the old number was dropped unheard behind the refused one.
        later.number -= 1;
        later.earlier = [];
        later.firstSentAt = undefined;
      }
    }
    this.#next -= 1;
    this.#highestSent = clientSeq - 1;
    return { entry, verdict: 'continue' };
  }

  /** It is known to be too large for the gateway: it does not go out again. */
  giveUp(clientSeq: number, nack: Nack): void {
    const entry = this.#at(clientSeq);
    if (!entry) return;
    entry.refused = nack;
    entry.isUnsettled = true;
  }

  /**
   * An entry of the log: if it is this writer's, its wording counts. Returns the own entry, or that
   * somebody else writes under this identity.
   */
  recognise(entry: Entry): OwnEntry | 'foreign' | undefined {
    if (entry.client !== this.#client || entry.author !== this.#subject) return undefined;
    if (entry.clientSeq > this.#highestSent) return 'foreign';
    const own = this.#at(entry.clientSeq);
    if (!own) return undefined;
    return this.#adopt(own, shortDigest(digestOf({ ...entry, payload: entry.payload.asBytes() }))) ? own : 'foreign';
  }

  /**
   * Nothing of the old identity can land any more, and `row` is its last word. What the log does not
   * hold goes on under a new client; told are what turned out to be in the log, what is lost, and what
   * was refused before and is not in the log.
   */
  settle(row: ClientRow | undefined, now: number): Settled {
    const lost: LostRange[] = [];
    const last = row?.clientSeq ?? 0;
    const isForeign = row !== undefined && (last > this.#highestSent || !this.#agreesWith(row));
    const known = Math.min(this.#highestSent, this.#next - 1);
    const isExpired = row === undefined && known > 0 && this.#age(this.#lastUseAt, now) >= ROW_TRUSTED_MS;
    const firstHeld = this.#firstHeld;
    if (last < Math.min(firstHeld - 1, known)) {
      lost.push(this.#range(last + 1, Math.min(firstHeld - 1, known), row ? 'not_held' : 'row_lost'));
    }
    const kept: Held[] = [];
    const landed: Held[] = [];
    const unknown: Held[] = [];
    const refused: { own: OwnEntry; nack: Nack }[] = [];
    for (const entry of this.#held) {
      switch (this.#fate(entry, row, isForeign, now, isExpired)) {
        case 'landed':
          if (entry.acknowledgedAt === undefined) landed.push(entry);
          break;
        case 'unknown':
          unknown.push(entry);
          break;
        case 'missing':
          if (entry.refused) refused.push({ own: entry, nack: entry.refused });
          else kept.push(entry);
      }
    }
    for (const entry of unknown) lost.push(this.#range(entry.number, entry.number, 'row_lost'));
    this.#takeNewClient(kept);
    return { landed, lost: joinRanges(lost), refused };
  }

  #fate(entry: Held, row: ClientRow | undefined, isForeign: boolean, now: number, isExpired: boolean): 'landed' | 'missing' | 'unknown' {
    if (entry.firstSentAt === undefined) return 'missing';
    if (!row) {
      if (isExpired || this.#age(entry.firstSentAt, now) >= ROW_TRUSTED_MS) return 'unknown';
      return 'missing';
    }
    if (entry.number > row.clientSeq) return 'missing';
    const digest = rowDigest(row, entry.number);
    if (digest !== undefined) return this.#adopt(entry, digest) ? 'landed' : 'missing';
    if (!isForeign || entry.acknowledgedAt !== undefined) return 'landed';
    return 'unknown';
  }

  #rewindUnknown(now: number, rewrite: Rewrite | undefined): Verdict {
    if (this.#highestSent === 0) {
      this.#sent = 0;
      return 'continue';
    }
    if (this.#firstHeld > 1) return this.#isNotHeldAfter(0);
    const isOld = this.#held.some((e) => e.firstSentAt !== undefined && this.#age(e.firstSentAt, now) >= ROW_TRUSTED_MS);
    if (isOld) return this.#isNotHeldAfter(0);
    this.#goBackTo(0, rewrite);
    return 'continue';
  }

  /** The log ends at `last` for this client, and what follows is not all held, or too old. */
  #isNotHeldAfter(last: number): Verdict {
    this.#acknowledged = Math.min(this.#acknowledged, last);
    this.#sent = Math.min(this.#sent, last);
    return 'new_client';
  }

  /** How long ago that was, by the clock that says more. */
  #age(then: Moment, now: number): number {
    return Math.max(now - then.elapsed, this.#wallClock() - then.unix);
  }

  #moment(now: number): Moment {
    return { elapsed: now, unix: this.#wallClock() };
  }

  /** The log ends at `last` for this client: send from there, and again what has no answer. */
  #goBackTo(last: number, rewrite: Rewrite | undefined): void {
    this.#acknowledged = Math.min(this.#acknowledged, last);
    // What the log holds without an acknowledgement is sent again too: the resend settles it.
    this.#sent = this.#acknowledged;
    for (const entry of this.#held) {
      if (entry.number > last && entry.number <= this.#highestSent) entry.isUnsettled = true;
    }
    if (!rewrite) return;
    for (const entry of this.#held) {
      if (entry.number <= last || entry.number > this.#highestSent) continue;
      const wording = rewrite(entry);
      if (wording && wording !== entry.payload) {
        entry.earlier.push(entry.payload);
        this.#reword(entry, wording);
      }
    }
  }

  /** Whether every number that the row and this writer both know says what this writer wrote. */
  #agreesWith(row: ClientRow): boolean {
    for (const entry of this.#held) {
      const digest = rowDigest(row, entry.number);
      if (digest === undefined) continue;
      if (entry.number > this.#highestSent || !this.#adopt(entry, digest)) return false;
    }
    return true;
  }

  /** Gives the entry its wording with this digest; false if it never had one. */
  #adopt(entry: Held, digest: string): boolean {
    if (this.#digest(entry, entry.payload) === digest) return true;
    const wording = entry.earlier.find((payload) => this.#digest(entry, payload) === digest);
    if (!wording) return false;
    entry.earlier = [...entry.earlier.filter((payload) => payload !== wording), entry.payload];
    this.#reword(entry, wording);
    return true;
  }

  #reword(entry: Held, wording: Payload): void {
    const grown = wording.byteLength - entry.payload.byteLength;
    if (entry.acknowledgedAt === undefined) this.#queuedBytes += grown;
    else this.#retainedBytes += grown;
    entry.payload = wording;
  }

  #digest(entry: Held, payload: Payload): string {
    return shortDigest(
      digestOf({
        author: this.#subject ?? '',
        client: this.#client,
        clientSeq: entry.number,
        kind: entry.kind,
        contentType: entry.contentType,
        payload: payload.asBytes(),
      }),
    );
  }

  #markAcknowledged(entry: Held, now: number): boolean {
    const isNews = entry.acknowledgedAt === undefined;
    entry.acknowledgedAt = now;
    if (!isNews) return false;
    this.#queuedBytes -= entry.payload.byteLength;
    this.#retainedBytes += entry.payload.byteLength;
    return true;
  }

  #drop(entry: Held): void {
    this.#queuedBytes -= entry.payload.byteLength;
    this.#held.splice(this.#held.indexOf(entry), 1);
  }

  #takeNewClient(kept: Held[]): void {
    this.#client = this.#drawClient();
    this.#acknowledged = this.#sent = this.#highestSent = 0;
    this.#held = kept;
    this.#retainedBytes = this.#queuedBytes = 0;
    kept.forEach((entry, index) => {
      entry.number = index + 1;
      entry.earlier = [];
      entry.firstSentAt = entry.refused = undefined;
      entry.isUnsettled = false;
      if (entry.acknowledgedAt === undefined) this.#queuedBytes += entry.payload.byteLength;
      else this.#retainedBytes += entry.payload.byteLength;
    });
    this.#next = kept.length + 1;
  }

  /** The oldest entry that is only kept for the case that a failover lost it. */
  get #oldestSettled(): Held | undefined {
    const oldest = this.#held[0];
    const isSettled = oldest?.acknowledgedAt !== undefined && oldest.number <= Math.min(this.#acknowledged, this.#sent);
    return isSettled ? oldest : undefined;
  }

  #forgetOldest(): void {
    const oldest = this.#held.shift();
    this.#retainedBytes -= oldest?.payload.byteLength ?? 0;
  }

  get #firstHeld(): number {
    return this.#held[0]?.number ?? this.#next;
  }

  #at(number: number): Held | undefined {
    const entry = this.#held[number - this.#firstHeld];
    // A refusal that leads to a new client leaves a hole until then.
    return entry?.number === number ? entry : this.#held.find((e) => e.number === number);
  }

  #range(from: number, to: number, reason: LostReason): LostRange {
    const entries = this.#held.filter((entry) => entry.number >= from && entry.number <= to);
    return { client: this.#client, from, to, reason, entries };
  }
}

/** Neighbouring ranges with one reason are one range. */
function joinRanges(ranges: readonly LostRange[]): LostRange[] {
  const joined: LostRange[] = [];
  for (const range of ranges) {
    const last = joined[joined.length - 1];
    if (last && last.to + 1 === range.from && last.reason === range.reason) {
      joined[joined.length - 1] = { ...last, to: range.to, entries: [...last.entries, ...range.entries] };
    } else joined.push(range);
  }
  return joined;
}

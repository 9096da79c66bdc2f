// A document whose content is one text, for any number of writers: the draft on one joined document.
// Without a DOM; `editor` binds it to CodeMirror.

import type { ChangeSet, Text } from '@codemirror/state';

import type { Client } from '../client.js';
import type { AnchoredText, Range } from '../comments.js';
import type { DocumentState, EntryEvent, ResetEvent } from '../core/events.js';
import type { Nack } from '../core/packets.js';
import { Payload } from '../core/payload.js';
import { isSamePosition, type Position } from '../core/position.js';
import type { OwnEntry } from '../core/writer.js';
import { AppendRefused, type Document, type JoinOptions, type OfferedSnapshot } from '../document.js';
import { Emitter } from '../emitter.js';
import { Draft } from './draft.js';
import { EDIT_KIND, EDIT_TYPE, parseEdit, parseText, TEXT_TYPE, VOID_EDIT, type Edit } from './edit.js';

/** After somebody's edit came too late this writer lets them go first, for so long at most. */
const YIELD_MS = 250;
const RETRY_MS = 1_000;
const DOUBT_MS = 5_000;

export interface SharedTextEvents {
  /** The text is another one by what others wrote. */
  readonly change: ChangeSet;
  /** Something was read, confirmed, or became known. */
  readonly progress: undefined;
  /** An edit is not taken; what was typed stays here. */
  readonly refused: { readonly code: string };
}

/** What joining may be told; the rest this decides itself. */
export type JoinTextOptions = Omit<JoinOptions, 'since' | 'rewriteLost' | 'snapshot' | 'receive'>;

/** Joins a document as a text. */
export function joinText(client: Client, id: string, options: JoinTextOptions = {}): SharedText {
  return new SharedText((hooks) => client.join(id, { ...options, ...hooks }), options.write ?? true);
}

/** What is used of the joined document. */
export type TextDocument = Pick<Document, 'state' | 'client' | 'append' | 'on' | 'leave'>;
export type TextHooks = Required<Pick<JoinOptions, 'rewriteLost' | 'snapshot'>>;

export class SharedText<D extends TextDocument = Document> extends Emitter<SharedTextEvents> implements AnchoredText {
  readonly document: D;
  readonly #draft = new Draft();
  readonly #isWriter: boolean;
  readonly #clients = new Set<string>();
  /** The entry of the edit in flight. */
  #entry: number | undefined;
  /** Whether that entry was acknowledged. */
  #hasLanded = false;
  /** The client that wrote it. */
  #entryClient = '';
  #yieldUntil = 0;
  #doubt: ReturnType<typeof setTimeout> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isRefused = false;
  /** The phase up to which everything was heard. */
  #phase: DocumentState['phase'] = 'offline';

  /** `join` joins with these hooks; {@link joinText} makes one. */
  constructor(join: (hooks: TextHooks) => D, isWriter = true) {
    super();
    this.#isWriter = isWriter;
    this.document = join({ rewriteLost: (own) => this.#rewrite(own), snapshot: () => this.snapshot() });
    this.document.on('entry', (entry) => this.#read(entry));
    this.document.on('reset', (reset) => this.#reset(reset));
    this.document.on('state', (state) => this.#state(state));
    this.document.on('nack', ({ own, nack, isRetried }) => {
      if (!isRetried && own?.id === this.#entry) this.#nacked(nack);
    });
    this.document.on('ack', ({ own }) => {
      if (own.id === this.#entry) this.#hasLanded = true;
    });
    this.document.on('lost', ({ entries }) => {
      if (entries.some(({ id }) => id === this.#entry)) this.#again();
    });
  }

  /** The author's text, with what is not confirmed. */
  get doc(): Text {
    return this.#draft.text;
  }

  /** The confirmed text: exactly what the log says. Comments' anchors count in it. */
  text(): string {
    return this.#draft.history.text.toString();
  }

  get position(): Position | undefined {
    return this.#draft.history.position;
  }

  /** Whether all that was typed here is in the log. */
  get isConfirmed(): boolean {
    return this.#draft.isConfirmed;
  }

  /** The author changed its text: `changes` starts from `doc`. */
  typed(changes: ChangeSet): void {
    this.#draft.typed(changes);
    this.#write();
  }

  /** Where what was this range of the confirmed text at `position` is now. */
  map(position: Position, range: Range): Range | undefined {
    const history = this.#draft.history;
    const start = history.follow(position, range.start, 1);
    const end = history.follow(position, range.end, -1);
    return start === undefined || end === undefined || start >= end ? undefined : { start, end };
  }

  /** Where one place of `position` is in the confirmed text. */
  follow(position: Position, at: number, side: -1 | 1): number | undefined {
    return this.#draft.history.follow(position, at, side);
  }

  /** From the confirmed text to the author's. */
  toDraft(at: number, side: -1 | 1): number {
    const { pending } = this.#draft;
    return pending.mapPos(Math.min(at, pending.length), side);
  }

  /** From the author's text to the confirmed one. */
  fromDraft(at: number, side: -1 | 1): number {
    const { invertedDesc } = this.#draft.pending;
    return invertedDesc.mapPos(Math.min(at, invertedDesc.length), side);
  }

  /** The text as it stands in the log, at the position that was read; `undefined` while it is read anew. */
  snapshot(): OfferedSnapshot | undefined {
    const { history, isReplaying } = this.#draft;
    if (isReplaying || this.#phase !== 'joined' || !history.position || history.position.seq === 0) return undefined;
    return { position: history.position, contentType: TEXT_TYPE, payload: history.snapshot };
  }

  leave(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#doubt);
    this.document.leave();
  }

  #read(entry: EntryEvent): void {
    const edit = entry.kind === EDIT_KIND && entry.contentType === EDIT_TYPE ? parseEdit(jsonOf(entry.payload)) : undefined;
    // A new identity goes on with what the former one had.
    if (this.document.client !== undefined) this.#clients.add(this.document.client);
    const isMine = this.#clients.has(entry.client);
    const wasEffective = this.#draft.history.effective;
    const changes = this.#draft.read(entry.position, edit, isMine, entry.client);
    if (edit && !isMine) {
      const isLate = this.#draft.history.effective === wasEffective;
      this.#yieldUntil = isLate ? performance.now() + YIELD_MS : 0;
    }
    if (!this.#draft.isInFlight) this.#entry = undefined;
    this.#tell(changes);
  }

  #reset({ position, snapshot, cause }: ResetEvent): void {
    const held = snapshot && (parseText(jsonOf(snapshot.payload)) ?? { text: snapshot.payload.asText(), effective: null });
    this.#phase = 'joining';
    this.#draft.reset(cause, position, held);
    this.#tell(undefined);
  }

  #state(state: DocumentState): void {
    // What it says may be ahead of what was heard here.
    const isSame = state.position === undefined || this.position === undefined || isSamePosition(state.position, this.position);
    if (state.phase === 'joined' && this.#phase !== 'joined' && isSame) {
      this.#phase = 'joined';
      this.#tell(this.#draft.joined(this.#entryClient, this.#hasLanded));
      this.#doubtLater();
    } else if (state.phase !== 'joined') {
      this.#phase = state.phase;
      this.#tell(undefined);
    }
  }

  #tell(changes: ChangeSet | undefined): void {
    if (changes && !changes.empty) this.dispatch('change', changes);
    this.#write();
    this.dispatch('progress', undefined);
  }

  #write(): void {
    if (!this.#isWriter || this.#phase !== 'joined' || this.#isRefused || this.#draft.isInFlight) return;
    const wait = this.#yieldUntil - performance.now();
    clearTimeout(this.#timer);
    if (wait > 0) {
      this.#timer = setTimeout(() => this.#write(), wait);
      return;
    }
    const edit = this.#draft.next();
    if (edit) this.#append(edit);
  }

  #append(edit: Edit): void {
    for (let next: Edit | undefined = edit; next; ) {
      try {
        this.#entry = this.document.append(next, { kind: EDIT_KIND, contentType: EDIT_TYPE });
        this.#hasLanded = false;
        this.#entryClient = this.document.client ?? '';
        return;
      } catch (error) {
        if (!(error instanceof AppendRefused)) throw error;
        next = error.code === 'too_large' ? this.#draft.shorter() : undefined;
        if (!next) this.#wait(error.code);
      }
    }
  }

  /** Acknowledged and never delivered: it lies before what was read, and its effect is not known. */
  #doubtLater(): void {
    clearTimeout(this.#doubt);
    const entry = this.#entry;
    if (entry === undefined || !this.#draft.isInFlight) return;
    this.#doubt = setTimeout(() => {
      const { phase, unacknowledged } = this.document.state;
      if (entry === this.#entry && this.#hasLanded && phase === 'joined' && unacknowledged === 0) this.#again();
    }, DOUBT_MS);
  }

  #nacked(nack: Nack): void {
    if (nack.code === 'too_large') {
      const next = this.#draft.shorter();
      if (next) return this.#append(next);
    }
    this.#isRefused = nack.code === 'forbidden' || nack.code === 'revoked';
    this.#wait(nack.code);
  }

  /** What was typed stays; it is tried again later. */
  #wait(code: string): void {
    this.#entry = undefined;
    this.#draft.unsent();
    this.dispatch('refused', { code });
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#write(), RETRY_MS);
  }

  #again(): void {
    this.#entry = undefined;
    this.#draft.unsent();
    this.#write();
  }

  /** Only the edit in flight goes out again as it was; the others are in the draft again. */
  #rewrite(own: OwnEntry): Payload | undefined {
    if (own.kind !== EDIT_KIND || own.contentType !== EDIT_TYPE) return undefined;
    const edit = parseEdit(jsonOf(own.payload));
    if (edit && this.#draft.isWaitingFor(edit)) return undefined;
    if (edit) this.#draft.isGone(edit);
    return Payload.json(VOID_EDIT);
  }
}

function jsonOf(payload: Payload): unknown {
  try {
    return payload.asJson();
  } catch {
    return undefined;
  }
}

// The comments of a document: read once, then kept by the entries of its log, so that everybody sees
// them in order with the text. An anchor follows the text, or says that it is orphaned; it is never
// silently moved.

import { commentIdOf } from './core/comment-id.js';
import type { EntryEvent } from './core/events.js';
import type { AnchorAt, Nack } from './core/packets.js';
import { formatPosition, parsePosition, type Position } from './core/position.js';
import { Emitter } from './emitter.js';

export interface Range {
  readonly start: number;
  readonly end: number;
}

/** A place in the text as it was at a position. */
export interface Anchor extends Range {
  readonly position: Position;
  /** What `start` and `end` count. */
  readonly unit: string;
  /** The text between them. */
  readonly quote: string;
}

export interface Comment {
  readonly id: string;
  /** The comment that began the conversation: its own id, or that which it replies to. */
  readonly thread: string;
  readonly author: string;
  /** Milliseconds since 1970-01-01 UTC. */
  readonly at: number;
  readonly position: Position;
  readonly anchor: Anchor | undefined;
  /** The gateway has no place for its anchor any more. */
  readonly isOrphaned: boolean;
  /** Empty once it is deleted. */
  readonly text: string;
  readonly mentions: readonly string[];
  readonly editedAt: number | undefined;
  readonly resolved: { readonly by: string; readonly at: number } | undefined;
  readonly isDeleted: boolean;
}

/** What the application says of its text, in the unit of the anchors (`utf16`: the length of a string). */
export interface AnchoredText {
  /** The text as it is now. */
  text(): string;
  /** Where what was this range at `position` is now; `undefined` if it is gone, or the position is not known. */
  map(position: Position, range: Range): Range | undefined;
}

/** Where a comment's anchor is now. */
export type Place =
  | { readonly at: 'found'; readonly start: number; readonly end: number }
  /** Its text is gone, or cannot be told from other text. */
  | { readonly at: 'orphaned' }
  /** It is about the whole document. */
  | { readonly at: 'document' };

/** What was said about one place: the comment that began it, and its replies in order. */
export interface Thread {
  readonly root: Comment;
  readonly replies: readonly Comment[];
}

export interface CommentsEvents {
  /** Something is another one now; `ids` are those that changed, all of them after a (re)load. */
  readonly change: { readonly ids: readonly string[] };
}

/** A comment was not taken. */
export class CommentRefused extends Error {
  override readonly name = 'CommentRefused';

  constructor(readonly code: Nack['code'] | 'lost', detail: string) {
    super(detail);
  }
}

/** What is used of the document. */
export interface CommentedDocument {
  readonly id: string;
  readonly state: { readonly phase: string; readonly position: Position | undefined };
  append(value: unknown, options: { readonly kind: string }): number;
  on(name: 'entry', listener: (entry: EntryEvent) => void): () => void;
  on(name: 'state', listener: () => void): () => void;
  on(name: 'reset', listener: () => void): () => void;
  on(name: 'nack', listener: (event: { own: { id: number } | undefined; nack: Nack; isRetried: boolean }) => void): () => void;
  on(name: 'lost', listener: (event: { entries: readonly { id: number }[]; reason: string }) => void): () => void;
}

/** The list as the gateway has it, at a position or later. */
export type LoadComments = (minPosition: Position | undefined) => Promise<unknown>;

interface Waiting {
  readonly resolve: (id: string) => void;
  readonly reject: (error: CommentRefused) => void;
}

const RETRY_MS = 1_000;
const RETRY_MAX_MS = 15_000;

export class Comments extends Emitter<CommentsEvents> {
  readonly #document: CommentedDocument;
  readonly #load: LoadComments;
  #comments = new Map<string, Comment>();
  /** Entries since the list was asked for: they come on top of it. */
  #since: EntryEvent[] | undefined;
  #isLoaded = false;
  #loads = 0;
  #retryMs = RETRY_MS;
  #text: AnchoredText | undefined;
  readonly #waiting = new Map<number, Waiting>();

  /** Only {@link Document.comments} makes one. */
  constructor(document: CommentedDocument, load: LoadComments) {
    super();
    this.#document = document;
    this.#load = load;
    document.on('entry', (entry) => this.#heard(entry));
    document.on('reset', () => this.#reload());
    document.on('state', () => this.#loadOnce());
    document.on('nack', ({ own, nack, isRetried }) => {
      if (own && !isRetried) this.#refuse(own.id, nack.code, 'why' in nack && nack.why ? nack.why : `refused: ${nack.code}`);
    });
    document.on('lost', ({ entries, reason }) => {
      for (const { id } of entries) this.#refuse(id, 'lost', `it may not be in the log: ${reason}`);
    });
    this.#loadOnce();
  }

  /** Whether the list is known. */
  get isLoaded(): boolean {
    return this.#isLoaded;
  }

  /** All of them, in the order of the log, also deleted ones. */
  get all(): readonly Comment[] {
    return [...this.#comments.values()].sort((a, b) => a.position.seq - b.position.seq);
  }

  get(id: string): Comment | undefined {
    return this.#comments.get(id);
  }

  /** By conversation, in the order of the log. */
  get threads(): readonly Thread[] {
    const all = this.all;
    const replies = new Map<string, Comment[]>();
    for (const comment of all) {
      if (comment.thread === comment.id) replies.set(comment.id, []);
    }
    for (const comment of all) if (comment.thread !== comment.id) replies.get(comment.thread)?.push(comment);
    return all.filter(({ id, thread }) => id === thread).map((root) => ({ root, replies: replies.get(root.id) ?? [] }));
  }

  // --- anchors

  /** Where the anchors are: from here on `place` knows. */
  follow(text: AnchoredText | undefined): void {
    this.#text = text;
    this.dispatch('change', { ids: [...this.#comments.keys()] });
  }

  /** Where the comment's text is now. A reply is where its thread is. */
  place(id: string): Place {
    const comment = this.#comments.get(this.#comments.get(id)?.thread ?? id);
    if (!comment || (!comment.anchor && !comment.isOrphaned)) return { at: 'document' };
    const { anchor } = comment;
    if (!anchor || !this.#text) return { at: 'orphaned' };
    if (!comment.isOrphaned && anchor.unit === 'utf16') {
      const range = this.#text.map(anchor.position, anchor);
      if (range && range.start < range.end) return { at: 'found', start: range.start, end: range.end };
    }
    return find(this.#text.text(), anchor.quote) ?? { at: 'orphaned' };
  }

  /**
   * Every open anchor as a snapshot at `position`, which is the text's present one, has to carry it;
   * `undefined` if that is not known, and then no snapshot can be put.
   */
  anchorsAt(position: Position): Record<string, AnchorAt> | undefined {
    if (!this.#isLoaded) return undefined;
    const anchors: Record<string, AnchorAt> = {};
    for (const comment of this.#comments.values()) {
      const isOpen = !comment.isDeleted && comment.resolved === undefined;
      if (!isOpen || (!comment.anchor && !comment.isOrphaned) || comment.position.seq > position.seq) continue;
      if (!this.#text) return undefined;
      const place = this.place(comment.id);
      anchors[comment.id] = place.at === 'found' ? { start: place.start, end: place.end } : 'orphaned';
    }
    return anchors;
  }

  // --- writing: each resolves once it is in the log

  /** Begins a conversation, about a place or about the document; resolves with its id. */
  create(comment: { readonly text: string; readonly anchor?: Anchor | undefined; readonly mentions?: readonly string[] | undefined }): Promise<string> {
    const { text, anchor, mentions } = comment;
    return this.#append('comment.create', {
      text, mentions, anchor: anchor && { ...anchor, position: formatPosition(anchor.position) },
    });
  }

  reply(thread: string, text: string, mentions?: readonly string[]): Promise<string> {
    return this.#append('comment.reply', { comment: this.#comments.get(thread)?.thread ?? thread, text, mentions });
  }

  async edit(comment: string, text: string, mentions?: readonly string[]): Promise<void> {
    await this.#append('comment.edit', { comment, text, mentions });
  }

  async resolve(comment: string, resolved = true): Promise<void> {
    await this.#append('comment.resolve', { comment: this.#comments.get(comment)?.thread ?? comment, resolved });
  }

  async delete(comment: string): Promise<void> {
    await this.#append('comment.delete', { comment });
  }

  #append(kind: string, value: unknown): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#waiting.set(this.#document.append(value, { kind }), { resolve, reject });
    });
  }

  #refuse(own: number, code: CommentRefused['code'], detail: string): void {
    this.#waiting.get(own)?.reject(new CommentRefused(code, detail));
    this.#waiting.delete(own);
  }

  // --- reading

  #heard(entry: EntryEvent): void {
    if (!entry.kind.startsWith('comment.')) return;
    const id = commentIdOf(entry);
    this.#since?.push(entry);
    const changed = this.#apply(entry, id);
    if (changed !== undefined) this.dispatch('change', { ids: [changed] });
    if (entry.own === undefined) return;
    this.#waiting.get(entry.own)?.resolve(id);
    this.#waiting.delete(entry.own);
  }

  /** Doing it once more changes nothing. Returns which comment is another one now. */
  #apply(entry: EntryEvent, id: string): string | undefined {
    const said = jsonObject(entry.payload);
    const about = typeof said['comment'] === 'string' ? this.#comments.get(said['comment']) : undefined;
    switch (entry.kind) {
      case 'comment.create':
      case 'comment.reply': {
        if (this.#comments.has(id)) return undefined;
        const thread = entry.kind === 'comment.create' ? id : String(said['comment']);
        this.#comments.set(id, commentOf({ ...said, id, thread, author: entry.author, at: entry.at, position: formatPosition(entry.position) }));
        return id;
      }
      case 'comment.edit':
        if (!about || about.isDeleted) return undefined;
        this.#comments.set(about.id, {
          ...about, text: String(said['text'] ?? about.text), editedAt: entry.at,
          mentions: Array.isArray(said['mentions']) ? said['mentions'].map(String) : about.mentions,
        });
        return about.id;
      case 'comment.resolve': {
        if (!about) return undefined;
        const resolved = said['resolved'] === false ? undefined : { by: entry.author, at: entry.at };
        this.#comments.set(about.id, { ...about, resolved });
        return about.id;
      }
      case 'comment.delete':
        if (!about) return undefined;
        this.#comments.set(about.id, { ...about, text: '', mentions: [], isDeleted: true });
        return about.id;
      default:
        return undefined;
    }
  }

  /** What the log was is void: the list is asked again. */
  #reload(): void {
    this.#loads += 1;
    this.#isLoaded = false;
    this.#since = undefined;
    this.#loadOnce();
  }

  #loadOnce(): void {
    if (this.#isLoaded || this.#since || this.#document.state.phase !== 'joined') return;
    const load = this.#loads;
    this.#since = [];
    this.#load(this.#document.state.position).then(
      (list) => {
        if (load === this.#loads) this.#loaded(list);
      },
      () => {
        if (load !== this.#loads) return;
        const timer = setTimeout(() => {
          if (load !== this.#loads) return;
          this.#since = undefined;
          this.#loadOnce();
        }, this.#retryMs);
        (timer as { unref?: () => void }).unref?.();
        this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS);
      },
    );
  }

  #loaded(list: unknown): void {
    const before = [...this.#comments.keys()];
    const records = Array.isArray(list) ? list : ((list as { comments?: unknown[] } | undefined)?.comments ?? []);
    this.#comments = new Map(records.map((record) => commentOf(record as Record<string, unknown>)).map((comment) => [comment.id, comment]));
    for (const entry of this.#since ?? []) this.#apply(entry, commentIdOf(entry));
    this.#since = undefined;
    this.#isLoaded = true;
    this.#retryMs = RETRY_MS;
    this.dispatch('change', { ids: [...new Set([...before, ...this.#comments.keys()])] });
  }
}

/** The one place of the quote in the text; `undefined` if there is none, or more than one. */
function find(text: string, quote: string): Place | undefined {
  if (quote === '') return undefined;
  const start = text.indexOf(quote);
  if (start < 0 || text.indexOf(quote, start + 1) >= 0) return undefined;
  return { at: 'found', start, end: start + quote.length };
}

function jsonObject(payload: { asJson(): unknown }): Record<string, unknown> {
  try {
    const value = payload.asJson();
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** A record as the gateway gives it. */
function commentOf(record: Record<string, unknown>): Comment {
  const number = (value: unknown): number => (typeof value === 'number' ? value : 0);
  const resolved = record['resolved'] as { by?: unknown; at?: unknown } | null | undefined;
  const isDeleted = record['deleted'] === true;
  return {
    id: String(record['id']),
    thread: String(record['thread'] ?? record['id']),
    author: String(record['author'] ?? ''),
    at: number(record['at']),
    position: parsePosition(record['position']) ?? { seq: 0, hash: '0000000000000000' },
    anchor: anchorOf(record['anchor']),
    isOrphaned: record['orphaned'] === true,
    text: isDeleted ? '' : String(record['text'] ?? ''),
    mentions: Array.isArray(record['mentions']) ? record['mentions'].map(String) : [],
    editedAt: typeof record['edited_at'] === 'number' ? record['edited_at'] : undefined,
    resolved: typeof resolved === 'object' && resolved !== null ? { by: String(resolved.by ?? ''), at: number(resolved.at) } : undefined,
    isDeleted,
  };
}

function anchorOf(value: unknown): Anchor | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const anchor = value as Record<string, unknown>;
  const position = parsePosition(anchor['position']);
  if (!position || typeof anchor['start'] !== 'number' || typeof anchor['end'] !== 'number') return undefined;
  return { position, start: anchor['start'], end: anchor['end'], unit: String(anchor['unit'] ?? 'utf16'), quote: String(anchor['quote'] ?? '') };
}

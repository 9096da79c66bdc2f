// The appends of one document by requests, as a session would take them (C2): in order, one request
// under way, and behind a refused number nothing is heard until the gate opens again.

import type { Answer, HttpWire } from './link.js';

const ENTRIES_MAX = 64;
const LENGTH_MAX = 512 * 1024;
/** How often in a row nobody may answer until the link is given up. */
const UNANSWERED_MAX = 3;
const UNANSWERED_PAUSE_MS = 250;

type Json = Record<string, unknown>;

interface Queued {
  readonly clientSeq: number;
  /** Its object in the request. */
  readonly text: string;
}

/** What is used of the link. */
export interface Postman {
  readonly wire: HttpWire;
  token(): string | undefined;
  say(packet: Json): void;
  /** Requests do not get through. */
  blocked(): void;
}

export class Posting {
  readonly #postman: Postman;
  readonly #document: string;
  readonly #path: string;
  readonly #client: string;
  #queue: Queued[] = [];
  #gate: { readonly number: number; readonly expected: number | undefined } | undefined;
  #isSending = false;
  #entriesMax = ENTRIES_MAX;
  #unanswered = 0;
  #acknowledged = 0;
  #giveUp = (): void => {};
  #whenIdle: (() => void) | undefined;

  constructor(postman: Postman, document: string, client: string) {
    this.#postman = postman;
    this.#document = document;
    this.#path = `/v1/documents/${encodeURIComponent(document)}/entries`;
    this.#client = client;
  }

  /** `text` is the entry as one JSON object. */
  append(clientSeq: number, text: string): void {
    if (this.#gate) {
      if (clientSeq === this.#gate.number || clientSeq === this.#gate.expected) this.#gate = undefined;
      else if (clientSeq > this.#gate.number) return;
    }
    this.#queue.push({ clientSeq, text });
    this.#postman.wire.soon(() => this.#pump());
  }

  /** The log's row of this client, unasked: if it lost what was acknowledged here, the writer hears it as a gap. */
  compare(row: Json): void {
    const last = typeof row['client_seq'] === 'number' ? row['client_seq'] : 0;
    if (last >= this.#acknowledged || this.#isSending || this.#queue.length > 0) return;
    this.gap(last + 1);
    const known = last === 0 ? {} : { row_client_seq: last, row_position: row['row_position'], digests: row['digests'] };
    this.#postman.say({ type: 'nack', document: this.#document, code: 'gap', expected: last + 1, ...known });
  }

  /** The writer hears of a gap that nobody asked for: it goes back there. */
  gap(expected: number): void {
    this.#acknowledged = Math.min(this.#acknowledged, expected - 1);
    this.#shut(expected, expected);
  }

  /** Sends no more; `then` once nothing is under way. */
  finish(then: () => void): void {
    this.#queue = [];
    if (this.#isSending) this.#whenIdle = then;
    else then();
  }

  end(): void {
    this.#queue = [];
    this.#whenIdle = undefined;
    this.#giveUp();
  }

  #pump(): void {
    if (this.#isSending || this.#queue.length === 0) return;
    const batch: Queued[] = [];
    for (let length = 0; batch.length < this.#entriesMax && this.#queue.length > 0; ) {
      const next = this.#queue[0] as Queued;
      const last = batch[batch.length - 1];
      // What goes out again begins anew: a request has numbers without a hole.
      if (last && (length + next.text.length > LENGTH_MAX || next.clientSeq !== last.clientSeq + 1)) break;
      length += next.text.length;
      batch.push(next);
      this.#queue.shift();
    }
    this.#isSending = true;
    const body = `{"client":${JSON.stringify(this.#client)},"entries":[${batch.map(({ text }) => text).join(',')}]}`;
    this.#giveUp = this.#postman.wire.request({ method: 'POST', path: this.#path, token: this.#postman.token(), accept: 'application/json', body }, (answer) => {
      this.#isSending = false;
      this.#answered(batch, answer);
      const whenIdle = this.#whenIdle;
      this.#whenIdle = undefined;
      if (whenIdle) return whenIdle();
      this.#pump();
    });
  }

  #answered(batch: readonly Queued[], answer: Answer | undefined): void {
    const first = batch[0];
    if (!first) return;
    const said = answer && jsonObject(answer.text);
    // A proxy's own page says nothing about the entries.
    if (!answer || !said || (answer.status !== 200 && typeof said['code'] !== 'string')) {
      this.#unanswered += 1;
      if (this.#unanswered >= UNANSWERED_MAX) return this.#postman.blocked();
      return this.#nack(first.clientSeq, { code: 'unavailable', after_ms: UNANSWERED_PAUSE_MS });
    }
    this.#unanswered = 0;
    if (answer.status === 200) {
      this.#entriesMax = ENTRIES_MAX;
      return this.#results(Array.isArray(said['results']) ? (said['results'] as Json[]) : [said]);
    }
    const code = String(said['code']);
    if (answer.status === 401) {
      this.#postman.say({ type: 'error', code: 'token_expired', detail: String(said['detail'] ?? '') });
      return this.#nack(first.clientSeq, { code: 'unavailable', after_ms: 1_000 });
    }
    const isOfOne = batch.length === 1;
    if (!isOfOne && (answer.status === 413 || answer.status === 400)) {
      // Which of them it is, is said of one alone.
      this.#entriesMax = 1;
      this.#queue = [...batch, ...this.#queue];
      return;
    }
    this.#entriesMax = ENTRIES_MAX;
    this.#nack(first.clientSeq, refusal(code, { ...said, after_ms: said['after_ms'] ?? answer.afterMs }));
  }

  #results(results: readonly Json[]): void {
    for (const result of results) {
      const clientSeq = Number(result['client_seq']);
      const error = result['error'];
      if (typeof error === 'object' && error !== null) {
        const fields = error as Json;
        return this.#nack(clientSeq, refusal(String(fields['code']), fields));
      }
      this.#acknowledged = Math.max(this.#acknowledged, clientSeq);
      this.#postman.say({
        type: 'ack', document: this.#document, client_seq: clientSeq, position: result['position'], duplicate: result['duplicate'] === true,
      });
    }
  }

  #nack(clientSeq: number, fields: Json): void {
    this.#shut(clientSeq, typeof fields['expected'] === 'number' ? fields['expected'] : undefined);
    this.#postman.say({ type: 'nack', document: this.#document, client_seq: clientSeq, ...fields });
  }

  #shut(number: number, expected: number | undefined): void {
    this.#gate = { number, expected };
    this.#queue = this.#queue.filter(({ clientSeq }) => clientSeq < number);
  }
}

/** An error of REST as the `nack` of the native protocol. */
function refusal(code: string, fields: Json): Json {
  const row = fields['row'];
  const known = typeof row === 'object' && row !== null ? (row as Json) : fields;
  const nack: Json = {
    code, expected: fields['expected'], need: fields['need'], max_bytes: fields['max_bytes'], why: fields['why'] ?? fields['detail'],
    row_client_seq: known['client_seq'] === undefined || known === fields ? fields['row_client_seq'] : known['client_seq'],
    row_position: known['row_position'] ?? known['position'], digests: known['digests'],
  };
  if (code === 'throttled' || code === 'unavailable' || code === 'unknown') nack['after_ms'] = fields['after_ms'] ?? 500;
  if (code === 'unknown' || code === 'overloaded' || code === 'going_away' || code === 'internal') nack['code'] = 'unavailable';
  return nack;
}

export function jsonObject(text: string): Json | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
  } catch {
    return undefined;
  }
}

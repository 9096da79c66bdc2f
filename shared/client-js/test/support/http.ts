// Requests and event streams over the gateway in memory, step by step: what is asked, what is done, what
// is answered and what gets lost on the way are moments of their own.

import { formatPosition, Payload } from '../../src/core/index.js';
import { memberText } from '../../src/core/members.js';
import type { Answer, HttpWire, Outgoing } from '../../src/links/link.js';
import type { FakeGateway, Session } from './gateway.js';

type Json = Record<string, unknown>;

interface StreamSide {
  readonly request: Outgoing;
  readonly on: Parameters<HttpWire['stream']>[1];
  session: Session | undefined;
}

interface RequestSide {
  readonly request: Outgoing;
  done: ((answer: Answer | undefined) => void) | undefined;
  /** What it was answered; `undefined` while nobody heard it. */
  answer: Answer | undefined;
}

export class FakeHttp implements HttpWire {
  readonly #gateway: FakeGateway;
  readonly #clock: () => number;
  readonly #soon: (() => void)[] = [];
  readonly streams = new Set<StreamSide>();
  requests: RequestSide[] = [];
  /** Requests that nobody waits for: the gateway may still hear them. */
  given: RequestSide[] = [];

  constructor(gateway: FakeGateway, clock: () => number) {
    this.#gateway = gateway;
    this.#clock = clock;
  }

  stream(request: Outgoing, on: Parameters<HttpWire['stream']>[1]): () => void {
    const side: StreamSide = { request, on, session: undefined };
    this.streams.add(side);
    return () => this.#end(side);
  }

  request(request: Outgoing, done: (answer: Answer | undefined) => void): () => void {
    const side: RequestSide = { request, done, answer: undefined };
    this.requests.push(side);
    return () => {
      side.done = undefined;
      const at = this.requests.indexOf(side);
      if (at < 0) return;
      this.requests.splice(at, 1);
      if (side.answer === undefined) this.given.push(side);
    };
  }

  soon(then: () => void): void {
    this.#soon.push(then);
  }

  after(): () => void {
    throw new Error('no timers here');
  }

  now(): number {
    return this.#clock();
  }

  /** What was to happen soon. */
  settle(): void {
    for (let then = this.#soon.shift(); then; then = this.#soon.shift()) then();
  }

  get isQuiet(): boolean {
    return this.requests.length === 0 && this.given.length === 0 && this.#soon.length === 0
      && [...this.streams].every(({ session }) => session !== undefined && session.out.length === 0);
  }

  /** One thing happens, to whichever `pick` points at. */
  step(pick: (count: number) => number, loses: () => boolean): void {
    const streams = [...this.streams];
    const at = pick(streams.length + this.requests.length);
    const stream = streams[at];
    if (stream) this.#stepStream(stream, loses);
    else {
      const request = this.requests[at - streams.length];
      if (request) this.#stepRequest(request, loses);
    }
    this.settle();
  }

  /** The gateway hears one that was given up, or never does. */
  stepGiven(isHeard: boolean): void {
    const side = this.given.shift();
    if (side && isHeard) this.#answer(side.request);
  }

  /** Everything under way breaks. */
  cut(): void {
    for (const stream of [...this.streams]) this.#end(stream);
  }

  #end(side: StreamSide): void {
    this.streams.delete(side);
    if (side.session) this.#gateway.end(side.session);
  }

  #stepStream(side: StreamSide, loses: () => boolean): void {
    if (!side.session) {
      side.session = this.#open(side.request);
      return;
    }
    if (loses()) {
      this.#end(side);
      return side.on.ended(undefined, false);
    }
    const text = side.session.out.shift();
    if (text === undefined) return;
    // Cut anywhere, like what comes over a network.
    const event = `data: ${text}\n\n`;
    const half = event.length >> 1;
    side.on.text(event.slice(0, half));
    if (this.streams.has(side)) side.on.text(event.slice(half));
  }

  #open(request: Outgoing): Session {
    const session = this.#gateway.open();
    session.isStream = true;
    const query = new URLSearchParams(request.path.split('?')[1] ?? '');
    session.receive(JSON.stringify({ type: 'hello', token: request.token }));
    const since = (query.get('since') ?? '').split(',');
    const client = query.get('client') ?? undefined;
    query.getAll('document').forEach((document, index) => {
      session.receive(JSON.stringify({ type: 'join', document, client, since: since[index] === '' ? undefined : since[index] }));
    });
    return session;
  }

  #stepRequest(side: RequestSide, loses: () => boolean): void {
    if (side.answer === undefined) {
      side.answer = this.#answer(side.request);
      return;
    }
    this.requests.splice(this.requests.indexOf(side), 1);
    const done = side.done;
    side.done = undefined;
    done?.(loses() ? undefined : side.answer);
  }

  #answer(request: Outgoing): Answer {
    const path = decodeURIComponent(request.path);
    const found = /^\/v1\/documents\/(.*)\/(entries|signals)$/.exec(path);
    const body = request.body ?? '{}';
    const document = found?.[1] ?? '';
    if (found?.[2] !== 'entries') return { status: 202, text: '' };
    const client = String((JSON.parse(body) as Json)['client']);
    const results: Json[] = [];
    for (const text of split(memberText(body, 'entries') ?? '[]')) results.push(this.#append(document, String(request.token ?? 'anonymous'), client, text, results));
    this.#gateway.announce(document);
    return { status: 200, text: JSON.stringify({ results }) };
  }

  #append(document: string, author: string, client: string, text: string, before: readonly Json[]): Json {
    const entry = JSON.parse(text) as Json;
    const clientSeq = Number(entry['client_seq']);
    const refused = (error: Json): Json => ({ client_seq: clientSeq, error });
    // Behind a refusal nothing is heard.
    if (before.some((result) => 'error' in result)) return refused({ code: 'unavailable', after_ms: 10 });
    const fault = this.#gateway.faultBefore?.(clientSeq);
    if (fault) return refused(fault);
    const answer = this.#gateway.log(document).append({
      author, client, clientSeq, kind: String(entry['kind']), contentType: String(entry['content_type']),
      payload: Payload.received('payload', memberText(text, 'payload') ?? 'null'),
    });
    this.#gateway.appended?.(document);
    if ('position' in answer) {
      if (this.#gateway.loseReply?.()) return refused({ code: 'unavailable', after_ms: 10 });
      return { client_seq: clientSeq, position: formatPosition(answer.position), duplicate: answer.duplicate };
    }
    const { row, ...rest } = answer;
    return refused({ ...rest, ...(row ? { row_client_seq: row.clientSeq, row_position: formatPosition(row.position), digests: row.digests.join('') } : {}) });
  }
}

/** The elements of a JSON list of objects, each as it was written. */
function split(list: string): string[] {
  const count = (JSON.parse(list) as unknown[]).length;
  const found: string[] = [];
  let rest = list.trim().slice(1);
  for (let n = 0; n < count; n += 1) {
    const wrapped = `{"x":${rest.trim()}`;
    const value = memberText(wrapped, 'x') ?? '';
    found.push(value);
    rest = rest.trim().slice(value.length).trim().slice(1);
  }
  return found;
}


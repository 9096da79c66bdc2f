// Requests by `fetch`, which every browser and node 18 has, and which reads an answer while it comes and
// sends `Authorization`: neither EventSource nor tickets are needed for it.

import type { Fetch } from '../http.js';
import type { Answer, HttpWire, Outgoing } from './link.js';

export class FetchWire implements HttpWire {
  readonly #base: string;
  readonly #fetch: Fetch;

  constructor(base: string, fetch: Fetch) {
    this.#base = base;
    this.#fetch = fetch;
  }

  stream(request: Outgoing, on: Parameters<HttpWire['stream']>[1]): () => void {
    const abort = new AbortController();
    let isOver = false;
    const end = (answer: Answer | undefined, isWhole: boolean): void => {
      if (isOver) return;
      isOver = true;
      on.ended(answer, isWhole);
    };
    const read = async (): Promise<void> => {
      const response = await this.#send(request, abort.signal);
      if (response.status !== 200) return end(await answerOf(response), true);
      const reader = response.body?.getReader();
      if (!reader) return end(undefined, false);
      const decoder = new TextDecoder();
      for (;;) {
        const { done, value } = await reader.read();
        if (isOver) return;
        if (done) return end(undefined, true);
        on.text(decoder.decode(value, { stream: true }));
      }
    };
    read().catch(() => end(undefined, false));
    return () => {
      isOver = true;
      abort.abort();
    };
  }

  request(request: Outgoing, done: (answer: Answer | undefined) => void): () => void {
    const abort = new AbortController();
    let isOver = false;
    const end = (answer: Answer | undefined): void => {
      if (isOver) return;
      isOver = true;
      done(answer);
    };
    this.#send(request, abort.signal).then(answerOf).then(end, () => end(undefined));
    return () => {
      isOver = true;
      abort.abort();
    };
  }

  soon(then: () => void): void {
    queueMicrotask(then);
  }

  after(ms: number, then: () => void): () => void {
    const timer = setTimeout(then, ms);
    return () => clearTimeout(timer);
  }

  now(): number {
    return performance.now();
  }

  #send({ method, path, token, accept, body, contentType }: Outgoing, signal: AbortSignal): Promise<Response> {
    const headers: Record<string, string> = {};
    if (accept !== undefined) headers['accept'] = accept;
    if (token !== undefined) headers['authorization'] = `Bearer ${token}`;
    if (body !== undefined) headers['content-type'] = contentType ?? 'application/json';
    const init: RequestInit = { method, headers, signal, cache: 'no-store' };
    if (body !== undefined) init.body = body;
    return this.#fetch(`${this.#base}${path}`, init);
  }
}

async function answerOf(response: Response): Promise<Answer> {
  const seconds = Number(response.headers.get('retry-after') ?? NaN);
  return { status: response.status, text: await response.text(), afterMs: Number.isFinite(seconds) ? seconds * 1000 : undefined };
}

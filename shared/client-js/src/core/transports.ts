// Which transport the next link takes: the first of the list that works, and again the better one once
// it may work again. Position and writer are of the documents, so that nothing depends on the answer.

/** From the best to what always gets through. */
export type Transport = 'websocket' | 'sse' | 'sockjs';

export const TRANSPORTS: readonly Transport[] = ['websocket', 'sse', 'sockjs'];

/** So many links in a row that could not be opened: the next transport is tried. */
const FAILURES_MAX = 2;
/** A transport that failed is tried again, beside the one that works, after this long; each time later. */
const AGAIN_AFTER_MS = 60_000;
const AGAIN_AFTER_MAX_MS = 30 * 60_000;

export class Transports {
  #list: readonly Transport[];
  #at = 0;
  #failures = 0;
  #againAfterMs = AGAIN_AFTER_MS;
  #againAt: number | undefined;
  /** Which of the better ones is tried next. */
  #candidate = 0;

  constructor(list: readonly Transport[]) {
    this.#list = list.length > 0 ? [...new Set(list)] : ['websocket'];
  }

  get current(): Transport {
    return this.#list[this.#at] ?? 'websocket';
  }

  /** From now on this one is the best. */
  prefer(transport: Transport): void {
    const current = this.current;
    this.#list = [transport, ...this.#list.filter((other) => other !== transport)];
    this.#at = Math.max(0, this.#list.indexOf(current));
    this.#failures = 0;
    this.#candidate = 0;
    this.#againAt = undefined;
  }

  /** The next link is of this one. */
  take(transport: Transport): void {
    this.#at = Math.max(0, this.#list.indexOf(transport));
    this.#failures = 0;
  }

  /** A link could not be opened; `isSilent`: it was, and nothing came. */
  failed(isSilent: boolean): void {
    this.#failures += isSilent ? FAILURES_MAX : 1;
    if (this.#failures < FAILURES_MAX) return;
    this.#failures = 0;
    this.#at = (this.#at + 1) % this.#list.length;
  }

  /** A session stands on a link of the current one. */
  stands(now: number): void {
    this.#failures = 0;
    if (this.#at > 0) return void (this.#againAt ??= now + this.#againAfterMs);
    this.#againAt = undefined;
    this.#againAfterMs = AGAIN_AFTER_MS;
  }

  /** When a better one is to be tried beside the present one. */
  get againAt(): number | undefined {
    return this.#at > 0 ? this.#againAt : undefined;
  }

  /** The better one to try now; a failure costs nothing but time. */
  better(now: number): Transport {
    const candidate = this.#list[this.#candidate % Math.max(this.#at, 1)] ?? this.current;
    this.#candidate = (this.#candidate + 1) % Math.max(this.#at, 1);
    this.#againAfterMs = Math.min(this.#againAfterMs * 2, AGAIN_AFTER_MAX_MS);
    this.#againAt = now + this.#againAfterMs;
    return candidate;
  }
}

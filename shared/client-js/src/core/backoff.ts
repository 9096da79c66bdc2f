// Full jitter: a wait is drawn anew each time from 0 to a bound that doubles, so that clients that
// lost one gateway together do not come back together.

export class Backoff {
  #attempts = 0;
  readonly #random: () => number;
  readonly #baseMs: number;
  readonly #maxMs: number;

  constructor(random: () => number, baseMs = 100, maxMs = 10_000) {
    this.#random = random;
    this.#baseMs = baseMs;
    this.#maxMs = maxMs;
  }

  /** The next wait, in ms. */
  next(): number {
    const bound = Math.min(this.#maxMs, this.#baseMs * 2 ** Math.min(this.#attempts, 30));
    this.#attempts += 1;
    return Math.floor(this.#random() * bound);
  }

  reset(): void {
    this.#attempts = 0;
  }
}

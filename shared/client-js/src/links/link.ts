// A link carries native packets as texts, whatever stands below it: the core cannot tell a WebSocket
// from event streams with requests, so position and writer outlive each of them.

/** What the driver uses of a link; a WebSocket is one. */
export interface LinkLike {
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(text: string): void;
  close(code?: number): void;
  /** Only node's `ws` has it: ends the connection without a word. */
  terminate?(): void;
}

export interface Answer {
  readonly status: number;
  readonly text: string;
  /** Of `Retry-After`. */
  readonly afterMs?: number | undefined;
}

export interface Outgoing {
  readonly method: string;
  /** Below the gateway's base, with its query. */
  readonly path: string;
  readonly token: string | undefined;
  readonly accept?: string;
  readonly body?: string;
  readonly contentType?: string;
}

/** What carries requests; each call returns what gives it up, and after that nothing is heard of it. */
export interface HttpWire {
  /** An answer that is read while it comes: `opened` if its status is 200, then texts, then `ended` once. */
  stream(request: Outgoing, on: {
    text(chunk: string): void;
    /** With the answer if it was another one than 200; `undefined` if the stream ended or broke, `isWhole` if it ended. */
    ended(answer: Answer | undefined, isWhole: boolean): void;
  }): () => void;
  /** `undefined`: nobody answered, and whether it was heard is not known. */
  request(request: Outgoing, done: (answer: Answer | undefined) => void): () => void;
  /** After what happens now. */
  soon(then: () => void): void;
  after(ms: number, then: () => void): () => void;
  /** In ms, by a clock that never jumps. */
  now(): number;
}

/** The half that all links over HTTP have. */
export abstract class HttpLink implements LinkLike {
  onopen: ((event: never) => void) | null = null;
  onmessage: ((event: never) => void) | null = null;
  onclose: ((event: never) => void) | null = null;
  onerror: ((event: never) => void) | null = null;
  protected isClosed = false;

  abstract send(text: string): void;

  /** Gives up all that is under way. */
  protected abstract end(): void;

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.end();
  }

  protected opened(): void {
    if (!this.isClosed) this.onopen?.({} as never);
  }

  protected say(text: string): void {
    if (!this.isClosed) this.onmessage?.({ data: text } as never);
  }

  /** The link is over by itself. */
  protected lose(code: number, reason: string): void {
    if (this.isClosed) return;
    this.close();
    this.onclose?.({ code, reason } as never);
  }
}

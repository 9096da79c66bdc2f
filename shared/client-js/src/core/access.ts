// Each request about somebody's access has an outcome: it was made, it was refused, or it is told that
// nobody knows. None is forgotten because the link on which it was asked is not heard any more.

export type AccessAction = 'revoke' | 'grant';

interface Asked {
  readonly subject: string;
  readonly action: AccessAction;
}

/** Requests of one document without an answer, at most. */
const ASKED_MAX = 1_024;

/** What was asked in the present membership and not answered. */
export class Access {
  #asked: Asked[] = [];

  get isAnswered(): boolean {
    return this.#asked.length === 0;
  }

  /** Whether it may be asked: not if too many wait already. */
  ask(subject: string, action: AccessAction): boolean {
    const hasRoom = this.#asked.length < ASKED_MAX;
    if (hasRoom) this.#asked.push({ subject, action });
    return hasRoom;
  }

  changed(subject: string, action: string | undefined): void {
    const at = this.#asked.findIndex((a) => a.subject === subject && (action === undefined || a.action === action));
    if (at >= 0) this.#asked.splice(at, 1);
  }

  /**
   * An error of a document that is joined. It names no request: what the log could not do was asked
   * longest ago, and what the session itself refuses came last.
   */
  failed(code: string, afterMs: number | undefined): void {
    if (code === 'unavailable' && afterMs === undefined) this.#asked.shift();
    else if (code === 'forbidden' || code === 'throttled') this.#asked.pop();
  }

  /** Nothing that answers them will be heard: whose they were. */
  giveUp(): string[] {
    const subjects = this.#asked.map(({ subject }) => subject);
    this.#asked = [];
    return subjects;
  }
}

// A payload is opaque bytes. It is kept in the form it travels in, so that its bytes, and with them
// its digest, are the very ones that the log holds.

import { asBase64, fromBase64, fromUtf8, utf8, wellFormed } from './bytes.js';

export type PayloadField = 'payload' | 'text' | 'base64';

export class Payload {
  readonly #field: PayloadField;
  readonly #source: string;
  #bytes: Uint8Array | undefined;

  private constructor(field: PayloadField, source: string) {
    this.#field = field;
    this.#source = source;
  }

  /** Any JSON value. */
  static json(value: unknown): Payload {
    const source = JSON.stringify(value) as string | undefined;
    if (source === undefined) throw new TypeError('the payload has no JSON form');
    return new Payload('payload', source);
  }

  static text(text: string): Payload {
    return new Payload('text', wellFormed(text));
  }

  static bytes(bytes: Uint8Array): Payload {
    return new Payload('base64', asBase64(bytes));
  }

  /** What stood in one of the three fields; of `payload` its JSON as it was written. */
  static received(field: PayloadField, source: string): Payload {
    return new Payload(field, source);
  }

  /** The member of a packet that carries it. */
  member(): string {
    const value = this.#field === 'payload' ? this.#source : JSON.stringify(this.#source);
    return `"${this.#field}":${value}`;
  }

  /** The same bytes in the form that never has escapes. */
  memberAsBase64(): string {
    return `"base64":"${asBase64(this.asBytes())}"`;
  }

  asBytes(): Uint8Array {
    this.#bytes ??= this.#field === 'base64' ? fromBase64(this.#source) : utf8(this.#source);
    return this.#bytes;
  }

  asText(): string {
    return this.#field === 'base64' ? fromUtf8(this.asBytes()) : this.#source;
  }

  /** The JSON value; throws a SyntaxError if it is none. */
  asJson(): unknown {
    return JSON.parse(this.asText());
  }

  /** Its size in the log. */
  get byteLength(): number {
    return this.asBytes().length;
  }
}

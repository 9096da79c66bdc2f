// The digest says what an entry says: a retry of the same entry has the same one.

import { sha256 } from '@noble/hashes/sha2';

import { asHex, utf8 } from './bytes.js';

export interface Digested {
  readonly author: string;
  readonly client: string;
  readonly clientSeq: number;
  readonly kind: string;
  readonly contentType: string;
  readonly payload: Uint8Array;
}

/**
 * The first 16 bytes of SHA-256 over the fields, each with its length in front: 4 bytes, big endian.
 */
export function digestOf(entry: Digested): Uint8Array {
  const sha = sha256.create();
  const field = (bytes: Uint8Array): void => {
    const length = bytes.length;
    sha.update(Uint8Array.of(length >>> 24, (length >>> 16) & 255, (length >>> 8) & 255, length & 255));
    sha.update(bytes);
  };
  field(utf8(entry.author));
  field(utf8(entry.client));
  field(utf8(String(entry.clientSeq)));
  field(utf8(entry.kind));
  field(utf8(entry.contentType));
  field(entry.payload);
  return sha.digest().slice(0, 16);
}

/** The first 4 bytes in hex, as a client's row keeps them. */
export function shortDigest(digest: Uint8Array): string {
  return asHex(digest.subarray(0, 4));
}

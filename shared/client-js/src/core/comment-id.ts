// The id of a comment follows from who wrote its entry under which number, so that a repeat is no
// second comment and its author knows the id before the gateway answers.

import { sha256 } from '@noble/hashes/sha2';

import { asHex, utf8 } from './bytes.js';

export function commentIdOf(entry: { readonly author: string; readonly client: string; readonly clientSeq: number }): string {
  const sha = sha256.create();
  for (const field of [entry.author, entry.client, String(entry.clientSeq)]) {
    const bytes = utf8(field);
    const length = new Uint8Array(8);
    new DataView(length.buffer).setUint32(4, bytes.length);
    sha.update(length).update(bytes);
  }
  return `c${asHex(sha.digest().slice(0, 16))}`;
}

// A position names a history: `seq` and the hash of everything up to it. Two histories that differ
// anywhere before `seq` have different positions.

import { sha1 } from '@noble/hashes/legacy';

import { asHex, utf8 } from './bytes.js';

export interface Position {
  readonly seq: number;
  /** 16 lower-case hex digits. */
  readonly hash: string;
}

const TOKEN = /^(0|[1-9][0-9]{0,15})-([0-9a-f]{16})$/;

/** Parses the token of the wire; `undefined` if it is none. */
export function parsePosition(token: unknown): Position | undefined {
  const found = typeof token === 'string' ? TOKEN.exec(token) : null;
  if (!found?.[1] || !found[2]) return undefined;
  return { seq: Number(found[1]), hash: found[2] };
}

export function formatPosition(position: Position): string {
  return `${position.seq}-${position.hash}`;
}

export function isSamePosition(a: Position, b: Position): boolean {
  return a.seq === b.seq && a.hash === b.hash;
}

/** The position of the entry with this digest, appended at `position`. */
export function nextPosition(position: Position, digest: Uint8Array): Position {
  const hash = sha1.create().update(utf8(position.hash)).update(digest).digest();
  return { seq: position.seq + 1, hash: asHex(hash).slice(0, 16) };
}

// A row is what the log remembers of one client: how far it got, and what its last numbers said.

import type { Position } from './position.js';

/** How many of a client's last numbers a row tells apart; it bounds what may be un-acknowledged. */
export const ROW_DIGESTS_MAX = 64;

export interface ClientRow {
  readonly clientSeq: number;
  readonly position: Position | undefined;
  /** Short digests in hex, oldest first; the last belongs to `clientSeq`. */
  readonly digests: readonly string[];
}

/** The digest of a number, if the row still keeps it. */
export function rowDigest(row: ClientRow, clientSeq: number): string | undefined {
  const back = row.clientSeq - clientSeq;
  return back < 0 ? undefined : row.digests[row.digests.length - 1 - back];
}

/** Splits the hex of concatenated 4-byte digests. */
export function parseDigests(hex: string): string[] | undefined {
  if (hex.length % 8 !== 0 || !/^[0-9a-f]*$/.test(hex)) return undefined;
  return hex.match(/.{8}/g) ?? [];
}

// An entry of the client library as the text takes it.

import { formatPosition, type EntryEvent } from '@inkwire/client';

import type { DraftEntry } from '../text/draft.js';

export function logEntry(entry: EntryEvent): DraftEntry {
  return {
    seq: entry.position.seq,
    position: formatPosition(entry.position),
    client: `${entry.author} ${entry.client}`,
    value: entry.kind === 'edit' ? jsonOf(entry) : undefined,
    own: entry.own,
  };
}

function jsonOf(entry: EntryEvent): unknown {
  try {
    return entry.payload.asJson();
  } catch {
    return undefined;
  }
}

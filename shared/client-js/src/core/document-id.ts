/** Document ids, by the rules of docs/protocol.md: 1-200 bytes, segments between single slashes. */

const SEGMENTS = /^[A-Za-z0-9._~:-]+(?:\/[A-Za-z0-9._~:-]+)*$/;

/** Segments that name things of a document. */
const RESERVED = new Set([
  '.', '..', 'signals', 'presence', 'events', 'entries', 'snapshot', 'comments', 'participants',
]);

export function isDocumentId(text: string): boolean {
  return text.length <= 200 && SEGMENTS.test(text) && !text.split('/').some((segment) => RESERVED.has(segment));
}

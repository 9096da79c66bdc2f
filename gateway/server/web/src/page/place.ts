// Where the page is told what to show: the document in the query, the token in the fragment, which
// no server ever sees.

export interface Place {
  readonly document: string;
  readonly gateway: string;
  readonly token: string | undefined;
}

const DOCUMENT_DEFAULT = 'demo';

export function placeOf(location: Location): Place {
  const query = new URLSearchParams(location.search);
  const fragment = new URLSearchParams(location.hash.slice(1));
  const gateway = new URL(query.get('gateway') ?? '/ws', location.href);
  gateway.protocol = gateway.protocol.replace(/^http/, 'ws');
  return {
    document: query.get('document') || DOCUMENT_DEFAULT,
    gateway: gateway.href,
    token: fragment.get('token') ?? undefined,
  };
}

/** The same page on another document. */
export function linkTo(location: Location, document: string): string {
  const query = new URLSearchParams(location.search);
  query.set('document', document);
  return `?${query}${location.hash}`;
}

export function drawDocument(): string {
  const letters = crypto.getRandomValues(new Uint8Array(8));
  return `draft-${Array.from(letters, (n) => (n % 36).toString(36)).join('')}`;
}

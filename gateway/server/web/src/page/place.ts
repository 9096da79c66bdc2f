// Where the page is told what to show: the document in the query, the token in the fragment, which
// no server ever sees. The token is taken out of the address at once, so that no copied link, history
// or picture of the window has it, and kept for this tab alone.

import { isDocumentId } from '@inkwire/client';

export interface Place {
  readonly document: string;
  readonly gateway: string;
  /** Whether the page writes, or reads and comments. */
  readonly view: View;
}

export type View = 'write' | 'review';

const DOCUMENT_DEFAULT = 'demo';
const TOKEN_KEY = 'inkwire.token';

export function placeOf(location: Pick<Location, 'href' | 'search'>): Place {
  const query = new URLSearchParams(location.search);
  // Always the one that served the page: a link must not be able to send what is typed elsewhere.
  const gateway = new URL('/ws', location.href);
  gateway.protocol = gateway.protocol.replace(/^http/, 'ws');
  const document = query.get('document') ?? '';
  return { document: isDocumentId(document) ? document : DOCUMENT_DEFAULT, gateway: gateway.href, view: query.get('view') === 'review' ? 'review' : 'write' };
}

/** What `takeToken` needs of a window. */
export interface TokenPlace {
  readonly location: Pick<Location, 'href' | 'hash'>;
  readonly history: Pick<History, 'replaceState'>;
  readonly sessionStorage: Pick<Storage, 'getItem' | 'setItem'>;
}

/** The token of the fragment, which is then gone from the address; otherwise the one kept in this tab. */
export function takeToken(page: TokenPlace): string | undefined {
  const token = new URLSearchParams(page.location.hash.slice(1)).get('token');
  if (page.location.hash) {
    const bare = new URL(page.location.href);
    bare.hash = '';
    page.history.replaceState(null, '', bare);
  }
  try {
    if (token === null) return page.sessionStorage.getItem(TOKEN_KEY) ?? undefined;
    page.sessionStorage.setItem(TOKEN_KEY, token);
  } catch {
    // The browser keeps nothing for this page: the token lives as long as it does.
  }
  return token || undefined;
}

/** The same page on another document. */
export function linkTo(document: string, view?: View): string {
  return `?${new URLSearchParams({ document, ...(view ? { view } : {}) })}`;
}

export function drawDocument(): string {
  const letters = crypto.getRandomValues(new Uint8Array(8));
  return `draft-${Array.from(letters, (n) => (n % 36).toString(36)).join('')}`;
}

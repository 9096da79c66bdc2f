// Who somebody is: the bearer of a token, or on one machine's own gateway a name that it signs for a while.

import { find } from './elements.js';
import type { Place } from './place.js';

const NAME_KEY = 'inkwire.name';
const ROLES = { write: 'writer', review: 'reviewer' } as const;

/** What gives tokens; `undefined` where the gateway takes anybody, and has no names. */
export type TokenSource = (() => Promise<string>) | undefined;

export async function identify(place: Place, token: string | undefined): Promise<TokenSource> {
  if (token !== undefined) return async () => token;
  const kept = keptName();
  const ask = async (name: string): Promise<string | undefined> => {
    const response = await fetch('/v1/demo/token', {
      method: 'POST', headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name, document: place.document, role: ROLES[place.view] }),
    });
    if (response.status === 404) return undefined;
    const body = (await response.json()) as { token?: string; detail?: string };
    if (!response.ok || body.token === undefined) throw new Error(body.detail ?? `HTTP ${response.status}`);
    return body.token;
  };
  const name = kept ?? (await chooseName());
  let first = await ask(name);
  if (first === undefined) return undefined;
  return async () => {
    const given = first ?? (await ask(name)) ?? '';
    first = undefined;
    return given;
  };
}

export function forgetName(): void {
  try {
    sessionStorage.removeItem(NAME_KEY);
  } catch {
    // Nothing was kept.
  }
}

function keptName(): string | undefined {
  try {
    return sessionStorage.getItem(NAME_KEY) ?? undefined;
  } catch {
    return undefined;
  }
}

function chooseName(): Promise<string> {
  const dialog = find('who', HTMLDialogElement);
  const input = find('who-name', HTMLInputElement);
  return new Promise((resolve) => {
    dialog.addEventListener('cancel', (event) => event.preventDefault());
    find('who-form', HTMLFormElement).addEventListener('submit', (event) => {
      event.preventDefault();
      const name = input.value.trim();
      if (name === '') return input.focus();
      try {
        sessionStorage.setItem(NAME_KEY, name);
      } catch {
        // It lives as long as the page.
      }
      dialog.close();
      resolve(name);
    });
    dialog.showModal();
    input.focus();
  });
}

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { linkTo, placeOf, takeToken, type TokenPlace } from '../src/page/place.js';

function page(href: string, stored?: string): TokenPlace & { readonly shown: string[]; readonly kept: Map<string, string> } {
  const kept = new Map<string, string>();
  if (stored !== undefined) kept.set('inkwire.token', stored);
  const shown: string[] = [];
  return {
    shown, kept,
    location: new URL(href),
    history: { replaceState: (_state, _unused, url) => void shown.push(String(url)) },
    sessionStorage: { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => void kept.set(key, value) },
  };
}

test('the gateway is the one that served the page, whatever a link says', () => {
  const place = placeOf(new URL('https://here.example/?document=essay&gateway=wss://elsewhere.example/ws'));
  assert.deepEqual(place, { document: 'essay', gateway: 'wss://here.example/ws', view: 'write' });
  assert.equal(placeOf(new URL('http://127.0.0.1:8080/')).gateway, 'ws://127.0.0.1:8080/ws');
});

test('the token leaves the address at once, and stays in the tab', () => {
  const first = page('https://here.example/?document=essay#token=abc.def');
  assert.equal(takeToken(first), 'abc.def');
  assert.deepEqual(first.shown, ['https://here.example/?document=essay']);
  const reloaded = page('https://here.example/?document=essay', first.kept.get('inkwire.token'));
  assert.equal(takeToken(reloaded), 'abc.def');
  assert.deepEqual(reloaded.shown, []);
});

test('another token counts, and an empty one is none', () => {
  const other = page('https://here.example/#token=new', 'old');
  assert.equal(takeToken(other), 'new');
  assert.equal(other.kept.get('inkwire.token'), 'new');
  assert.equal(takeToken(page('https://here.example/#token=', 'old')), undefined);
  assert.equal(takeToken(page('https://here.example/')), undefined);
});

test('a browser that keeps nothing still has the token of the address', () => {
  const refuse = (): never => {
    throw new Error('SecurityError');
  };
  const strict = { ...page('https://here.example/#token=x'), sessionStorage: { getItem: refuse, setItem: refuse } };
  assert.equal(takeToken(strict), 'x');
});

test('links have no token', () => {
  assert.equal(linkTo('essay/1'), '?document=essay%2F1');
});

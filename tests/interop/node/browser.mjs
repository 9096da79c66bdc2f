// node browser.mjs reader|writer <transport> <url> <document> <origin>
//
// The same programs in a page of a real Chromium, with stompjs and sockjs-client as a page gets them.
// The page's origin is whatever is named: what it loads is answered here and not by the network. With the
// gateway's own origin those transports work that browsers keep from others.
//
// Transports: `websocket`, `sockjs:<one of sockjs-client's>`, or `sse`, which is the browser's own EventSource.

import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

import { chromium } from 'playwright-core';

import { readInPage } from './events.mjs';

const [role, transport, url, document, origin] = process.argv.slice(2);
const resolve = createRequire(import.meta.url).resolve;
const FOLDER = '/interop-page/';
const FILES = {
  // Not among the package's exports: pages load it from a CDN.
  'stomp.js': new URL('node_modules/@stomp/stompjs/bundles/stomp.umd.js', import.meta.url),
  'sockjs.js': resolve('sockjs-client/dist/sockjs.js'),
  'programs.mjs': new URL('programs.mjs', import.meta.url),
};
const PAGE = '<!doctype html><meta charset="utf-8"><script src="stomp.js"></script><script src="sockjs.js"></script>';

const browser = await chromium.launch({
  executablePath: process.env.INKWIRE_CHROMIUM ?? '/usr/bin/chromium',
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-sync',
    // The page comes from no address, so it counts as one of the internet's, which may not reach loopback.
    '--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets',
  ],
});
const page = await browser.newPage();
await page.route(`${origin}${FOLDER}**`, async (route) => {
  const name = new URL(route.request().url()).pathname.slice(FOLDER.length);
  if (name === '') return route.fulfill({ contentType: 'text/html', body: PAGE });
  return route.fulfill({ contentType: 'text/javascript', body: await readFile(FILES[name]) });
});
let isOver = false;
await page.exposeFunction('say', (line) => {
  process.stdout.write(`${line}\n`);
  if (line === 'done') end();
});
page.on('pageerror', (error) => process.stdout.write(`exception ${error.message}\n`));
await page.goto(origin + FOLDER);

const job = { role, transport, url, document, token: process.env.INKWIRE_TOKEN, clientId: randomUUID() };
if (transport === 'sse') {
  const stream = `${url}/v1/documents/${encodeURIComponent(document)}/events`;
  await page.evaluate(`(${readInPage})(${JSON.stringify(stream)}, say)`);
} else await page.evaluate(async ({ role, transport, url, document, token, clientId }) => {
  const { read, write } = await import('./programs.mjs');
  const [kind, one] = transport.split(':');
  const factory = () =>
    kind === 'sockjs'
      ? new SockJS(url, null, { transports: [one] })
      : new WebSocket(url, ['v12.stomp', 'v11.stomp', 'v10.stomp']);
  if (role === 'reader') read(StompJs, factory, document, token, say);
  else window.writer = write(StompJs, factory, document, token, clientId, say);
}, job);

const input = createInterface({ input: process.stdin });
if (role === 'writer') {
  const lines = [];
  for await (const line of input) lines.push(line);
  // At once: each call of the page takes some milliseconds.
  await page.evaluate((all) => {
    all.forEach((line) => window.writer.take(line));
    // Not before this call is answered, since the last line closes the page.
    setTimeout(() => window.writer.end(), 0);
  }, lines);
} else {
  input.on('line', () => {});
  input.on('close', end);
}

async function end() {
  if (isOver) return;
  isOver = true;
  await browser.close();
  process.exit(0);
}

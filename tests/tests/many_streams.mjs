// Thirty event streams of one page over HTTP/2 within TLS: `node many_streams.mjs URL CHROMIUM PACKAGES`. Over
// HTTP/1.1 a browser opens six, and the seventh waits for ever.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';

const [url, executablePath, packages] = process.argv.slice(2);
const { chromium } = createRequire(packages)('playwright-core');
const STREAMS = 30;

const browser = await chromium.launch({
  executablePath,
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
try {
  // The certificate is the test's own.
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const page = await context.newPage();
  await page.goto(new URL('/docs/none', url).href);
  const protocols = await page.evaluate(async (streams) => {
    const within = (what, promise) => Promise.race([promise, new Promise((_, reject) => {
      setTimeout(() => reject(new Error(`no ${what} in time`)), 20_000);
    })]);
    const open = Array.from({ length: streams }, (_, n) => {
      const path = `/v1/documents/page-${n}`;
      const source = new EventSource(`${path}/events`);
      const joined = new Promise((resolve) => source.addEventListener('joined', resolve));
      const entry = new Promise((resolve) => { source.onmessage = ({ data }) => resolve(JSON.parse(data)); });
      return { n, path, joined, entry };
    });
    await within('joined', Promise.all(open.map(({ joined }) => joined)));
    // All of them are open, and there is room for requests beside them.
    const posts = await within('answers', Promise.all(open.map(({ n, path }) => fetch(`${path}/entries`, {
      method: 'POST', headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ client: crypto.randomUUID(), client_seq: 1, payload: n }),
    }))));
    for (const post of posts) if (post.status !== 200) throw new Error(`${post.status}: ${await post.text()}`);
    const entries = await within('entries', Promise.all(open.map(({ entry }) => entry)));
    entries.forEach(({ payload }, n) => { if (payload !== n) throw new Error(`${payload} at ${n}`); });
    return performance.getEntriesByType('resource').map(({ nextHopProtocol }) => nextHopProtocol);
  }, STREAMS);
  assert.ok(protocols.includes('h2'), protocols.join());
  assert.ok(protocols.every((protocol) => protocol === 'h2' || protocol === ''), protocols.join());
} finally {
  await browser.close();
}

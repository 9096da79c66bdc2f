// The page in a real browser, against a running gateway.
//
//   INKWIRE_URL=http://127.0.0.1:8080 npm run test:browser
//   npm run test:browser -- --fake        (a gateway in memory: the page alone)
//
// INKWIRE_TOKEN is the fragment's token, where the gateway asks for one; INKWIRE_CHROMIUM is the
// browser (/usr/bin/chromium); INKWIRE_SCREENSHOTS is where pictures go (build/screenshots).

import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { chromium, type BrowserContext, type CDPSession, type Page } from 'playwright-core';

import { serveFake, type Served } from './fake-gateway.js';

const DEADLINE_MS = 20_000;
const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '../..');
const pictures = path.resolve(root, process.env['INKWIRE_SCREENSHOTS'] ?? 'build/screenshots');

const WRITER = '#writer-text';
const REVIEWER = '#reviewer-text';

/** A page under watch: anything that goes wrong in it fails the test. */
class Watched {
  readonly faults: string[] = [];

  private constructor(readonly page: Page) {
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') this.faults.push(message.text());
    });
    page.on('pageerror', (error) => this.faults.push(String(error)));
    page.on('requestfailed', (request) => this.faults.push(`${request.url()} failed`));
  }

  static async open(context: BrowserContext, url: string): Promise<Watched> {
    const watched = new Watched(await context.newPage());
    await watched.page.goto(url);
    await watched.live();
    return watched;
  }

  async live(): Promise<void> {
    for (const pane of ['#writer', '#reviewer']) await this.state(pane, 'Live');
  }

  async state(pane: string, beginning: string): Promise<void> {
    const selector = `${pane} [data-field="state"]`;
    await this.page.waitForFunction(
      ([where, what]) => document.querySelector(where ?? '')?.textContent?.startsWith(what ?? '?'),
      [selector, beginning], { timeout: DEADLINE_MS },
    );
  }

  async text(selector: string): Promise<string> {
    return this.page.locator(selector).evaluate((element) =>
      element instanceof HTMLTextAreaElement ? element.value : (element.textContent ?? ''));
  }

  async shows(expected: string): Promise<void> {
    for (const selector of [WRITER, REVIEWER]) await this.showsIn(selector, expected);
  }

  async showsIn(selector: string, expected: string): Promise<void> {
    try {
      await this.page.waitForFunction(
        ([where, what]) => {
          const element = document.querySelector(where ?? '');
          return (element instanceof HTMLTextAreaElement ? element.value : element?.textContent) === what;
        },
        [selector, expected], { timeout: DEADLINE_MS },
      );
    } catch {
      assert.equal(await this.text(selector), expected, selector);
    }
  }

  async type(text: string): Promise<void> {
    await this.page.locator(WRITER).focus();
    for (const character of text) {
      if (character === '\n') await this.page.keyboard.press('Enter');
      else if (character < '\x7f') await this.page.keyboard.type(character);
      else await this.page.keyboard.insertText(character);
    }
  }

  async cut(pane: string): Promise<void> {
    await this.page.locator(`${pane} [data-field="cut"]`).click();
    await this.state(pane, 'Link cut');
  }
}

/** A Korean syllable as an input method makes it: it grows in place before it is done. */
async function compose(cdp: CDPSession, syllable: readonly string[]): Promise<void> {
  for (const text of syllable) {
    await cdp.send('Input.imeSetComposition', { text, selectionStart: text.length, selectionEnd: text.length });
  }
}

async function step(what: string, run: () => Promise<void>): Promise<void> {
  const since = performance.now();
  await run();
  console.log(`ok  ${what} (${Math.round(performance.now() - since)} ms)`);
}

async function test(gatewayUrl: string, fake: Served | undefined): Promise<void> {
  const browser = await chromium.launch({
    executablePath: process.env['INKWIRE_CHROMIUM'] ?? '/usr/bin/chromium',
    args: [
      '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync',
    ],
  });
  try {
    await mkdir(pictures, { recursive: true });
    const context = await browser.newContext({ viewport: { width: 1200, height: 760 } });
    const url = new URL(gatewayUrl);
    url.searchParams.set('document', `browser-${Date.now()}`);
    const token = process.env['INKWIRE_TOKEN'];
    if (token) url.hash = `token=${token}`;
    const first = await Watched.open(context, url.href);
    const watched = [first];
    let text = 'Inkwire, live.\n';

    await step('what is typed is what the reviewer sees: ASCII, Korean, emoji', async () => {
      text += '한글도 됩니다 👩‍🔬 naïve 🎉\n';
      await first.type(text);
      await first.shows(text);
      assert.match((await first.page.locator('#writer [data-field="position"]').textContent()) ?? '', /^\d+-[0-9a-f]{16}$/);
      assert.match((await first.page.locator('#reviewer [data-field="round-trip"]').textContent()) ?? '', /ms$/);
      assert.notEqual(await first.page.locator('#writer [data-field="replica"]').textContent(), '–');
    });

    await step('a cursor is shown to the reviewer', async () => {
      await first.page.locator(`${REVIEWER} .cursor`).first().waitFor({ timeout: DEADLINE_MS });
      await first.page.screenshot({ path: path.join(pictures, 'desk.png') });
    });

    if (token) {
      await step('the token is not in the address, nor in a link, and a reload still has it', async () => {
        const shown = await first.page.evaluate(() =>
          [location.href, ...Array.from(document.querySelectorAll('a'), (link) => link.href)]);
        assert.ok(shown.every((address) => !address.includes('#')), shown.join(' '));
        const [opened] = await Promise.all([context.waitForEvent('page'), first.page.locator('#document').click()]);
        const isLive = (): Promise<unknown> =>
          opened.waitForFunction(() => document.querySelector('#writer [data-field="state"]')?.textContent === 'Live');
        await isLive();
        await opened.reload();
        await isLive();
        await opened.close();
        assert.equal(await first.page.evaluate(() => sessionStorage.getItem('inkwire.token')), token);
      });
    }

    await step('the page can connect to nobody else, whatever its address says', async () => {
      const page = await context.newPage();
      const elsewhere = new URL(url);
      elsewhere.searchParams.set('gateway', 'ws://127.0.0.1:9/ws');
      await page.goto(elsewhere.href);
      await page.waitForFunction(() => document.querySelector('#writer [data-field="state"]')?.textContent === 'Live');
      const refused = await page.evaluate(() => new Promise<string>((resolve) => {
        document.addEventListener('securitypolicyviolation', (event) => resolve(event.effectiveDirective));
        const socket = new WebSocket('ws://127.0.0.1:9/ws');
        socket.onerror = () => setTimeout(() => resolve('nothing'), 1_000);
      }));
      assert.equal(refused, 'connect-src');
      await page.close();
    });

    await step("the writer's link is cut while it types: everything arrives once", async () => {
      await first.cut('#writer');
      // Seconds that go by are not read out: they stand outside of the live region.
      assert.equal(await first.page.locator('#writer [role="status"]').textContent(), 'Link cut');
      assert.match((await first.page.locator('#writer [data-field="seconds"]').textContent()) ?? '', /^, back in \d s$/);
      const more = 'Written while the link was down: 연결 없이 쓴 글.\n';
      await first.type(more);
      await first.page.waitForFunction(
        () => document.querySelector('#writer-note')?.textContent?.endsWith('edits are not acknowledged yet'),
        undefined, { timeout: DEADLINE_MS },
      );
      await first.page.screenshot({ path: path.join(pictures, 'cut.png') });
      assert.equal(await first.text(REVIEWER), text, 'nothing could arrive yet');
      text += more;
      await first.live();
      await first.shows(text);
    });

    await step("the reviewer's link is cut while the writer types: it resumes", async () => {
      await first.cut('#reviewer');
      const more = 'The reviewer was away. 🛰️\n';
      await first.type(more);
      assert.equal(await first.text(REVIEWER), text, 'the reviewer is away');
      text += more;
      await first.live();
      await first.shows(text);
    });

    await step('both links are cut again and again while typing goes on', async () => {
      for (const pane of ['#writer', '#reviewer', '#writer']) {
        await first.cut(pane);
        await first.type('abc 가나다 ');
        text += 'abc 가나다 ';
        await first.live();
      }
      await first.shows(text);
    });

    const second = await Watched.open(context, url.href);
    watched.push(second);

    await step('a second tab has the same text', () => second.shows(text));

    await step('two tabs write at once, one of them through a cut: one text in the end', async () => {
      await second.page.locator(WRITER).evaluate((area: HTMLTextAreaElement) => area.setSelectionRange(0, 0));
      await second.page.locator(WRITER).focus();
      await second.cut('#writer');
      await second.page.locator(WRITER).evaluate((area: HTMLTextAreaElement) => area.setSelectionRange(0, 0));
      await Promise.all([first.type('from the first tab 하나\n'), second.type('from the second tab 둘\n')]);
      await second.live();
      text = `from the second tab 둘\n${text}from the first tab 하나\n`;
      for (const page of watched) await page.shows(text);
    });

    await step('a composition is not broken by what others write meanwhile', async () => {
      await first.page.locator(WRITER).focus();
      await first.page.locator(WRITER).evaluate((area: HTMLTextAreaElement) => area.setSelectionRange(area.value.length, area.value.length));
      const cdp = await context.newCDPSession(first.page);
      await compose(cdp, ['ㅎ', '하', '한']);
      // It is seen as it grows.
      await second.showsIn(REVIEWER, `${text}한`);
      await second.page.locator(WRITER).evaluate((area: HTMLTextAreaElement) => area.setSelectionRange(0, 0));
      await second.type('!');
      await second.showsIn(REVIEWER, `!${text}한`);
      await first.showsIn(REVIEWER, `!${text}한`);
      await first.showsIn(WRITER, `${text}한`);
      await cdp.send('Input.insertText', { text: '한' });
      await compose(cdp, ['ㄱ', '그', '글']);
      await cdp.send('Input.insertText', { text: '글' });
      text = `!${text}한글`;
      for (const page of watched) await page.shows(text);
      await cdp.detach();
    });

    await step('a reload reads it all again', async () => {
      await second.page.reload();
      await second.live();
      await second.shows(text);
    });

    await step('it fits a phone, in the dark too', async () => {
      const phone = await browser.newContext({
        viewport: { width: 375, height: 740 }, deviceScaleFactor: 2, hasTouch: true, colorScheme: 'dark',
      });
      const page = await Watched.open(phone, url.href);
      watched.push(page);
      await page.shows(text);
      const overflow = await page.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(overflow <= 0, `the page is ${overflow} px too wide`);
      await page.page.screenshot({ path: path.join(pictures, 'phone.png'), fullPage: true });
    });

    if (fake) {
      await step('a token that ends makes the page read only, and it says so', async () => {
        fake.expireTokens();
        await first.state('#writer', 'Read only');
        assert.equal(await first.page.locator(WRITER).evaluate((area: HTMLTextAreaElement) => area.readOnly), true);
        assert.equal(await first.text(WRITER), text, 'what was written is still there to be copied');
      });
    }

    for (const page of watched) assert.deepEqual(page.faults, [], 'nothing was complained about');
  } finally {
    await browser.close();
  }
}

let fake: Served | undefined;
try {
  if (process.argv.includes('--fake')) {
    fake = await serveFake(path.join(root, 'dist'));
    // It takes any name for a token.
    process.env['INKWIRE_TOKEN'] ??= 'ada';
  }
  const url = fake?.url ?? process.env['INKWIRE_URL'];
  if (!url) throw new Error('INKWIRE_URL is not set: where is the gateway?');
  await test(url, fake);
  console.log('the page works');
} finally {
  await fake?.close();
}

// The page in a real browser, against running replicas: a writer on one, a reviewer on another.
//
//   INKWIRE_URL=http://127.0.0.1:8080 npm run test:browser
//
// INKWIRE_URLS: base addresses of writer and reviewer, with a space between them (default: INKWIRE_URL for
// both). INKWIRE_WRITER_TOKEN, INKWIRE_REVIEWER_TOKEN: tokens for INKWIRE_DOCUMENT, where the gateway asks
// for them. INKWIRE_CHROMIUM is the browser; INKWIRE_SCREENSHOTS is where pictures go (build/screenshots).

import assert from 'node:assert/strict';
import { mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';

const DEADLINE_MS = 20_000;
const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '../..');
const pictures = path.resolve(root, process.env['INKWIRE_SCREENSHOTS'] ?? 'build/screenshots');
const urls = (process.env['INKWIRE_URLS'] ?? process.env['INKWIRE_URL'] ?? '').split(' ').filter((url) => url !== '');
const documentId = process.env['INKWIRE_DOCUMENT'] ?? `browser-${Date.now()}`;
const [writerUrl, reviewerUrl] = [urls[0] ?? '', urls[1] ?? urls[0] ?? ''];

interface Person {
  readonly name: string;
  readonly url: string;
  readonly view: 'write' | 'review';
  readonly token: string | undefined;
}

/** Somebody's window; anything that goes wrong in it fails the test. */
class Window {
  readonly faults: string[] = [];

  private constructor(readonly page: Page, readonly context: BrowserContext) {
    page.on('console', (message) => {
      // A resource that is not there yet is asked again.
      if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) this.faults.push(message.text());
    });
    page.on('pageerror', (error) => this.faults.push(String(error)));
  }

  static async open(browser: Browser, person: Person, options: Parameters<Browser['newContext']>[0] = {}): Promise<Window> {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
    const window = new Window(await context.newPage(), context);
    const url = new URL(person.url);
    url.searchParams.set('document', documentId);
    url.searchParams.set('view', person.view);
    if (person.token) url.hash = `token=${person.token}`;
    await window.page.goto(url.href);
    if (!person.token) {
      await window.page.locator('#who-name').fill(person.name);
      await window.page.locator('#who-form button').click();
    }
    await window.state('Live');
    return window;
  }

  async state(words: string): Promise<void> {
    await this.page.locator('#state', { hasText: new RegExp(`^${words}$`) }).waitFor({ timeout: DEADLINE_MS });
  }

  /** What the editor shows, without the names at others' cursors. */
  async text(): Promise<string> {
    return this.page.locator('.cm-content').evaluate((content) => {
      const copy = content.cloneNode(true) as Element;
      for (const extra of copy.querySelectorAll('.ink-caret, .cm-widgetBuffer, .cm-placeholder')) extra.remove();
      return [...copy.querySelectorAll('.cm-line')].map((line) => line.textContent).join('\n');
    });
  }

  async shows(expected: string | ((text: string) => boolean)): Promise<string> {
    const since = performance.now();
    for (;;) {
      const text = await this.text();
      if (typeof expected === 'string' ? text === expected : expected(text)) return text;
      if (performance.now() - since > DEADLINE_MS) assert.equal(text, String(expected));
      await this.page.waitForTimeout(50);
    }
  }

  async saved(): Promise<void> {
    await this.page.locator('#saved', { hasText: 'All saved' }).waitFor({ timeout: DEADLINE_MS });
  }

  async type(text: string): Promise<void> {
    await this.page.locator('.cm-content').focus();
    await this.page.keyboard.press('Control+End');
    await this.page.keyboard.type(text);
  }

  /** Korean syllables as an input method makes them: each grows in place before it is done. */
  async compose(syllables: readonly (readonly string[])[]): Promise<void> {
    const cdp = await this.context.newCDPSession(this.page);
    for (const syllable of syllables) {
      for (const text of syllable) await cdp.send('Input.imeSetComposition', { text, selectionStart: text.length, selectionEnd: text.length });
      await cdp.send('Input.insertText', { text: syllable.at(-1) ?? '' });
    }
    await cdp.detach();
  }

  /** Selects so many characters from the beginning of the text, with the keyboard. */
  async select(from: number, count: number): Promise<void> {
    await this.page.locator('.cm-content').focus();
    await this.page.keyboard.press('Control+Home');
    for (let at = 0; at < from; at += 1) await this.page.keyboard.press('ArrowRight');
    for (let at = 0; at < count; at += 1) await this.page.keyboard.press('Shift+ArrowRight');
  }

  async comment(text: string): Promise<void> {
    await this.page.locator('#comment').click();
    await this.page.locator('#new-comment textarea').fill(text);
    await this.page.locator('#new-comment button[type=submit]').click();
    await this.page.locator('.thread', { hasText: text }).waitFor({ timeout: DEADLINE_MS });
  }

  async picture(name: string): Promise<void> {
    await this.page.screenshot({ path: path.join(pictures, `${name}.png`) });
  }

  async accessible(what: string): Promise<void> {
    const source = await readFile(createRequire(import.meta.url).resolve('axe-core'), 'utf8');
    await this.page.evaluate(source);
    const violations = await this.page.evaluate(async () => {
      const { axe } = globalThis as unknown as { axe: { run: () => Promise<{ violations: { id: string; nodes: { html: string; failureSummary?: string }[] }[] }> } };
      return (await axe.run()).violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary ?? ''}`).join(' | ')}`);
    });
    assert.deepEqual(violations, [], what);
  }
}

async function step(what: string, run: () => Promise<void>): Promise<void> {
  const since = performance.now();
  await run();
  console.log(`ok  ${what} (${Math.round(performance.now() - since)} ms)`);
}

async function test(): Promise<void> {
  const browser = await chromium.launch({
    executablePath: process.env['INKWIRE_CHROMIUM'] ?? '/usr/bin/chromium',
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
  try {
    await mkdir(pictures, { recursive: true });
    const ada: Person = { name: 'Ada', url: writerUrl, view: 'write', token: process.env['INKWIRE_WRITER_TOKEN'] };
    const ben: Person = { name: 'Ben', url: reviewerUrl, view: 'review', token: process.env['INKWIRE_REVIEWER_TOKEN'] };
    const writer = await Window.open(browser, ada);
    const reviewer = await Window.open(browser, ben);
    const windows = [writer, reviewer];
    let text = 'Inkwire carries one text. 한글 글쓰기 👩‍🔬 naïve 🎉';

    await step('a paragraph with composed Korean and emoji is what the reviewer sees', async () => {
      await writer.type('Inkwire carries one text. ');
      await writer.compose([['ㅎ', '하', '한'], ['ㄱ', '그', '글']]);
      await writer.page.keyboard.type(' ');
      await writer.compose([['ㄱ', '그', '글'], ['ㅆ', '쓰'], ['ㄱ', '기']]);
      await writer.page.keyboard.insertText(' 👩‍🔬 naïve 🎉');
      for (const window of windows) await window.shows(text);
      await writer.saved();
    });

    await step('both are shown to be here, and the writer’s cursor is', async () => {
      for (const window of windows) {
        for (const { role } of [{ role: 'writer' }, { role: 'reviewer' }]) {
          await window.page.locator('#people .role', { hasText: role }).waitFor({ state: 'attached', timeout: DEADLINE_MS });
        }
      }
      await reviewer.page.locator('.ink-caret').first().waitFor({ state: 'attached', timeout: DEADLINE_MS });
    });

    await step('the reviewer comments on a phrase', async () => {
      await reviewer.select(8, 7);
      await reviewer.comment('Does it carry or keep? 그런가요?');
      await writer.page.locator('.thread', { hasText: 'Does it carry' }).waitFor({ timeout: DEADLINE_MS });
      assert.equal(await writer.page.locator('.commented').first().textContent(), 'carries');
    });

    await step('the writer is notified, replies and goes on; the anchor follows the text', async () => {
      await writer.page.locator('#unread', { hasText: '1' }).waitFor({ timeout: DEADLINE_MS });
      await writer.page.locator('#bell').click();
      await writer.picture('writer-notified');
      await writer.accessible('the writer’s page');
      await writer.page.locator('#notification-list button').first().click();
      await writer.page.getByRole('button', { name: 'Reply' }).click();
      await writer.page.locator('.thread textarea').fill('It keeps.');
      await writer.page.locator('.thread button[type=submit]').click();
      await reviewer.page.locator('.thread', { hasText: 'It keeps.' }).waitFor({ timeout: DEADLINE_MS });
      await writer.page.locator('.cm-content').focus();
      await writer.page.keyboard.press('Control+Home');
      await writer.page.keyboard.type('> ');
      text = `> ${text}`;
      for (const window of windows) {
        await window.shows(text);
        assert.equal(await window.page.locator('.commented').first().textContent(), 'carries');
      }
    });

    await step('a link is cut while its writer types: nothing is lost or repeated', async () => {
      await writer.page.locator('#cut').click();
      await writer.state('Link cut');
      await writer.type('\nWritten while away: 연결 없이.');
      text += '\nWritten while away: 연결 없이.';
      await writer.picture('writer-cut');
      await writer.state('Live');
      for (const window of windows) await window.shows(text);
    });

    await step('each transport carries on where the other stopped', async () => {
      for (const transport of ['sse', 'sockjs', 'websocket']) {
        await writer.page.locator('#transport').selectOption(transport);
        await writer.type(` ${transport}`);
        text += ` ${transport}`;
        for (const window of windows) await window.shows(text);
      }
    });

    await step('two writers type at once, one of them away for a while: one text, nothing lost', async () => {
      const second = await Window.open(browser, { ...ada, name: 'Cleo', url: reviewerUrl });
      await second.shows(text);
      await second.page.locator('#cut').click();
      await second.state('Link cut');
      await second.page.locator('.cm-content').focus();
      await second.page.keyboard.press('Control+Home');
      await Promise.all([second.page.keyboard.type('Cleo, away. '), writer.type(' Ada, meanwhile.')]);
      await second.state('Live');
      text = await writer.shows((now) => now.includes('Cleo, away. ') && now.includes(' Ada, meanwhile.'));
      for (const window of [...windows, second]) await window.shows(text);
      assert.equal(text.split('Cleo, away. ').length, 2);
      assert.deepEqual(second.faults, []);
      await second.context.close();
    });

    await step('a comment whose text is deleted says that it is orphaned', async () => {
      const start = text.indexOf('carries');
      await writer.select(start, 'carries'.length);
      await writer.page.keyboard.press('Delete');
      text = text.replace('carries', '');
      for (const window of windows) {
        await window.shows(text);
        await window.page.locator('.orphaned', { hasText: 'Orphaned' }).waitFor({ timeout: DEADLINE_MS });
      }
      await writer.page.keyboard.press('Control+z');
      text = await writer.shows((now) => now.includes('carries'));
      for (const window of windows) {
        await window.shows(text);
        await window.page.locator('.orphaned').waitFor({ state: 'detached', timeout: DEADLINE_MS });
      }
    });

    await step('it is read on a phone, in the dark', async () => {
      const phone = await Window.open(browser, ben, { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, colorScheme: 'dark' });
      await phone.shows(text);
      await phone.page.locator('.thread').first().waitFor({ timeout: DEADLINE_MS });
      assert.ok(await phone.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'it is not too wide');
      await phone.picture('phone');
      await phone.accessible('the page on a phone');
      await phone.context.close();
    });

    await step('the writer resolves it; after a reload both see the same', async () => {
      await reviewer.picture('reviewer');
      await writer.page.getByRole('button', { name: 'Resolve', exact: true }).click();
      for (const window of windows) {
        await window.page.locator('#thread-count', { hasText: '0 open' }).waitFor({ timeout: DEADLINE_MS });
      }
      await writer.saved();
      for (const window of windows) {
        await window.page.reload();
        await window.state('Live');
        await window.shows(text);
        await window.page.locator('#show-resolved').check();
        await window.page.locator('.thread', { hasText: 'It keeps.' }).waitFor({ timeout: DEADLINE_MS });
        await window.page.locator('.thread', { hasText: 'Resolved by' }).waitFor({ timeout: DEADLINE_MS });
      }
      // What was seen stays seen.
      assert.equal(await writer.page.locator('#unread').textContent(), '');
      await writer.picture('writer-reloaded');
    });

    await step('the page connects to nobody else', async () => {
      const refused = await writer.page.evaluate(() => new Promise<string>((resolve) => {
        document.addEventListener('securitypolicyviolation', (event) => resolve(event.effectiveDirective));
        const socket = new WebSocket('ws://127.0.0.1:9/ws');
        socket.onerror = () => setTimeout(() => resolve('nothing'), 1_000);
      }));
      assert.equal(refused, 'connect-src');
      writer.faults.length = 0;
    });

    for (const window of windows) assert.deepEqual(window.faults, [], 'nothing was complained about');
  } finally {
    await browser.close();
  }
}

if (writerUrl === '') throw new Error('INKWIRE_URL is not set: where is the gateway?');
await test();
console.log('the page works');

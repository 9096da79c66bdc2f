// The driver over real sockets, against the gateway in memory.

import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';

import { WebSocket, WebSocketServer } from 'ws';

import { AppendRefused, Client, type Document, type DocumentEvents, type WebSocketConstructor } from '../src/index.js';
import { FakeGateway } from './support/gateway.js';

const webSocket = WebSocket as unknown as WebSocketConstructor;

interface Served {
  readonly url: string;
  readonly gateway: FakeGateway;
  /** Ends every connection without a close. */
  breakLinks(): void;
  close(): Promise<void>;
}

async function serve(): Promise<Served> {
  const gateway = new FakeGateway();
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, handleProtocols: () => 'inkwire.v1.json' });
  server.on('connection', (socket) => {
    const session = gateway.open();
    session.onOutput = () => {
      for (const text of session.out.splice(0)) socket.send(text);
    };
    socket.on('message', (data) => session.receive(String(data)));
    socket.on('close', () => gateway.end(session));
  });
  await new Promise((resolve) => server.once('listening', resolve));
  const breakLinks = (): void => {
    for (const socket of server.clients) socket.terminate();
  };
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws`,
    gateway,
    breakLinks,
    close: () => {
      breakLinks();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

/** The first event for which `holds`. */
function until<K extends keyof DocumentEvents>(document: Document, name: K, holds: (event: DocumentEvents[K]) => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no such ${name} came`)), 10_000);
    const end = document.on(name, (event) => {
      if (!holds(event)) return;
      clearTimeout(timer);
      end();
      resolve();
    });
  });
}

test('a writer and a reader, through cuts on both sides', async () => {
  const served = await serve();
  const writer = new Client({ url: served.url, webSocket, token: 'alice' });
  const reader = new Client({ url: served.url, webSocket, getToken: () => Promise.resolve({ token: 'bob' }) });
  try {
    const written = writer.join('essay');
    const read = reader.join('essay', { write: false });
    const got: unknown[] = [];
    read.on('entry', (entry) => got.push(entry.payload.asJson()));
    const all = until(read, 'entry', (entry) => entry.payload.asJson() === 300);
    writer.connect();
    reader.connect();
    await until(written, 'state', (state) => state.phase === 'joined');
    for (let n = 1; n <= 300; n += 1) {
      written.append(n);
      if (n % 50 === 0) writer.cut(20);
      if (n % 70 === 0) reader.cut();
      if (n % 110 === 0) served.breakLinks();
      if (n % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await all;
    assert.deepEqual(got, Array.from({ length: 300 }, (_, index) => index + 1));
    if (written.state.unacknowledged > 0) await until(written, 'state', (state) => state.unacknowledged === 0);
    assert.equal(written.state.position?.seq, 300);
  } finally {
    writer.close();
    reader.close();
    await served.close();
  }
});

test('text and bytes travel as they are, signals too', async () => {
  const served = await serve();
  const client = new Client({ url: served.url, webSocket }).connect();
  const other = new Client({ url: served.url, webSocket }).connect();
  try {
    const document = client.join('notes');
    const reader = other.join('notes', { write: false });
    const bytes = until(reader, 'entry', (entry) => entry.contentType === 'application/octet-stream' && entry.payload.asBytes()[1] === 255);
    const text = until(reader, 'entry', (entry) => entry.contentType === 'text/plain; charset=utf-8' && entry.payload.asText() === 'naïve 한글\n');
    const signal = until(reader, 'signal', (s) => s.kind === 'typing' && s.payload.asJson() === true);
    document.appendText('naïve 한글\n', { kind: 'note' });
    document.appendBytes(Uint8Array.of(0, 255));
    await Promise.all([text, bytes]);
    assert.equal(document.signal(true, { kind: 'typing' }), true);
    await signal;
    assert.throws(() => document.append(1, { kind: 'no good' }), AppendRefused);
    assert.throws(() => document.append('x'.repeat(70_000)), { name: 'AppendRefused', code: 'too_large' });
  } finally {
    client.close();
    other.close();
    await served.close();
  }
});

test('a listener that appends, and one that throws, harm nothing', async () => {
  const served = await serve();
  const client = new Client({ url: served.url, webSocket }).connect();
  const thrown: unknown[] = [];
  const before = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', (error) => thrown.push(error));
  try {
    const document = client.join('echo');
    const order: unknown[] = [];
    document.on('entry', (entry) => {
      const n = Number(entry.payload.asJson());
      order.push(n);
      if (n < 5) document.append(n + 1);
      throw new Error('a listener');
    });
    const done = until(document, 'entry', (entry) => entry.payload.asJson() === 5);
    document.append(1);
    await done;
    assert.deepEqual(order, [1, 2, 3, 4, 5]);
    await new Promise((resolve) => setTimeout(resolve, 5));
    assert.ok(thrown.length >= 4);
  } finally {
    process.removeAllListeners('uncaughtException');
    for (const listener of before) process.on('uncaughtException', listener);
    client.close();
    await served.close();
  }
});

// What is published: the package holds what its exports name and nothing of the tests, and a project that
// has only the tarball compiles against its types and runs.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '../..');

interface Manifest {
  readonly exports: Readonly<Record<string, { readonly types: string; readonly import: string }>>;
}

const CONSUMER = `
import { Client, CommentRefused, type Comment, type Document, type JoinOptions, type Notification } from '@inkwire/client';
import { ConnectionCore, commentIdOf } from '@inkwire/client/core';

const client: Client = new Client({ url: 'ws://127.0.0.1:1/ws', transports: ['sse', 'sockjs'] });
const options: JoinOptions = { snapshot: () => undefined };
const document: Document = client.join('essay-42', options);
document.on('entry', (entry) => { const value: unknown = entry.payload.asJson(); void value; });
const threads: readonly { readonly root: Comment }[] = document.comments.threads;
const notifications = client.notifications();
notifications.on('notification', (notification: Notification) => { void notification.text; });
const presence = document.presence();
if (threads.length !== 0 || presence.participants.length !== 0) throw new Error('something out of nothing');
const id: string = commentIdOf({ author: 'a', client: 'b', clientSeq: 1 });
if (!/^c[0-9a-f]{32}$/.test(id) || typeof ConnectionCore !== 'function' || typeof CommentRefused !== 'function') throw new Error(id);
client.close();
console.log(document.state.phase, client.state.phase);
`;

test('the package holds what its exports name, and a fresh project can use it', { timeout: 180_000 }, async () => {
  const fresh = await mkdtemp(path.join(tmpdir(), 'inkwire-package-'));
  try {
    const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', fresh], { cwd: root, maxBuffer: 2 ** 26 });
    // What the build says comes before.
    const [packed] = JSON.parse(stdout.slice(stdout.indexOf('[\n'))) as [{ filename: string; files: { path: string }[] }];
    const files = new Set(packed.files.map((file) => file.path));
    const manifest = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8')) as Manifest;
    for (const [name, { types, import: code }] of Object.entries(manifest.exports)) {
      for (const file of [types, code]) assert.ok(files.has(file.replace('./', '')), `${name} names ${file}, which is not packed`);
    }
    for (const name of ['README.md', 'package.json', 'src/index.ts']) assert.ok(files.has(name), `${name} is not packed`);
    for (const file of files) assert.doesNotMatch(file, /^(test|build|node_modules)\//, `${file} is packed`);

    await writeFile(path.join(fresh, 'package.json'), JSON.stringify({ name: 'fresh', private: true, type: 'module' }));
    await run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', `./${packed.filename}`], { cwd: fresh });
    await writeFile(path.join(fresh, 'use.ts'), CONSUMER);
    const compiler = path.join(root, 'node_modules/typescript/bin/tsc');
    assert.ok(existsSync(compiler));
    const compilerOptions = {
      strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true,
      target: 'ES2022', module: 'NodeNext', moduleResolution: 'NodeNext', lib: ['ES2022', 'DOM'], types: [],
    };
    await writeFile(path.join(fresh, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['use.ts'] }));
    await run(process.execPath, [compiler, '-p', fresh], { cwd: fresh }).catch((error: { stdout: string }) => assert.fail(error.stdout));
    const ran = await run(process.execPath, ['use.js'], { cwd: fresh });
    assert.equal(ran.stdout.trim(), 'ended closed');
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
});

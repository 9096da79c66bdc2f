// Builds the page: `node build.mjs DIR`. The result is the same for the same sources, so that
// `node build.mjs --check DIR` can compare what is committed with what the sources give.
// `--tests DIR` bundles the tests instead.

import { mkdir, mkdtemp, readdir, readFile, rm, writeFile, copyFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

const here = path.dirname(fileURLToPath(import.meta.url));
const client = path.join(here, '../../../shared/client-js');
const common = {
  absWorkingDir: here,
  bundle: true,
  format: 'esm',
  charset: 'utf8',
  legalComments: 'none',
  alias: {
    '@inkwire/client/codemirror': path.join(client, 'src/codemirror/index.ts'),
    '@inkwire/client': path.join(client, 'src/index.ts'),
    // One copy, wherever the importing file lies.
    '@noble/hashes': path.join(here, 'node_modules/@noble/hashes/esm'),
    '@codemirror/state': path.join(here, 'node_modules/@codemirror/state'),
    '@codemirror/view': path.join(here, 'node_modules/@codemirror/view'),
  },
  tsconfigRaw: { compilerOptions: { target: 'ES2022', verbatimModuleSyntax: true } },
  logLevel: 'warning',
};

async function buildPage(directory) {
  await mkdir(directory, { recursive: true });
  await build({
    ...common,
    entryPoints: { app: 'src/app.ts' },
    outdir: directory,
    platform: 'browser',
    target: ['es2022', 'chrome100', 'firefox100', 'safari16'],
    minify: true,
  });
  const css = await build({
    absWorkingDir: here, entryPoints: ['src/app.css'], minify: true, write: false,
    target: ['chrome100', 'firefox100', 'safari16'], charset: 'utf8', legalComments: 'none', logLevel: 'warning',
  });
  await writeFile(path.join(directory, 'app.css'), css.outputFiles[0].contents);
  await copyFile(path.join(here, 'src/index.html'), path.join(directory, 'index.html'));
  await writeFile(path.join(directory, 'sockjs.js'), await sockJsClient());
}

/** The SockJS client as a plain script, for the iframe of pages from other origins. */
async function sockJsClient() {
  const built = await build({
    absWorkingDir: here, entryPoints: ['node_modules/sockjs-client/lib/entry.js'], bundle: true, minify: true,
    format: 'iife', globalName: 'SockJS', platform: 'browser', target: 'es2015', charset: 'ascii',
    define: { global: 'globalThis', 'process.env.NODE_ENV': '"production"' },
    legalComments: 'none', logLevel: 'warning', metafile: true, write: false,
  });
  // Each licence asks that its text goes with the copy.
  const packages = new Set(Object.keys(built.metafile.inputs)
    .map((input) => /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1])
    .filter((name) => name !== undefined));
  const notices = [];
  for (const name of [...packages].sort()) {
    const root = path.join(here, 'node_modules', name);
    const { version } = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8'));
    const licence = (await readdir(root)).find((file) => /^licen[cs]e/i.test(file));
    if (licence === undefined) throw new Error(`${name} comes without the text of its licence`);
    notices.push(`${name} ${version}\n\n${(await readFile(path.join(root, licence), 'utf8')).trim()}`);
  }
  return `/*!\n${notices.join('\n\n').replaceAll('*/', '* /')}\n*/\n${built.outputFiles[0].text}`;
}

async function buildTests(directory) {
  const names = (await readdir(path.join(here, 'test'))).filter((name) => name.endsWith('.ts'));
  await build({
    ...common,
    entryPoints: names.map((name) => `test/${name}`),
    outdir: path.join(directory, 'test'),
    platform: 'node',
    target: 'node18',
    external: ['playwright-core', 'axe-core', 'ws', 'esbuild'],
  });
}

async function check(directory) {
  const fresh = await mkdtemp(path.join(tmpdir(), 'inkwire-page-'));
  try {
    await buildPage(fresh);
    const differing = [];
    for (const name of ['index.html', 'app.js', 'app.css', 'sockjs.js']) {
      const [built, committed] = await Promise.all([
        readFile(path.join(fresh, name)),
        readFile(path.join(directory, name)).catch(() => Buffer.alloc(0)),
      ]);
      if (!built.equals(committed)) differing.push(name);
    }
    if (differing.length > 0) {
      console.error(`${differing.join(', ')}: not what the sources give; run \`npm run build\` and commit the result`);
      process.exitCode = 1;
    } else console.log('the bundle is what the sources give');
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
}

const [mode, directory] = process.argv[2]?.startsWith('--') ? process.argv.slice(2) : ['--page', process.argv[2]];
if (!directory) {
  console.error('usage: node build.mjs [--check | --tests] DIR');
  process.exitCode = 2;
} else {
  const target = path.resolve(here, directory);
  await { '--page': buildPage, '--check': check, '--tests': buildTests }[mode](target);
}

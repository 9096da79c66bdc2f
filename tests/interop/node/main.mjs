// node main.mjs reader|writer|cases <transport> <url> <document>

import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';

import * as stompjs from '@stomp/stompjs';

import { cases } from './cases.mjs';
import { readByCurl } from './events.mjs';
import { read, write } from './programs.mjs';
import { socketFactory } from './transports.mjs';

const [role, transport, url, document] = process.argv.slice(2);
const token = process.env.INKWIRE_TOKEN;
const say = (line) => process.stdout.write(`${line}\n`);
const factory = transport === 'sse' ? undefined : socketFactory(transport, url);
const input = createInterface({ input: process.stdin });

if (role === 'reader') {
  if (transport === 'sse') readByCurl(`${url}/v1/documents/${encodeURIComponent(document)}/events`, say);
  else read(stompjs, factory, document, token, say);
  input.on('line', () => {});
  input.on('close', () => process.exit(0));
} else if (role === 'writer') {
  const writer = write(stompjs, factory, document, token, randomUUID(), say);
  input.on('line', (line) => writer.take(line));
  input.on('close', () => writer.end());
} else if (role === 'cases') {
  process.exit((await cases(stompjs, transport, factory, document, token, say)) ? 0 : 1);
} else {
  throw new Error(`no such role: ${role}`);
}

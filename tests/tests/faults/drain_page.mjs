// A page of the JavaScript client, for the test of a rolling restart: writes an entry every 10 ms until
// its standard input ends, then waits until all is acknowledged, and prints what it was told.
//
//   node drain_page.mjs <folder of the client library> <url> <document>

import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [library, url, id] = process.argv.slice(2);
const { Client } = await import(pathToFileURL(`${library}/build/src/index.js`).href);
const { WebSocket } = createRequire(`${library}/package.json`)('ws');

const client = new Client({ url, webSocket: WebSocket });
const told = { phases: [], replicas: [], entries: [], acknowledged: 0, faults: [] };
let written = 0;
let isOver = false;

client.on('state', ({ phase, replica }) => {
  if (told.phases.at(-1) !== phase) told.phases.push(phase);
  if (replica !== undefined && told.replicas.at(-1) !== replica) told.replicas.push(replica);
});
client.on('error', (error) => told.faults.push(error));
const document = client.connect().join(id);
document.on('state', ({ phase }) => {
  if (phase === 'joined' && written === 0) write();
  else if (written > 0 && phase !== 'joined') told.faults.push(phase);
  if (isOver) finish();
});
document.on('entry', (entry) => told.entries.push([entry.position.seq, entry.payload.asJson()]));
document.on('ack', () => {
  told.acknowledged += 1;
  if (isOver) finish();
});
for (const name of ['reset', 'lost', 'nack', 'error']) document.on(name, (event) => told.faults.push([name, event]));

function write() {
  if (isOver) return;
  document.append(`page ${(written += 1)}`);
  if (written === 1) console.log('writing');
  setTimeout(write, 10);
}

function finish() {
  if (told.acknowledged < written || document.state.unacknowledged > 0) return;
  console.log(JSON.stringify({ ...told, written }));
  process.exit(0);
}

process.stdin.on('end', () => {
  isOver = true;
  // What is acknowledged is shown soon.
  setTimeout(finish, 500);
});
process.stdin.resume();

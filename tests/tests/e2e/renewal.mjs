// Writes for longer than a token lives, and tells how often it was connected, asked for tokens, and
// acknowledged. Run by credentials.rs.
import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

const { CLIENT_JS, INKWIRE_BIN, URL: url, DOCUMENT, TOKEN_S, BEYOND_MS } = process.env;
const { Client } = await import(pathToFileURL(`${CLIENT_JS}/build/src/index.js`));
const { WebSocket } = createRequire(`${CLIENT_JS}/`)('ws');

const told = { opened: 0, tokens: 0, appended: 0, acknowledged: 0, lost: 0 };

class Counted extends WebSocket {
  constructor(...given) {
    super(...given);
    told.opened += 1;
  }
}

async function getToken() {
  told.tokens += 1;
  const words = ['token', '--subject', 'alice', '--expires-in', `${TOKEN_S}s`, '--document', DOCUMENT, '--role', 'writer'];
  const { stdout } = await promisify(execFile)(INKWIRE_BIN, words);
  return stdout.trim();
}

const client = new Client({ url, getToken, webSocket: Counted }).connect();
const document = client.join(DOCUMENT);
document.on('ack', () => { told.acknowledged += 1; });
document.on('lost', () => { told.lost += 1; });

const until = async (condition) => {
  const deadline = Date.now() + 20_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`in vain: ${JSON.stringify(told)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};

const end = Date.now() + Number(BEYOND_MS);
while (Date.now() < end) {
  document.append(told.appended);
  told.appended += 1;
  await until(() => told.acknowledged === told.appended);
}
const seen = JSON.stringify(told);
client.close();
console.log(seen);
process.exit(0);

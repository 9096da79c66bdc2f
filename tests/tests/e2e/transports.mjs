// A writer and a reader behind a proxy that lets through what it is told to: WebSockets are refused in the
// midst, then event streams too, then all is permitted again. Prints what each saw. Run by transports.rs.
import http from 'node:http';
import net from 'node:net';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const { CLIENT_JS, GATEWAYS, DOCUMENT, TOKEN } = process.env;
const { Client } = await import(pathToFileURL(`${CLIENT_JS}/build/src/index.js`));
const { WebSocket } = createRequire(`${CLIENT_JS}/`)('ws');
const gateways = GATEWAYS.split(',');
const PER_STAGE = 120;

/** Every request to another replica: nothing sticks. */
class Proxy {
  refused = new Set();
  sockets = new Set();
  turn = 0;

  async start() {
    const server = http.createServer((request, response) => this.pass(request, response));
    server.on('upgrade', (request, socket, head) => this.upgrade(request, socket, head));
    server.on('connection', (socket) => this.keep(socket));
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    this.port = server.address().port;
  }

  keep(socket) {
    // An agent uses one for several requests.
    if (this.sockets.has(socket)) return;
    this.sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.sockets.delete(socket));
  }

  next() {
    this.turn += 1;
    const [host, port] = gateways[this.turn % gateways.length].split(':');
    return { host, port: Number(port) };
  }

  kindOf(url) {
    if (url.startsWith('/sockjs')) return 'sockjs';
    return url.includes('/events') || url.startsWith('/v1/notifications') ? 'sse' : 'request';
  }

  pass(request, response) {
    if (this.refused.has(this.kindOf(request.url))) {
      response.writeHead(502, { 'content-type': 'text/html' }).end('<h1>Blocked</h1>');
      return;
    }
    const target = this.next();
    const onwards = http.request({ ...target, method: request.method, path: request.url, headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      response.flushHeaders();
      answer.pipe(response);
      answer.on('error', () => response.destroy());
      answer.on('close', () => { if (!answer.complete) response.destroy(); });
    });
    onwards.on('socket', (socket) => this.keep(socket));
    onwards.on('error', () => response.destroy());
    response.on('close', () => onwards.destroy());
    request.pipe(onwards);
  }

  upgrade(request, socket, head) {
    if (this.refused.has('websocket')) return void socket.end('HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
    const target = net.connect(this.next(), () => {
      const headers = Object.entries(request.headers).map(([name, value]) => `${name}: ${value}\r\n`).join('');
      target.write(`${request.method} ${request.url} HTTP/1.1\r\n${headers}\r\n`);
      if (head.length > 0) target.write(head);
      socket.pipe(target).pipe(socket);
    });
    this.keep(target);
    target.on('close', () => socket.destroy());
    socket.on('close', () => target.destroy());
  }

  refuse(...kinds) {
    this.refused = new Set(kinds);
    for (const socket of this.sockets) socket.destroy();
  }
}

const until = async (what, condition) => {
  const deadline = Date.now() + 40_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`in vain: ${what}: ${JSON.stringify(told)} ${JSON.stringify(writer.state)} ${JSON.stringify(written.state)} ${JSON.stringify(reader.state)} ${JSON.stringify(read.state)}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};

const proxy = new Proxy();
await proxy.start();
const options = { url: `ws://127.0.0.1:${proxy.port}/ws`, webSocket: WebSocket, ...(TOKEN ? { token: TOKEN } : {}) };
const writer = new Client(options).connect();
const reader = new Client(options).connect();
const written = writer.join(DOCUMENT);
const read = reader.join(DOCUMENT, { write: false });
const told = { appended: 0, acknowledged: 0, lost: 0, resets: 0, read: [], own: [], transports: { writer: [], reader: [] }, errors: [] };
for (const [name, client] of [['writer', writer], ['reader', reader]]) {
  client.on('state', ({ transport }) => {
    const taken = told.transports[name];
    if (transport && taken[taken.length - 1] !== transport) taken.push(transport);
  });
  client.on('error', ({ code, detail }) => told.errors.push(`${name}: ${code} ${detail}`));
}
written.on('ack', () => { told.acknowledged += 1; });
written.on('lost', () => { told.lost += 1; });
written.on('entry', (entry) => told.own.push(entry.payload.asJson()));
read.on('entry', (entry) => told.read.push(entry.payload.asJson()));
for (const document of [written, read]) document.on('reset', () => { told.resets += 1; });

/** Writes on while `happen` happens in the midst, and waits until both are where they should be. */
const stage = async (transport, happen) => {
  for (let n = 0; n < PER_STAGE; n += 1) {
    if (n === PER_STAGE / 3) happen();
    told.appended += 1;
    written.append(told.appended);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  await until(transport, () => writer.state.transport === transport && reader.state.transport === transport
    && told.acknowledged === told.appended && told.read.length === told.appended && told.own.length === told.appended);
};

await stage('websocket', () => {});
await stage('sse', () => proxy.refuse('websocket'));
await stage('sockjs', () => proxy.refuse('websocket', 'sse'));
await stage('websocket', () => {
  proxy.refused.clear();
  writer.use('websocket');
  reader.use('websocket');
});
for (const transport of ['sse', 'sockjs', 'sse', 'websocket']) {
  await stage(transport, () => {
    writer.use(transport);
    reader.use(transport);
  });
}
const { read: seen, own, ...rest } = told;
const isWhole = (list) => list.length === told.appended && list.every((value, index) => value === index + 1);
const answer = JSON.stringify({ ...rest, isRead: isWhole(seen), isOwn: isWhole(own) });
writer.close();
reader.close();
console.log(answer);
process.exit(0);

// Serves the built page and a gateway in memory, as the page would find them: for tests of the page
// alone. Run as a program it prints its address.

import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';

import { FakeGateway } from '@inkwire/client/test/gateway';
import { WebSocketServer, type WebSocket } from 'ws';

const TYPES: Readonly<Record<string, string>> = { html: 'text/html', js: 'text/javascript', css: 'text/css' };
const CONTENT_SECURITY_POLICY =
  "default-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

export interface Served {
  readonly url: string;
  readonly gateway: FakeGateway;
  /** Ends every session, as the gateway does when a token ends. */
  expireTokens(): void;
  close(): Promise<void>;
}

export async function serveFake(directory: string): Promise<Served> {
  const gateway = new FakeGateway();
  const server: Server = createServer((request, response) => {
    const name = new URL(request.url ?? '/', 'http://page').pathname.slice(1) || 'index.html';
    readFile(path.join(directory, path.basename(name))).then(
      (content) => {
        response.writeHead(200, {
          'content-type': `${TYPES[name.split('.').pop() ?? ''] ?? 'application/octet-stream'}; charset=utf-8`,
          'content-security-policy': CONTENT_SECURITY_POLICY,
        });
        response.end(content);
      },
      () => response.writeHead(404).end(),
    );
  });
  const sockets = new WebSocketServer({ server, path: '/ws', handleProtocols: () => 'inkwire.v1.json' });
  sockets.on('connection', (socket: WebSocket) => {
    const session = gateway.open();
    session.onOutput = () => {
      for (const text of session.out.splice(0)) socket.send(text);
    };
    socket.on('message', (data) => session.receive(String(data)));
    socket.on('close', () => gateway.end(session));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    gateway,
    expireTokens: () => {
      for (const socket of sockets.clients) {
        socket.send(JSON.stringify({ type: 'error', code: 'token_expired', detail: 'the token has expired' }));
        socket.close(4401, 'token_expired');
      }
    },
    close: async () => {
      for (const socket of sockets.clients) socket.terminate();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

// The ways in which stompjs reaches a gateway from node: each gives what `webSocketFactory` wants.

import { connect } from 'node:net';
import { createRequire } from 'node:module';

import { WebSocket } from 'ws';

const SockJS = createRequire(import.meta.url)('sockjs-client');

/** The transports that sockjs-client has in node; a browser has more. */
export const SOCKJS_IN_NODE = ['websocket', 'xhr-streaming', 'xhr-polling'];

/** `websocket`, `tcp`, or `sockjs:<one of sockjs-client's transports>`. */
export function socketFactory(transport, url) {
  if (transport === 'websocket') return () => new WebSocket(url, ['v12.stomp', 'v11.stomp', 'v10.stomp']);
  if (transport === 'tcp') return () => new TcpSocket(url);
  const [kind, one] = transport.split(':');
  if (kind === 'sockjs' && SOCKJS_IN_NODE.includes(one)) return () => new SockJS(url, null, { transports: [one] });
  throw new Error(`no such transport: ${transport}`);
}

/** A TCP connection as stompjs wants a socket: the four callbacks, `send`, `close` and `readyState`. */
class TcpSocket {
  readyState = 0;
  binaryType = 'arraybuffer';

  constructor(url) {
    this.url = url;
    const { hostname, port } = new URL(url);
    this.socket = connect({ host: hostname, port: Number(port), noDelay: true });
    this.socket.on('connect', () => {
      this.readyState = 1;
      this.onopen?.({});
    });
    this.socket.on('data', (data) => this.onmessage?.({ data: Uint8Array.from(data).buffer }));
    this.socket.on('error', (error) => this.onerror?.(error));
    this.socket.on('close', () => {
      this.readyState = 3;
      this.onclose?.({ code: 1006, reason: '', wasClean: false });
    });
  }

  send(data) {
    this.socket.write(typeof data === 'string' ? data : new Uint8Array(data));
  }

  close() {
    this.readyState = 2;
    this.socket.end();
  }

  terminate() {
    this.socket.destroy();
  }
}

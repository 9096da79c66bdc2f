// A reader and a writer over stompjs, for node and for a page: what they need from outside is a way to
// say something, and lines to read.

const TOPIC = '/topic/documents/';
const APP = '/app/documents/';

/** Un-acknowledged entries: the gateway tells a repeat from a conflict for the last 64. */
const IN_FLIGHT_MAX = 64;

/** A client of stompjs that connects again soon after a cut. */
export function makeClient(stompjs, socketFactory, token, callbacks) {
  return new stompjs.Client({
    webSocketFactory: socketFactory,
    connectHeaders: token ? { Authorization: `Bearer ${token}` } : {},
    reconnectDelay: 50,
    heartbeatIncoming: 10_000,
    heartbeatOutgoing: 10_000,
    ...callbacks,
  });
}

/** Shows a document, and goes on where it was after every cut. */
export function read(stompjs, socketFactory, document, token, say) {
  let position;
  let runs = 0;
  const client = makeClient(stompjs, socketFactory, token, {
    onConnect() {
      const receipt = `joined-${(runs += 1)}`;
      client.watchForReceipt(receipt, (frame) => say(`joined ${frame.headers.position}`));
      const headers = { receipt };
      if (position !== undefined) headers.since = position;
      client.subscribe(TOPIC + document, take, headers);
    },
    onStompError: (frame) => say(`error ${frame.headers.message}`),
    onWebSocketClose: () => say('cut'),
  });
  function take(message) {
    const { event, position: at, author } = message.headers;
    if (at !== undefined) position = at;
    if (event === undefined) say(`entry ${at} ${author} ${base64(message.binaryBody)}`);
    else say(`${event} ${message.headers.cause ?? message.headers.code ?? ''} ${at ?? ''}`.trim());
  }
  client.activate();
  return client;
}

/** Appends the lines it is given, in order, each once, whatever happens to the connection. */
export function write(stompjs, socketFactory, document, token, clientId, say) {
  const lines = [];
  let acknowledged = 0;
  let sent = 0;
  let runs = 0;
  let isLive = false;
  let isOver = false;

  const client = makeClient(stompjs, socketFactory, token, {
    onConnect() {
      const run = (runs += 1);
      const receipt = `joined-${run}`;
      client.watchForReceipt(receipt, (frame) => {
        // Where the log stands with this writer: what it has is not sent again.
        acknowledged = Math.max(acknowledged, Number(frame.headers['client-seq'] ?? 0));
        sent = acknowledged;
        isLive = true;
        pump(run);
      });
      client.subscribe(TOPIC + document, () => {}, { receipt, 'client-id': clientId, snapshot: 'false' });
    },
    onStompError: (frame) => say(`error ${frame.headers.message}`),
    onWebSocketClose() {
      isLive = false;
      say('cut');
    },
  });

  function pump(run) {
    while (isLive && sent < lines.length && sent - acknowledged < IN_FLIGHT_MAX) {
      const number = (sent += 1);
      const receipt = `${run}-${number}`;
      client.watchForReceipt(receipt, (frame) => {
        if (number > acknowledged) acknowledged = number;
        say(`acked ${number} ${frame.headers.position}`);
        pump(runs);
      });
      const headers = { receipt, 'client-id': clientId, 'client-seq': String(number), 'content-type': 'application/json' };
      client.publish({ destination: APP + document, body: lines[number - 1], headers });
    }
    if (isOver && acknowledged === lines.length) {
      isOver = false;
      say('done');
      client.deactivate();
    }
  }

  client.activate();
  return {
    take(line) {
      lines.push(line);
      pump(runs);
    },
    end() {
      isOver = true;
      pump(runs);
    },
  };
}

function base64(bytes) {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

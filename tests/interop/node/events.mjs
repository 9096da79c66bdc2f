// Readers of event streams: a page's own EventSource, and one of our own over curl. Both say what they
// hear, and both go on by the last id alone.

import { spawn } from 'node:child_process';

/** In a page: everything else is the browser's. Given to the page as it stands here. */
export function readInPage(url, say) {
  const source = new EventSource(url);
  source.onmessage = ({ data }) => say(entryLine(data));
  source.addEventListener('joined', ({ data }) => say(`joined ${JSON.parse(data).position}`));
  source.addEventListener('reset', ({ data }) => say(`reset ${JSON.parse(data).cause}`));
  source.onerror = ({ data }) => {
    if (data !== undefined) say(`error ${data}`);
    else say(source.readyState === EventSource.CLOSED ? 'closed for good' : 'cut');
  };

  /** The payload is taken as its very octets: JSON that is read and written again is other JSON. */
  function entryLine(data) {
    const { position, author } = JSON.parse(data);
    const name = '"payload":';
    const start = data.indexOf(name) + name.length;
    const behind = data.lastIndexOf(',"traceparent":"');
    const payload = data.slice(start, behind > start ? behind : -1);
    let text = '';
    for (const byte of new TextEncoder().encode(payload)) text += String.fromCharCode(byte);
    return `entry ${position} ${author} ${btoa(text)}`;
  }
}

/** Over curl, one process for each connection: the least of an EventSource. */
export function readByCurl(url, say) {
  let lastId = '';
  let retryMs = 1_000;
  const listeners = {};
  globalThis.EventSource = class {
    static CLOSED = 2;
    readyState = 0;
    constructor() {
      listeners.source = this;
    }
    addEventListener(name, listener) {
      listeners[name] = listener;
    }
  };
  readInPage(url, say);

  function connect() {
    const again = lastId === '' ? [] : ['-H', `Last-Event-ID: ${lastId}`];
    const curl = spawn('curl', ['-sSNf', ...again, url], { stdio: ['ignore', 'pipe', 'ignore'] });
    let held = '';
    curl.stdout.setEncoding('utf8');
    curl.stdout.on('data', (text) => {
      const events = (held + text).split('\n\n');
      held = events.pop();
      events.forEach(dispatch);
    });
    curl.on('close', () => {
      listeners.source.onerror({});
      setTimeout(connect, retryMs);
    });
  }

  function dispatch(event) {
    let name = 'message';
    let id;
    const data = [];
    for (const line of event.split('\n')) {
      const [field, value] = line.split(/: ?(.*)/s);
      if (field === 'event') name = value;
      else if (field === 'id') id = value;
      else if (field === 'data') data.push(value);
      else if (field === 'retry') retryMs = Number(value);
    }
    // As with an EventSource: an event that was cut off moves nothing.
    if (id !== undefined) lastId = id;
    if (data.length === 0) return;
    const listener = name === 'message' ? listeners.source.onmessage : listeners[name];
    if (name === 'error') listeners.source.onerror({ data: data.join('\n') });
    else listener?.({ data: data.join('\n') });
  }

  connect();
}

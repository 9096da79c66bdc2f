// What users of stompjs rely on, case by case, against one gateway.

import { randomUUID } from 'node:crypto';

import { makeClient } from './programs.mjs';

const PATIENCE_MS = 10_000;

/** Goes through all cases; true if all are as they should be. */
export async function cases(stompjs, transport, socketFactory, document, token, say) {
  let isGood = true;
  for (const [name, run] of Object.entries(CASES)) {
    const open = [];
    const connect = (options) => connected(stompjs, socketFactory, token, options, open);
    try {
      await within(run({ stompjs, transport, connect, document: `${document}-${name}` }), name);
      say(`ok ${name}`);
    } catch (error) {
      isGood = false;
      say(`failed ${name} ${error.message}`);
    }
    await Promise.all(open.map((client) => client.deactivate({ force: true })));
  }
  return isGood;
}

const CASES = {
  async versions_and_heart_beats({ stompjs, connect }) {
    for (const [version, only] of [['1.2', '1.2'], ['1.1', '1.1'], ['1.0', '1.0'], ['1.2', '1.0,1.1,1.2']]) {
      const client = await connect({ stompVersions: new stompjs.Versions(only.split(',')) });
      equal(client.connectedVersion, version, 'version');
    }
  },

  async a_receipt_of_a_send_means_in_the_log({ connect, document }) {
    const [writer, reader] = [await connect(), await connect()];
    const seen = await subscribed(reader, `/topic/documents/${document}`);
    const frame = await sent(writer, `/app/documents/${document}`, '"first"');
    equal(frame.headers['client-seq'], '1', 'client-seq');
    const message = await seen.next();
    equal(message.body, '"first"', 'body');
    equal(message.headers.position, frame.headers.position, 'position');
    equal(message.headers['message-id'], `${document}@${frame.headers.position}`, 'message-id');
    const late = await subscribed(await connect(), `/topic/documents/${document}`);
    equal((await late.next()).body, '"first"', 'what a late reader gets');
  },

  async resume_by_since({ connect, document }) {
    const writer = await connect();
    const first = await sent(writer, `/app/documents/${document}`, '1');
    await sent(writer, `/app/documents/${document}`, '2');
    const seen = await subscribed(writer, `/topic/documents/${document}`, { since: first.headers.position });
    equal((await seen.next()).body, '2', 'the next one');
  },

  async a_foreign_position_is_a_reset({ connect, document }) {
    const writer = await connect();
    await sent(writer, `/app/documents/${document}`, '1');
    const seen = await subscribed(writer, `/topic/documents/${document}`, { since: '1-0123456789abcdef' });
    const reset = await seen.next();
    equal(reset.headers.event, 'reset', 'event');
    equal(reset.headers.cause, 'diverged', 'cause');
    equal((await seen.next()).body, '1', 'what follows');
  },

  async bodies_are_octets({ transport, connect, document }) {
    const client = await connect();
    const seen = await subscribed(client, `/topic/documents/${document}`);
    const texts = ['', '한글 😀 naïve', 'a\u0000b', 'line\nline\r\n', 'x'.repeat(200_000)];
    for (const text of texts) {
      await sent(client, `/app/documents/${document}`, text, { 'content-type': 'text/plain' });
      equal((await seen.next()).body, text, 'text');
    }
    // sockjs-client sends text alone.
    if (transport.startsWith('sockjs')) return;
    const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
    const headers = { 'content-type': 'application/octet-stream' };
    const receipt = received(client);
    client.publish({ destination: `/app/documents/${document}`, binaryBody: bytes, headers: { ...headers, receipt: receipt.id } });
    await receipt;
    const message = await seen.next();
    equal(Buffer.from(message.binaryBody).toString('hex'), Buffer.from(bytes).toString('hex'), 'octets');
  },

  async client_individual_acks_keep_a_window({ connect, document }) {
    const client = await connect();
    for (let i = 1; i <= 10; i += 1) await sent(client, `/app/documents/${document}`, String(i));
    const headers = { ack: 'client-individual', window: '4' };
    const seen = await subscribed(client, `/topic/documents/${document}`, headers);
    for (let i = 1; i <= 10; i += 1) {
      const message = await seen.next();
      equal(message.body, String(i), 'order');
      message.ack();
    }
  },

  async topics_are_for_those_who_are_there({ connect, document }) {
    const [one, two] = [await connect(), await connect()];
    const topic = `/topic/${document}`;
    await sent(one, topic, 'before');
    const seen = await Promise.all([subscribed(one, topic), subscribed(two, topic)]);
    // No `c`, `n` or `r` behind the backslash: stompjs undoes one kind of escape after the other, so that
    // it takes the second half of an escaped backslash for the first of another.
    const colour = 'a:b\\d\ne';
    await sent(two, topic, 'hello', { 'x-colour': colour });
    for (const messages of seen) {
      const message = await messages.next();
      equal(message.body, 'hello', 'body');
      equal(message.headers['x-colour'], colour, 'a header of the sender');
    }
  },

  async a_queue_has_one_receiver_for_each_message({ connect, document }) {
    const [one, two] = [await connect(), await connect()];
    const queue = `/queue/${document}`;
    const headers = { ack: 'client-individual', 'prefetch-count': '1' };
    const seen = await Promise.all([subscribed(one, queue, headers), subscribed(two, queue, headers)]);
    for (let i = 0; i < 4; i += 1) await sent(one, queue, String(i));
    const bodies = [];
    while (bodies.length < 4) {
      const message = await Promise.race(seen.map((messages) => messages.next(true)));
      for (const messages of seen) messages.give(message);
      bodies.push(message.body);
      message.ack();
    }
    equal(bodies.sort().join(), '0,1,2,3', 'each once');
  },

  async a_negative_answer_brings_it_again({ connect, document }) {
    const client = await connect();
    const queue = `/queue/${document}`;
    const seen = await subscribed(client, queue, { ack: 'client-individual' });
    await sent(client, queue, 'job');
    const first = await seen.next();
    first.nack();
    const again = await seen.next();
    equal(again.body, 'job', 'body');
    equal(again.headers['message-id'], first.headers['message-id'], 'stable id');
    equal(again.headers.redelivered, 'true', 'redelivered');
    again.ack();
  },

  async transactions({ connect, document }) {
    const client = await connect();
    const seen = await subscribed(client, `/topic/documents/${document}`);
    const aborted = client.begin();
    client.publish({ destination: `/app/documents/${document}`, body: '"aborted"', headers: { transaction: aborted.id } });
    aborted.abort();
    const transaction = client.begin();
    for (const body of ['1', '2', '3']) {
      client.publish({ destination: `/app/documents/${document}`, body, headers: { transaction: transaction.id } });
    }
    transaction.commit();
    for (const body of ['1', '2', '3']) equal((await seen.next()).body, body, 'body');
  },

  async a_refused_send_is_told_on_the_errors_queue({ connect, document }) {
    const client = await connect();
    const errors = await subscribed(client, '/user/queue/errors');
    const headers = { 'client-id': randomUUID(), 'client-seq': '7', receipt: 'refused' };
    client.publish({ destination: `/app/documents/${document}`, body: '1', headers });
    const message = await errors.next();
    equal(message.headers['client-seq'], '7', 'client-seq');
    equal(message.headers['receipt-id'], 'refused', 'receipt-id');
    equal(message.headers.code, 'unknown_client', 'code');
  },

  async a_bad_destination_is_an_error({ connect }) {
    const errors = [];
    const client = await connect({ onStompError: (frame) => errors.push(frame), reconnectDelay: 0 });
    client.subscribe('/nowhere/at/all', () => {}, { receipt: 'bad' });
    await until(() => errors.length === 1);
    equal(errors[0].headers['receipt-id'], 'bad', 'receipt-id');
    if (errors[0].body.length < 10) throw new Error('the body does not explain');
  },

  async a_disconnect_is_answered({ connect }) {
    const client = await connect();
    let isDisconnected = false;
    client.onDisconnect = () => (isDisconnected = true);
    await client.deactivate();
    equal(isDisconnected, true, 'the receipt of DISCONNECT');
  },
};

function connected(stompjs, socketFactory, token, options, open) {
  return new Promise((resolve, reject) => {
    const client = makeClient(stompjs, socketFactory, token, {
      onConnect: () => resolve(client),
      onStompError: (frame) => reject(new Error(`ERROR ${frame.headers.message}: ${frame.body}`)),
      ...options,
    });
    open.push(client);
    client.activate();
  });
}

let receipts = 0;

/** A promise of a receipt; its id goes into the frame that asks for it. */
function received(client) {
  const id = `receipt-${(receipts += 1)}`;
  const promise = new Promise((resolve) => client.watchForReceipt(id, resolve));
  promise.id = id;
  return promise;
}

async function sent(client, destination, body, headers = {}) {
  const receipt = received(client);
  client.publish({ destination, body, headers: { ...headers, receipt: receipt.id }, skipContentLengthHeader: false });
  return receipt;
}

/** Messages of a subscription that stands, as they come. */
async function subscribed(client, destination, headers = {}) {
  const messages = new Messages();
  const receipt = received(client);
  client.subscribe(destination, (message) => messages.put(message), { ...headers, receipt: receipt.id });
  await receipt;
  return messages;
}

class Messages {
  #waiting = [];
  #takers = [];

  put(message) {
    this.#waiting.push(message);
    for (const taker of this.#takers.splice(0)) taker();
  }

  /** The next one; to `peek` leaves it where it is. */
  async next(peek = false) {
    while (this.#waiting.length === 0) await new Promise((resolve) => this.#takers.push(resolve));
    return peek ? this.#waiting[0] : this.#waiting.shift();
  }

  /** Takes out what was peeked at, if it is here. */
  give(message) {
    this.#waiting = this.#waiting.filter((other) => other !== message);
  }
}

async function until(isSo) {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 10));
}

function within(promise, name) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${name} took longer than ${PATIENCE_MS} ms`)), PATIENCE_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function equal(actual, expected, what) {
  if (actual !== expected) throw new Error(`${what}: ${JSON.stringify(actual)}, expected ${JSON.stringify(expected)}`);
}

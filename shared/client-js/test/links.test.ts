// What stands below a link: event streams cut anywhere, requests in order behind a gate, SockJS frames,
// and the choice between them.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ConnectionCore, Transports } from '../src/core/index.js';
import { EventParser } from '../src/links/event-parser.js';
import type { Answer, HttpWire, Outgoing } from '../src/links/link.js';
import { SockJsLink } from '../src/links/sockjs.js';
import { SseLink } from '../src/links/sse.js';
import { FakeGateway } from './support/gateway.js';
import { FakeHttp } from './support/http.js';
import { Rig, at, uuid } from './support/rig.js';

type Json = Record<string, unknown>;

test('an event stream gives the same events wherever it is cut', () => {
  const text = '\ufeffretry: 5\r\n\r\n: beat\n\nevent: welcome\ndata: a\r\ndata:b\rdata\nid: 5\n\ndata: 한글\n\ndata: unfinished';
  const whole = new EventParser().push(text);
  assert.deepEqual(whole, [{ name: 'welcome', data: 'a\nb\n' }, { name: 'message', data: '한글' }]);
  for (let cut = 0; cut <= text.length; cut += 1) {
    const parser = new EventParser();
    assert.deepEqual([...parser.push(text.slice(0, cut)), ...parser.push(text.slice(cut))], whole, `cut at ${cut}`);
  }
});

test('the next transport is taken after two that failed or one that was silent, and the better one is tried later', () => {
  const transports = new Transports(['websocket', 'sse', 'sockjs']);
  transports.failed(false);
  assert.equal(transports.current, 'websocket');
  transports.failed(false);
  assert.equal(transports.current, 'sse');
  transports.stands(1_000);
  assert.equal(transports.againAt, 61_000);
  assert.equal(transports.better(61_000), 'websocket');
  assert.equal(transports.againAt, 61_000 + 120_000, 'later each time');
  transports.failed(true);
  assert.equal(transports.current, 'sockjs');
  transports.failed(true);
  assert.equal(transports.current, 'websocket', 'and so on, all around');
  transports.take('sockjs');
  transports.prefer('sockjs');
  assert.equal(transports.againAt, undefined, 'the preferred one is the best');
});

test('a link that is refused, or opened and silent, is not opened a third time', () => {
  const rig = new Rig({ transports: ['websocket', 'sse', 'sockjs'] });
  const opened: string[] = [];
  const open = (): void => {
    const { transport } = rig.core.takeEffects().find((effect) => effect.do === 'open') as { transport: string };
    opened.push(transport);
  };
  const next = (): void => {
    rig.now = rig.core.nextDeadline() ?? rig.now;
    rig.core.tick(rig.now);
  };
  rig.core.connect(rig.now);
  open();
  rig.core.linkClosed(1006, '', rig.now);
  next();
  open();
  rig.core.linkClosed(1006, '', rig.now);
  next();
  open();
  // It opens, and then nothing comes.
  rig.core.linkOpened(rig.now);
  next();
  next();
  open();
  assert.deepEqual(opened, ['websocket', 'websocket', 'sse', 'sockjs']);
  rig.core.linkClosed(1013, 'overloaded', rig.now);
  next();
  open();
  assert.equal(opened[4], 'sockjs', 'the gateway itself refused: another transport is no help');
});

test('the better transport is tried beside the one that works, and a failure costs nothing', () => {
  const rig = new Rig({ transports: ['websocket', 'sse'] });
  rig.core.connect(rig.now);
  for (const _attempt of [1, 2]) {
    rig.core.linkClosed(1006, '', rig.now);
    rig.now = rig.core.nextDeadline() ?? rig.now;
    rig.core.tick(rig.now);
  }
  rig.settle();
  rig.greet();
  assert.equal(rig.core.state.transport, 'sse');
  rig.effects.length = 0;
  rig.pass(70_000, () => rig.effects.includes('open_next'));
  assert.ok(rig.effects.includes('open_next'));
  rig.core.nextClosed(rig.now);
  rig.settle();
  assert.deepEqual([rig.core.state.phase, rig.core.state.transport], ['connected', 'sse']);
  rig.effects.length = 0;
  rig.pass(100_000, () => rig.effects.includes('open_next'));
  assert.ok(!rig.effects.includes('open_next'), 'not again so soon');
  rig.pass(100_000, () => rig.effects.includes('open_next'));
  rig.greetNext();
  assert.equal(rig.core.state.transport, 'websocket');
});

/** A core on event streams over the gateway in memory, everything at once. */
function streams(subject: string, gateway: FakeGateway) {
  const http = new FakeHttp(gateway, () => 0);
  const errors: string[] = [];
  let clients = 0;
  const core = new ConnectionCore(
    {
      hasTokens: true, canRenewTokens: false, random: () => 0.5, wallClock: () => 0, transports: ['sse'],
      drawClient: () => uuid((clients += 1)), firstClient: uuid(999),
    },
    (name, event) => void (name === 'error' && errors.push(JSON.stringify(event))),
  );
  let link: SseLink | undefined;
  const effects = (): void => {
    for (const effect of core.takeEffects()) {
      if (effect.do === 'fetch_token') core.tokenReady({ token: subject }, 0);
      else if (effect.do === 'open') {
        link = new SseLink(http, () => core.planned);
        link.onopen = () => core.linkOpened(0);
        link.onmessage = ({ data }: { data: string }) => core.received(data, 0);
        link.onclose = ({ code }: { code: number }) => core.linkClosed(code, '', 0);
      } else if (effect.do === 'send') link?.send(effect.text);
    }
  };
  const settle = (): void => {
    for (let n = 0; n < 200; n += 1) {
      effects();
      http.settle();
      http.step((count) => n % Math.max(count, 1), () => false);
    }
  };
  return { core, http, errors, settle };
}

test('documents that are joined later get another stream, which takes the place of the one before', () => {
  const gateway = new FakeGateway();
  const { core, http, errors, settle } = streams('ada', gateway);
  const heard: string[] = [];
  const join = (id: string) => core.join(id, {}, (name, event) => void (name === 'entry' && heard.push(`${id} ${String((event as { payload: { asJson(): unknown } }).payload.asJson())}`)), 0);
  const first = join('first');
  core.connect(0);
  settle();
  assert.deepEqual([core.state.phase, first.state.phase, http.streams.size], ['connected', 'joined', 1]);
  const write = (id: string, clientSeq: number): void => {
    const session = gateway.open();
    session.receive(JSON.stringify({ type: 'hello', token: 'bob' }));
    session.receive(JSON.stringify({ type: 'join', document: id, client: uuid(500) }));
    session.receive(JSON.stringify({ type: 'append', document: id, client_seq: clientSeq, payload: clientSeq }));
    gateway.end(session);
  };
  write('first', 1);
  const second = join('second');
  write('first', 2);
  settle();
  write('first', 3);
  write('second', 1);
  settle();
  assert.deepEqual([second.state.phase, http.streams.size], ['joined', 1]);
  assert.deepEqual(heard.filter((text) => text.startsWith('first')), ['first 1', 'first 2', 'first 3']);
  assert.deepEqual(heard.filter((text) => text.startsWith('second')), ['second 1']);
  core.leave(second, 0);
  settle();
  write('second', 2);
  write('first', 4);
  settle();
  assert.deepEqual(heard.slice(-1), ['first 4']);
  assert.equal(http.streams.size, 1);
  const again = join('second');
  settle();
  assert.equal(again.state.phase, 'joined');
  assert.notEqual(again.client, second.client, 'it counts from 1 anew');
  assert.deepEqual(errors, []);
});

/** A wire whose answers a test gives. */
class Wire implements HttpWire {
  readonly asked: { request: Outgoing; answer: (answer: Answer | undefined) => void }[] = [];
  readonly streams: { request: Outgoing; on: Parameters<HttpWire['stream']>[1]; isGivenUp: boolean }[] = [];
  readonly timers: (() => void)[] = [];
  readonly #soon: (() => void)[] = [];

  stream(request: Outgoing, on: Parameters<HttpWire['stream']>[1]): () => void {
    const stream = { request, on, isGivenUp: false };
    this.streams.push(stream);
    return () => (stream.isGivenUp = true);
  }

  request(request: Outgoing, answer: (answer: Answer | undefined) => void): () => void {
    this.asked.push({ request, answer });
    return () => {};
  }

  soon(then: () => void): void {
    this.#soon.push(then);
  }

  after(_ms: number, then: () => void): () => void {
    this.timers.push(then);
    return () => this.timers.splice(this.timers.indexOf(then), 1);
  }

  now(): number {
    return 0;
  }

  settle(): void {
    for (let then = this.#soon.shift(); then; then = this.#soon.shift()) then();
  }
}

function listening(link: SockJsLink | SseLink): { messages: Json[]; closed: number[]; opened: number } {
  const heard = { messages: [] as Json[], closed: [] as number[], opened: 0 };
  link.onopen = () => (heard.opened += 1);
  link.onmessage = ({ data }: { data: string }) => heard.messages.push(JSON.parse(data) as Json);
  link.onclose = ({ code }: { code: number }) => heard.closed.push(code);
  return heard;
}

test('SockJS: frames cut anywhere, sends in order, one at a time, and a poll where streams are held back', () => {
  const wire = new Wire();
  const link = new SockJsLink(wire, '/sockjs', () => 'abc', () => 'token');
  const heard = listening(link);
  wire.settle();
  assert.deepEqual(wire.streams[0]?.request, { method: 'POST', path: '/sockjs/000/abc/xhr_streaming', token: 'token' });
  // Nothing comes: it is held back on the way.
  wire.timers[0]?.();
  assert.equal(wire.streams[0]?.isGivenUp, true);
  assert.equal(wire.streams[1]?.request.path, '/sockjs/000/abc/xhr');
  link.send('{"n":1}');
  wire.settle();
  assert.equal(wire.asked.length, 0, 'nothing goes out before it is open');
  wire.streams[1]?.on.text('o');
  wire.streams[1]?.on.text('\n');
  wire.streams[1]?.on.ended(undefined, true);
  assert.equal(heard.opened, 1);
  link.send('{"n":2}');
  wire.settle();
  link.send('{"n":3}');
  wire.settle();
  assert.equal(wire.asked[0]?.request.body, '["{\\"n\\":1}","{\\"n\\":2}"]');
  assert.equal(wire.asked.length, 1);
  wire.asked[0]?.answer({ status: 204, text: '' });
  assert.equal(wire.asked[1]?.request.body, '["{\\"n\\":3}"]');
  wire.streams[2]?.on.text('hhh\na["{\\"x\\":1}","{\\"x\\"');
  wire.streams[2]?.on.text(':2}"]\nc[4008,"slow_consumer"]\n');
  assert.deepEqual(heard.messages, [{ x: 1 }, { x: 2 }]);
  assert.deepEqual(heard.closed, [4008]);
});

test('appends by requests: one under way, nothing behind a refusal, and three that nobody answers end the link', () => {
  const wire = new Wire();
  const link = new SseLink(wire, () => []);
  const heard = listening(link);
  wire.settle();
  link.send(JSON.stringify({ type: 'hello', token: 't' }));
  assert.equal(wire.streams[0]?.request.path, '/v1/notifications');
  wire.streams[0]?.on.text('event: welcome\ndata: {"type":"welcome"}\n\n');
  link.send(JSON.stringify({ type: 'join', document: 'a/b', client: uuid(1) }));
  wire.settle();
  assert.equal(wire.streams[1]?.request.path, `/v1/events?document=a%2Fb&client=${uuid(1)}`);
  const append = (clientSeq: number): void => link.send(`{"type":"append","document":"a/b","client_seq":${clientSeq},"kind":"edit","payload":${clientSeq}.0}`);
  const ask = (n: number) => wire.asked[n] as Wire['asked'][number];
  append(1);
  append(2);
  wire.settle();
  append(3);
  wire.settle();
  assert.deepEqual([ask(0).request.path, wire.asked.length], ['/v1/documents/a%2Fb/entries', 1]);
  assert.match(ask(0).request.body ?? '', /"payload":1\.0\}.*"payload":2\.0\}/, 'the payload is as it was written');
  const nack = { code: 'throttled', after_ms: 7 };
  ask(0).answer({ status: 200, text: JSON.stringify({ results: [{ client_seq: 1, position: at(1), duplicate: false }, { client_seq: 2, error: nack }] }) });
  wire.settle();
  assert.equal(wire.asked.length, 1, '3 is dropped unheard');
  assert.deepEqual(heard.messages.slice(1).map(({ type, client_seq, code, after_ms }) => [type, client_seq, code, after_ms]), [
    ['ack', 1, undefined, undefined], ['nack', 2, 'throttled', 7],
  ]);
  append(3);
  append(2);
  append(3);
  wire.settle();
  assert.match(ask(1).request.body ?? '', /"client_seq":2.*"client_seq":3/);
  for (const [n, answer] of ([undefined, { status: 502, text: '<h1>no</h1>' }, undefined] as const).entries()) {
    ask(1 + n).answer(answer);
    append(2);
    wire.settle();
  }
  assert.deepEqual(heard.closed, [4998]);
});

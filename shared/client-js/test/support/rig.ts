// A connection core under a test's hand: simulated time, one session of the fake gateway at a time,
// and everything that was sent and told, written down.

import { ConnectionCore, Payload } from '../../src/core/index.js';
import type { ConnectionEvents, ConnectionOptions, DocumentCore, DocumentEvents, DocumentOptions } from '../../src/core/index.js';

type Json = Record<string, unknown>;

/** Position tokens of transcripts: the hash is not checked unless the test wants it. */
export function at(seq: number, hash = '0000000000000000'): string {
  return `${seq}-${hash}`;
}

export class Rig {
  now = 1_000;
  /** What was sent since the last look. */
  #sent: Json[] = [];
  #sentNext: Json[] = [];
  readonly events: [name: string, event: unknown][] = [];
  readonly connectionEvents: [name: keyof ConnectionEvents, event: unknown][] = [];
  readonly core: ConnectionCore;
  readonly effects: string[] = [];
  clients = 0;
  /** How far the wall clock is ahead of the other one. */
  slept = 0;
  /** Whether pings are answered by themselves. */
  answersPings = true;

  constructor(options: Partial<ConnectionOptions> = {}) {
    this.core = new ConnectionCore(
      {
        hasTokens: false, canRenewTokens: false, random: () => 0.5, wallClock: () => 1_000_000 + this.now + this.slept,
        drawClient: () => uuid((this.clients += 1)), ...options,
      },
      (name, event) => this.connectionEvents.push([name, event]),
    );
  }

  join(options: DocumentOptions = {}, id = 'doc'): DocumentCore {
    const document = this.core.join(
      id, { verify: false, ...options },
      <K extends keyof DocumentEvents>(name: K, event: DocumentEvents[K]) => void this.events.push([name, event]), this.now,
    );
    this.settle();
    return document;
  }

  /** Opens the link and shakes hands. */
  connect(subject = 'alice'): void {
    this.core.connect(this.now);
    this.settle();
    this.greet(subject);
  }

  greet(subject = 'alice', more: Json = {}): void {
    this.core.linkOpened(this.now);
    this.say({ type: 'welcome', session: 's', replica: 'r', subject, heartbeat_ms: 30_000, payload_bytes_max: 65_536, ...more });
  }

  /** The machine sleeps: only the wall clock goes on. */
  sleep(ms: number): void {
    this.slept += ms;
  }

  changeAccess(action: 'revoke' | 'grant', subject: string): void {
    this.core[action]('doc', subject);
    this.settle();
  }

  leave(document: DocumentCore): void {
    this.core.leave(document, this.now);
    this.settle();
  }

  say(...packets: Json[]): void {
    for (const packet of packets) {
      this.core.received(JSON.stringify(packet), this.now);
      this.settle();
    }
  }

  /** `joined` of the document, with a row if `clientSeq` is given. */
  joined(position: string, clientSeq?: number, digests = '', subject = 'alice'): void {
    const row = clientSeq === undefined ? {} : { client_seq: clientSeq, row_position: position, digests };
    this.say({ type: 'joined', document: 'doc', position, role: 'writer', subject, ...row });
  }

  ack(clientSeq: number, position: string): void {
    this.say({ type: 'ack', document: 'doc', client_seq: clientSeq, position, duplicate: false });
  }

  nack(code: string, clientSeq: number | undefined, more: Json = {}): void {
    this.say({ type: 'nack', document: 'doc', code, client_seq: clientSeq, ...more });
  }

  lose(code = 1006): void {
    this.core.linkClosed(code, '', this.now);
    this.settle();
  }

  /** Loses the link, waits for the next attempt and shakes hands again. */
  reconnect(subject = 'alice'): void {
    this.effects.length = 0;
    this.lose();
    this.pass(20_000, () => this.effects.includes('open'));
    this.effects.length = 0;
    this.greet(subject);
  }

  /** Lets time pass, deadline by deadline, at most `ms` or until `done`. */
  pass(ms: number, done: () => boolean = () => false): void {
    const until = this.now + ms;
    for (let guard = 0; guard < 10_000; guard += 1) {
      const next = this.core.nextDeadline();
      if (done() || next === undefined || next > until) break;
      this.now = Math.max(this.now, next);
      this.core.tick(this.now);
      this.settle();
    }
    if (!done()) this.now = until;
  }

  append(document: DocumentCore, ...values: unknown[]): void {
    for (const value of values) {
      document.append('edit', 'application/json', Payload.json(value), this.now);
      this.settle();
    }
  }

  settle(): void {
    const pinged: unknown[] = [];
    for (const effect of this.core.takeEffects()) {
      if (effect.do === 'send') {
        const packet = JSON.parse(effect.text) as Json;
        this.#sent.push(packet);
        if (packet['type'] === 'ping' && this.answersPings) pinged.push(packet['id']);
      } else if (effect.do === 'send_next') this.#sentNext.push(JSON.parse(effect.text) as Json);
      else this.effects.push(effect.do);
    }
    for (const id of pinged) this.say({ type: 'pong', id });
  }

  /** What was sent since the last look, without pings. */
  sent(): Json[] {
    const sent = this.#sent.filter((packet) => packet['type'] !== 'ping');
    this.#sent = [];
    return sent;
  }

  /** What was sent on the next link since the last look. */
  sentNext(): Json[] {
    const sent = this.#sentNext;
    this.#sentNext = [];
    return sent;
  }

  /** Opens the next link and shakes hands there. */
  greetNext(subject = 'alice'): void {
    this.core.nextOpened(this.now);
    this.settle();
    this.sayNext({ type: 'welcome', session: 's2', replica: 'r2', subject, heartbeat_ms: 30_000, payload_bytes_max: 65_536 });
  }

  sayNext(...packets: Json[]): void {
    for (const packet of packets) {
      this.core.nextReceived(JSON.stringify(packet), this.now);
      this.settle();
    }
  }

  joinedNext(position: string, clientSeq?: number, digests = ''): void {
    const row = clientSeq === undefined ? {} : { client_seq: clientSeq, row_position: position, digests };
    this.sayNext({ type: 'joined', document: 'doc', position, role: 'writer', subject: 'alice', ...row });
  }

  /** The numbers and payloads of the appends since the last look. */
  appends(): [number, unknown][] {
    const sent = this.sent().filter((packet) => packet['type'] === 'append');
    return sent.map((packet) => [packet['client_seq'] as number, packet['payload']]);
  }

  /** The pings since the last look, all else forgotten. */
  pings(): number[] {
    const pings = this.#sent.filter((packet) => packet['type'] === 'ping').map((packet) => packet['id'] as number);
    this.#sent = [];
    return pings;
  }

  told<K extends keyof DocumentEvents>(name: K): DocumentEvents[K][] {
    return this.events.filter(([n]) => n === name).map(([, event]) => event as DocumentEvents[K]);
  }
}

export function uuid(n: number): string {
  return `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
}

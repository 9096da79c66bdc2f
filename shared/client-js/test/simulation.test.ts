// Random schedules over the real client core and a modelled gateway, in simulated time: links that are
// cut with frames under way, replies that get lost, logs that roll back. Afterwards the log holds every
// entry exactly once, in order per writer, or its writer was told that it may be missing; and every
// reader has delivered exactly the log.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ConnectionCore, formatPosition, Payload } from '../src/core/index.js';
import type { DocumentCore, DocumentEvents } from '../src/core/index.js';
import { SseLink } from '../src/links/sse.js';
import { FakeHttp } from './support/http.js';
import { FakeGateway, type Log, type Session } from './support/gateway.js';
import { uuid } from './support/rig.js';

const SCHEDULES = Number(process.env['INKWIRE_SCHEDULES'] ?? 100);

/** A small generator with a seed: mulberry32. */
function generator(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A link of event streams and requests. */
interface HttpSide {
  readonly link: SseLink;
  readonly http: FakeHttp;
}

interface Page {
  /** In the place of the session, or of the next one. */
  http: HttpSide | undefined;
  nextHttp: HttpSide | undefined;
  readonly name: string;
  readonly core: ConnectionCore;
  document: DocumentCore;
  session: Session | undefined;
  isOpening: boolean;
  /** The link to go over to, and its frames. */
  next: Session | undefined;
  isOpeningNext: boolean;
  uplinkNext: string[];
  /** Frames on their way to the gateway. */
  uplink: string[];
  written: string[];
  maybe: Set<string>;
  view: { position: string; value: string }[];
  acks: Set<string>;
}

/** Frames of a cut link that the gateway may still read, until nothing can land any more. */
interface Zombie {
  readonly session: Session;
  readonly frames: string[];
  readonly until: number;
}

class World {
  readonly random: () => number;
  readonly gateway: FakeGateway;
  readonly pages: Page[] = [];
  readonly zombies: Zombie[] = [];
  /** Requests that a client gave up, until nothing can land any more. */
  readonly given: { readonly http: FakeHttp; readonly until: number }[] = [];
  now = 0;
  isFaulty = true;
  saved: Log | undefined;
  /** Sessions that were told to move: none of them may be the last one. */
  readonly told = new Set<Session>();
  clients = 0;
  counts = { cuts: 0, rollbacks: 0, lost: 0, resets: 0, nacks: 0, renewals: 0, rewritten: 0, drains: 0, drainsNext: 0, crossings: 0, moves: 0, streams: 0, posts: 0, fallBacks: 0 };

  constructor(seed: number) {
    this.random = generator(seed);
    this.gateway = new FakeGateway(this.random);
    this.gateway.loseReply = () => this.isFaulty && this.random() < 0.03;
    this.gateway.faultBefore = () => {
      if (!this.isFaulty || this.random() > 0.03) return undefined;
      return this.random() < 0.5 ? { code: 'throttled', after_ms: 50 } : { code: 'unavailable', after_ms: 50 };
    };
    const retainedMs = this.random() < 0.5 ? 60_000 : 300;
    const rewrites = this.random() < 0.3;
    for (const name of ['ada', 'bob', 'eve']) this.pages.push(this.open(name, retainedMs, rewrites));
  }

  open(name: string, retainedMs: number, rewrites: boolean): Page {
    const core = new ConnectionCore(
      {
        transports: ['websocket', 'sse'], hasTokens: true, canRenewTokens: false, random: this.random, wallClock: () => 0,
        drawClient: () => uuid((this.clients += 1)),
      },
      () => {},
    );
    const page: Page = {
      name, core, http: undefined, nextHttp: undefined, session: undefined, isOpening: false, next: undefined, isOpeningNext: false, uplink: [], uplinkNext: [], written: [], maybe: new Set(), view: [], acks: new Set(),
      document: undefined as unknown as DocumentCore,
    };
    page.document = core.join(
      'doc',
      {
        limits: { retainedMs },
        rewriteLost: (own) => {
          if (!rewrites || this.random() < 0.5) return undefined;
          this.counts.rewritten += 1;
          return Payload.json(`${String(own.payload.asJson())}'`);
        },
      },
      (event, value) => this.hear(page, event, value),
      0,
    );
    core.connect(0);
    return page;
  }

  hear<K extends keyof DocumentEvents>(page: Page, name: K, value: DocumentEvents[K]): void {
    if (name === 'entry') {
      const entry = value as DocumentEvents['entry'];
      page.view.push({ position: formatPosition(entry.position), value: String(entry.payload.asJson()) });
    } else if (name === 'reset') {
      this.counts.resets += 1;
      page.view = [];
    } else if (name === 'nack') this.counts.nacks += 1;
    else if (name === 'lost') {
      const lost = value as DocumentEvents['lost'];
      this.counts.lost += 1;
      for (const own of lost.entries) page.maybe.add(base(String(own.payload.asJson())));
      // What is held no longer is named by its numbers alone: of this client, in the order of writing.
      if (lost.entries.length < lost.to - lost.from + 1) page.maybe.add('some');
    } else if (name === 'ack') {
      const id = base(String((value as DocumentEvents['ack']).own.payload.asJson()));
      assert.ok(!page.acks.has(id), `${id} was acknowledged twice`);
      page.acks.add(id);
    } else if (name === 'state' && (value as DocumentEvents['state']).isRenewing) this.counts.renewals += 1;
  }

  effects(page: Page): void {
    for (const effect of page.core.takeEffects()) {
      if (effect.do === 'fetch_token') page.core.tokenReady({ token: page.name }, this.now);
      else if (effect.do === 'open') {
        if (effect.transport === 'sse') page.http = this.openHttp(page);
        else page.isOpening = true;
      } else if (effect.do === 'send') {
        if (page.http) page.http.link.send(effect.text);
        else page.uplink.push(effect.text);
      } else if (effect.do === 'open_next') {
        if (effect.transport === 'sse') page.nextHttp = this.openHttp(page);
        else page.isOpeningNext = true;
      } else if (effect.do === 'send_next') {
        if (page.nextHttp) page.nextHttp.link.send(effect.text);
        else page.uplinkNext.push(effect.text);
      }
      else if (effect.do === 'drop_next') this.dropNext(page);
      else if (effect.do === 'go_over') this.goOver(page);
      else this.drop(page);
    }
    page.http?.http.settle();
    page.nextHttp?.http.settle();
    if (page.core.hasEffects) this.effects(page);
  }

  openHttp(page: Page): HttpSide {
    const http = new FakeHttp(this.gateway, () => this.now);
    const link = new SseLink(http, () => page.core.planned);
    const side = { link, http };
    const asWhat = (present: () => void, next: () => void): void => {
      if (page.http === side) present();
      else if (page.nextHttp === side) next();
    };
    link.onopen = () => asWhat(() => page.core.linkOpened(this.now), () => page.core.nextOpened(this.now));
    link.onmessage = ({ data }: { data: string }) => {
      if (data.startsWith('{"type":"welcome"')) this.counts.streams += 1;
      if (data.startsWith('{"type":"ack"')) this.counts.posts += 1;
      asWhat(() => page.core.received(data, this.now), () => page.core.nextReceived(data, this.now));
    };
    link.onclose = ({ code }: { code: number }) =>
      asWhat(
        () => {
          this.dropHttp(side);
          page.http = undefined;
          page.core.linkClosed(code, '', this.now);
        },
        () => {
          this.dropHttp(side);
          page.nextHttp = undefined;
          page.core.nextClosed(this.now);
        },
      );
    return side;
  }

  dropHttp(side: HttpSide | undefined): void {
    if (!side) return;
    side.link.close();
    side.http.cut();
    this.given.push({ http: side.http, until: this.now + 10_900 });
  }

  drop(page: Page): void {
    const { session } = page;
    if (session) {
      if (this.random() < 0.5) this.zombies.push({ session, frames: page.uplink, until: this.now + 10_900 });
      else this.gateway.end(session);
    }
    this.dropHttp(page.http);
    page.http = undefined;
    page.session = undefined;
    page.isOpening = false;
    page.uplink = [];
  }

  dropNext(page: Page): void {
    if (page.next) this.gateway.end(page.next);
    this.dropHttp(page.nextHttp);
    page.nextHttp = undefined;
    page.next = undefined;
    page.isOpeningNext = false;
    page.uplinkNext = [];
  }

  /** What is still on its way on the former link may be read by its gateway; nobody reads the answers. */
  goOver(page: Page): void {
    this.counts.crossings += 1;
    if (page.session) this.zombies.push({ session: page.session, frames: page.uplink, until: this.now + 10_900 });
    this.dropHttp(page.http);
    page.http = page.nextHttp;
    page.nextHttp = undefined;
    page.session = page.next;
    page.uplink = page.uplinkNext;
    page.next = undefined;
    page.uplinkNext = [];
  }

  /** One thing happens to the link that is to follow. */
  stepNext(page: Page): void {
    const k = this.random();
    if (page.nextHttp) {
      return page.nextHttp.http.step((count) => Math.floor(this.random() * count), () => this.isFaulty && this.random() < 0.01);
    }
    if (page.isOpeningNext) {
      page.isOpeningNext = false;
      if (k < 0.3 && this.isFaulty) return page.core.nextClosed(this.now);
      page.next = this.gateway.open();
      page.core.nextOpened(this.now);
    } else if (page.next && k < 0.4) {
      const frame = page.uplinkNext.shift();
      if (frame !== undefined) page.next.receive(frame);
    } else if (page.next && k < 0.44 && this.isFaulty) {
      // It drains too, before anybody has come to it.
      if (this.drain(page.next)) this.counts.drainsNext += 1;
    } else if (page.next && (k < 0.95 || !this.isFaulty)) {
      const text = page.next.out.shift();
      if (text !== undefined) page.core.nextReceived(text, this.now);
    } else if (page.next) {
      this.dropNext(page);
      page.core.nextClosed(this.now);
    }
  }

  step(): void {
    const page = this.pages[Math.floor(this.random() * this.pages.length)] as Page;
    this.effects(page);
    const k = this.random();
    if (k < 0.2) {
      if (this.isFaulty && page.written.length < 60) {
        const value = `${page.name}${page.written.length + 1}`;
        page.written.push(value);
        page.document.append('edit', 'application/json', Payload.json(value), this.now);
      }
    } else if (k < 0.3) {
      if (page.isOpening && this.isFaulty && this.random() < 0.2) {
        page.isOpening = false;
        this.counts.fallBacks += 1;
        page.core.linkClosed(1006, '', this.now);
      } else if (page.isOpening) {
        page.isOpening = false;
        page.session = this.gateway.open();
        page.core.linkOpened(this.now);
      }
    } else if (k < 0.85 && page.http && this.random() < 0.8) {
      page.http.http.step((count) => Math.floor(this.random() * count), () => this.isFaulty && this.random() < 0.01);
    } else if (k < 0.55) {
      const frame = page.session && page.uplink.shift();
      if (frame !== undefined) page.session?.receive(frame);
    } else if (k < 0.62) {
      this.stepNext(page);
    } else if (k < 0.85) {
      const text = page.session?.out.shift();
      if (text !== undefined) page.core.received(text, this.now);
    } else if (k < 0.9) {
      const zombie = this.zombies[0];
      const given = this.given[0];
      if (given && this.random() < 0.5) {
        given.http.stepGiven(this.now < given.until && this.random() < 0.7);
        if (given.http.given.length === 0) this.given.shift();
      } else if (zombie) {
        const frame = this.now < zombie.until ? zombie.frames.shift() : undefined;
        if (frame === undefined) {
          this.gateway.end(zombie.session);
          this.zombies.shift();
        } else zombie.session.receive(frame);
      }
    } else if (k < 0.97) {
      this.now += Math.floor(this.random() * 60);
      page.core.tick(this.now);
    } else if (this.isFaulty) this.fault(page);
    this.effects(page);
  }

  /** Tells it to move, once it was welcomed, and once. */
  drain(session: Session): boolean {
    if (session.subject === '' || this.told.has(session)) return false;
    this.told.add(session);
    session.say({ type: 'drain', after_ms: 40 });
    return true;
  }

  fault(page: Page): void {
    const f = this.random();
    if (f < 0.25) {
      // A drain, of a session that stays a while.
      if (page.session && this.drain(page.session)) this.counts.drains += 1;
    } else if (f < 0.32) {
      this.counts.moves += 1;
      page.core.use(this.random() < 0.5 ? 'sse' : 'websocket', this.now);
    } else if (f < 0.4) {
      this.counts.cuts += 1;
      this.drop(page);
      page.core.linkClosed(1006, '', this.now);
    } else if (f < 0.7) this.saved = this.gateway.log('doc').copy();
    else if (f < 0.85 && this.saved) {
      this.counts.rollbacks += 1;
      this.gateway.rollBack('doc', this.saved);
      this.saved = undefined;
      this.gateway.compareAll('doc');
    } else this.now += Math.floor(this.random() * 3_000);
  }

  run(steps: number): void {
    for (let i = 0; i < steps; i += 1) this.step();
    this.isFaulty = false;
    const quieten = (): void => {
      for (let i = 0; i < 100_000 && !this.isQuiet(); i += 1) this.step();
    };
    quieten();
    for (let i = 0; i < 2_000; i += 1) this.step();
    quieten();
    assert.ok(this.isQuiet(), `not quiet: ${this.pages.map((p) => JSON.stringify([p.core.state, p.document.state, p.uplink.length])).join('\n')}`);
  }

  isQuiet(): boolean {
    return this.zombies.length === 0 && this.given.length === 0 && this.pages.every((page) => {
      const state = page.document.state;
      return state.phase === 'joined' && state.unacknowledged === 0 && !state.isRenewing
        && (page.http ? page.http.http.isQuiet
          : page.uplink.length === 0 && page.session?.out.length === 0 && !this.told.has(page.session));
    });
  }

  check(): void {
    const log = this.gateway.log('doc').entries.map((e) => ({ position: formatPosition(e.position), value: String(e.payload.asJson()) }));
    const ids = log.map((e) => base(e.value));
    assert.equal(new Set(ids).size, ids.length, 'nothing is repeated');
    for (const page of this.pages) {
      assert.deepEqual(page.view, log, `${page.name} delivered exactly the log`);
      const mine = ids.filter((id) => id.startsWith(page.name));
      const inOrder = page.written.filter((id) => mine.includes(id));
      if (page.maybe.size > 0) continue;
      assert.deepEqual(mine, inOrder, `${page.name}: its own order is kept`);
      assert.deepEqual(mine, page.written, `${page.name}: nothing is lost`);
      assert.equal(page.acks.size, page.written.length, `${page.name}: everything is acknowledged`);
    }
  }
}

function base(value: string): string {
  return value.replace(/'+$/, '');
}

test(`${SCHEDULES} random schedules lose, repeat and block nothing`, () => {
  const total: Record<string, number> = {};
  for (let seed = 1; seed <= SCHEDULES; seed += 1) {
    const world = new World(seed);
    try {
      world.run(3_000);
      world.check();
    } catch (error) {
      throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
    }
    for (const [name, count] of Object.entries(world.counts)) total[name] = (total[name] ?? 0) + count;
  }
  // The faults did happen: a schedule without them would prove nothing.
  for (const name of ['cuts', 'rollbacks', 'lost', 'resets', 'nacks', 'renewals', 'rewritten', 'drains', 'drainsNext', 'crossings', 'moves', 'streams', 'posts', 'fallBacks']) {
    assert.ok((total[name] ?? 0) > 0, `${name} never happened: ${JSON.stringify(total)}`);
  }
});

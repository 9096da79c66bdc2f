import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Backoff, jwtExpiry, Payload } from '../src/core/index.js';
import { at, Rig } from './support/rig.js';

test('waits are drawn from 0 to a bound that doubles from 100 ms to 10 s', () => {
  const longest = new Backoff(() => 0.999999);
  const waits = Array.from({ length: 12 }, () => longest.next());
  assert.deepEqual(waits, [99, 199, 399, 799, 1599, 3199, 6399, 9999, 9999, 9999, 9999, 9999]);
  longest.reset();
  assert.equal(longest.next(), 99);
  assert.equal(new Backoff(() => 0).next(), 0);
});

test('the round trip is measured by ping and pong', () => {
  const rig = new Rig();
  rig.answersPings = false;
  rig.connect();
  const [id] = rig.pings();
  rig.now += 12;
  rig.say({ type: 'pong', id });
  assert.equal(rig.core.state.roundTripMs, 12);
  assert.equal(rig.core.state.replica, 'r');
});

test('a link that answers no ping is dropped', () => {
  const rig = new Rig();
  rig.answersPings = false;
  rig.connect();
  rig.pass(9_999);
  assert.deepEqual(rig.effects, ['open']);
  rig.pass(2);
  assert.equal(rig.effects[1], 'drop');
  assert.equal(rig.core.state.cause, 'heartbeat_timeout');
});

test('something is sent at least as often as the gateway asks', () => {
  const rig = new Rig();
  rig.core.connect(rig.now);
  rig.settle();
  rig.core.linkOpened(rig.now);
  rig.say({ type: 'welcome', session: 's', replica: 'r', subject: 'a', heartbeat_ms: 4_000, payload_bytes_max: 1 });
  for (let round = 0; round < 5; round += 1) {
    assert.equal(rig.pings().length, 1, `round ${round}`);
    rig.pass(2_000);
  }
});

test('a link that does not open, or does not greet, is given up', () => {
  const rig = new Rig();
  rig.core.connect(rig.now);
  rig.settle();
  rig.pass(10_001);
  assert.equal(rig.effects[1], 'drop');
  rig.pass(10_000, () => rig.effects.length === 3);
  rig.core.linkOpened(rig.now);
  rig.settle();
  rig.pass(10_001);
  assert.equal(rig.effects[3], 'drop');
});

test('a cut stays away as long as it says, then resumes', () => {
  const rig = new Rig();
  rig.join();
  rig.connect();
  rig.joined(at(0));
  rig.core.cut(3_000, rig.now);
  rig.settle();
  assert.deepEqual(rig.effects, ['open', 'drop']);
  assert.equal(rig.core.state.cause, 'cut');
  rig.pass(2_999);
  assert.equal(rig.effects.length, 2);
  rig.pass(1);
  assert.deepEqual(rig.effects, ['open', 'drop', 'open']);
});

test('fixed credentials that are refused end it; others are asked for again', () => {
  const fixed = new Rig({ hasTokens: true });
  fixed.core.connect(fixed.now);
  fixed.settle();
  assert.deepEqual(fixed.effects, ['fetch_token']);
  fixed.core.tokenReady({ token: 'x' }, fixed.now);
  fixed.settle();
  fixed.core.linkOpened(fixed.now);
  fixed.settle();
  assert.deepEqual(fixed.sent(), [{ type: 'hello', token: 'x' }]);
  fixed.say({ type: 'error', code: 'token_expired', detail: 'it ended' });
  fixed.lose(4401);
  assert.equal(fixed.core.state.phase, 'closed');
  assert.equal(fixed.core.state.cause, 'token_expired');

  const asked = new Rig({ hasTokens: true, canRenewTokens: true });
  asked.core.connect(asked.now);
  for (let attempt = 0; attempt < 3; attempt += 1) {
    asked.pass(10_000, () => asked.effects.includes('fetch_token'));
    asked.settle();
    asked.effects.length = 0;
    asked.core.tokenReady({ token: 'x' }, asked.now);
    asked.settle();
    asked.core.linkOpened(asked.now);
    asked.lose(4401);
  }
  assert.equal(asked.core.state.phase, 'closed', 'but not for ever');
});

test('the end of the credentials ends the documents, and tells what waits', () => {
  const rig = new Rig({ hasTokens: true });
  const document = rig.join();
  rig.core.connect(rig.now);
  rig.core.tokenReady({ token: 'x' }, rig.now);
  rig.settle();
  rig.greet();
  rig.joined(at(0));
  rig.append(document, 'a', 'b');
  rig.say({ type: 'error', code: 'token_expired', detail: 'it ended' });
  rig.lose(4401);
  assert.equal(document.state.phase, 'ended');
  assert.equal(document.state.cause, 'token_expired');
  assert.deepEqual(rig.told('lost').map(({ from, to, reason }) => [from, to, reason]), [[1, 2, 'ended']]);
  assert.equal(document.append('edit', 'application/json', Payload.json('c'), rig.now), undefined);
  assert.equal(rig.join({}, 'another').state.phase, 'ended');
});

test('credentials are renewed in place before they end', () => {
  const rig = new Rig({ hasTokens: true, canRenewTokens: true });
  rig.core.connect(rig.now);
  rig.settle();
  rig.core.tokenReady({ token: 'first', expiresAt: 1_000_000 + rig.now + 100_000 }, rig.now);
  rig.settle();
  rig.greet();
  rig.effects.length = 0;
  rig.pass(79_000);
  assert.deepEqual(rig.effects, []);
  rig.pass(1_500);
  assert.deepEqual(rig.effects, ['fetch_token']);
  rig.sent();
  rig.core.tokenReady({ token: 'second' }, rig.now);
  rig.settle();
  assert.deepEqual(rig.sent(), [{ type: 'auth', token: 'second' }]);
  rig.say({ type: 'authenticated' });
  assert.equal(rig.core.state.phase, 'connected');
});

test('credentials whose renewal was refused are renewed again', () => {
  for (const code of ['unauthenticated', 'token_expired', 'unavailable', 'throttled']) {
    const rig = new Rig({ hasTokens: true, canRenewTokens: true });
    rig.core.connect(rig.now);
    rig.settle();
    rig.core.tokenReady({ token: 'first' }, rig.now);
    rig.settle();
    rig.greet();
    rig.effects.length = 0;
    rig.say({ type: 'error', code, detail: 'not this one, or not now' });
    rig.pass(2_000);
    assert.deepEqual(rig.effects, ['fetch_token'], code);
  }
});

test('a token that cannot be had is asked for again', () => {
  const rig = new Rig({ hasTokens: true, canRenewTokens: true });
  rig.core.connect(rig.now);
  rig.settle();
  rig.core.tokenFailed('no network', rig.now);
  rig.settle();
  rig.pass(10_000, () => rig.effects.length === 2);
  assert.deepEqual(rig.effects, ['fetch_token', 'fetch_token']);
});

test('a join that cannot be answered yet goes on by itself; one that is refused ends', () => {
  const rig = new Rig();
  const document = rig.join();
  rig.connect();
  rig.sent();
  rig.say({ type: 'error', code: 'unavailable', document: 'doc', detail: 'the log is away', after_ms: 100 });
  // For as long as it takes: the link is good.
  rig.pass(600_000);
  assert.deepEqual(rig.sent(), []);
  assert.deepEqual(rig.effects, ['open']);
  rig.joined(at(0));
  assert.equal(document.state.phase, 'joined');

  const refused = new Rig();
  const other = refused.join();
  refused.connect();
  refused.say({ type: 'error', code: 'forbidden', document: 'doc', detail: 'no role', need: 'viewer' });
  assert.equal(other.state.phase, 'ended');
  assert.equal(other.state.cause, 'forbidden');
});

test('a join that failed within the gateway is asked again; one document too many ends', () => {
  const rig = new Rig();
  const document = rig.join();
  rig.connect();
  rig.sent();
  rig.say({ type: 'error', code: 'internal', document: 'doc', detail: 'a defect' });
  rig.pass(2_000);
  assert.equal(rig.sent()[0]?.['type'], 'join');
  rig.append(document, 'a');
  rig.say({ type: 'error', code: 'too_many_documents', document: 'doc', detail: '64' });
  assert.equal(document.state.phase, 'ended');
  assert.equal(document.state.cause, 'too_many_documents');
  assert.equal(rig.told('lost').length, 1);
  assert.equal(rig.told('error').at(-1)?.code, 'too_many_documents');
});

test('a throttled join is asked again after the time that was told', () => {
  const rig = new Rig();
  rig.join();
  rig.connect();
  rig.sent();
  rig.say({ type: 'error', code: 'throttled', document: 'doc', detail: 'slowly', after_ms: 400 });
  rig.pass(399);
  assert.deepEqual(rig.sent(), []);
  rig.pass(200);
  assert.equal(rig.sent()[0]?.['type'], 'join');
});

test('the end of a JWT is read from it', () => {
  assert.equal(jwtExpiry(`e30.${btoa('{"exp":12}')}.x`), 12_000);
  assert.equal(jwtExpiry('opaque'), undefined);
  assert.equal(jwtExpiry('a.!.b'), undefined);
});

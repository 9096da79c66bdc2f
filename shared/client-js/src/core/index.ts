// The core without timers and sockets, for drivers of other kinds and for simulations.

export * from './backoff.js';
export * from './bytes.js';
export * from './comment-id.js';
export * from './connection.js';
export * from './digest.js';
export * from './document.js';
export * from './events.js';
export * from './packets.js';
export * from './payload.js';
export * from './position.js';
export * from './row.js';
export * from './transports.js';
export * from './writer.js';

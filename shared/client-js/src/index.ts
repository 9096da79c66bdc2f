export { AppendRefused, Client, Document } from './client.js';
export type { AppendOptions, ClientOptions, SignalOptions, WebSocketConstructor, WebSocketLike } from './client.js';
export type { Token } from './core/connection.js';
export type { DocumentOptions } from './core/document.js';
export type {
  AccessEvent, AckEvent, ConnectionEvents, ConnectionPhase, ConnectionState, DocumentEvents, DocumentPhase,
  DocumentState, EntryEvent, ErrorEvent, NackEvent, ResetEvent, RewriteLost,
} from './core/events.js';
export type { Entry, Nack, ResetCause, Role, Signal, Snapshot } from './core/packets.js';
export { Payload } from './core/payload.js';
export { formatPosition, parsePosition } from './core/position.js';
export type { Position } from './core/position.js';
export type { LostRange, LostReason, OwnEntry, WriterLimits } from './core/writer.js';
export type { Listener } from './emitter.js';
export { isDocumentId } from './core/document-id.js';

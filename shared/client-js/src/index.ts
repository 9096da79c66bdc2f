export { Client } from './client.js';
export type { ClientOptions, WebSocketConstructor, WebSocketLike } from './client.js';
export { CommentRefused, Comments } from './comments.js';
export type { Anchor, AnchoredText, Comment, CommentsEvents, Place, Range, Thread } from './comments.js';
export type { Token } from './core/connection.js';
export type { DocumentOptions } from './core/document.js';
export type {
  AccessEvent, AckEvent, ConnectionEvents, ConnectionPhase, ConnectionState, DocumentEvents, DocumentPhase,
  DocumentState, EntryEvent, ErrorEvent, NackEvent, ParticipantsEvent, ResetEvent, RewriteLost,
} from './core/events.js';
export { commentIdOf } from './core/comment-id.js';
export type { AnchorAt, Entry, Nack, Participant, ResetCause, Role, Signal, Snapshot } from './core/packets.js';
export { Payload } from './core/payload.js';
export { formatPosition, isSamePosition, parsePosition } from './core/position.js';
export type { Position } from './core/position.js';
export type { LostRange, LostReason, OwnEntry, WriterLimits } from './core/writer.js';
export { TRANSPORTS } from './core/transports.js';
export type { Transport } from './core/transports.js';
export { AppendRefused, Document } from './document.js';
export type { AppendOptions, JoinOptions, MakeSnapshot, OfferedSnapshot, SignalOptions } from './document.js';
export type { Listener } from './emitter.js';
export { GatewayProblem } from './http.js';
export type { Fetch } from './http.js';
export { isDocumentId } from './core/document-id.js';
export { Notifications } from './notifications.js';
export type { Notification, NotificationsEvents } from './notifications.js';
export { Presence } from './presence.js';
export type { PresenceEvents } from './presence.js';

// What concerns the session's own subject, on whatever document: a log like any other, read only.

import type { DocumentState, EntryEvent, ErrorEvent } from './core/events.js';
import type { Payload } from './core/payload.js';
import type { Position } from './core/position.js';
import { Emitter } from './emitter.js';

export interface Notification {
  /** Where it stands in the subject's log: keep it as the next `since`. */
  readonly position: Position;
  /** `mention`, `reply`, `comment`, `resolve`, `message`, or what a later gateway adds. */
  readonly kind: string;
  readonly document: string | undefined;
  readonly comment: string | undefined;
  readonly thread: string | undefined;
  /** Who did it. */
  readonly by: string | undefined;
  readonly text: string;
  /** Milliseconds since 1970-01-01 UTC. */
  readonly at: number;
  readonly payload: Payload;
}

export interface NotificationsEvents {
  readonly notification: Notification;
  /** Some are no longer kept: what follows starts after `position`. */
  readonly reset: { readonly position: Position };
  readonly state: DocumentState;
  readonly error: ErrorEvent;
}

/** What is used of the joined log. */
export interface NotificationLog {
  readonly state: DocumentState;
  on(name: 'entry', listener: (entry: EntryEvent) => void): () => void;
  on(name: 'reset', listener: (reset: { position: Position }) => void): () => void;
  on(name: 'state', listener: (state: DocumentState) => void): () => void;
  on(name: 'error', listener: (error: ErrorEvent) => void): () => void;
  leave(): void;
}

export class Notifications extends Emitter<NotificationsEvents> {
  readonly #log: NotificationLog;

  /** Only {@link Client.notifications} makes one. */
  constructor(log: NotificationLog) {
    super();
    this.#log = log;
    log.on('entry', (entry) => {
      if (entry.kind.startsWith('notification.')) this.dispatch('notification', notificationOf(entry));
    });
    log.on('reset', ({ position }) => this.dispatch('reset', { position }));
    log.on('state', (state) => this.dispatch('state', state));
    log.on('error', (error) => this.dispatch('error', error));
  }

  get state(): DocumentState {
    return this.#log.state;
  }

  leave(): void {
    this.#log.leave();
  }
}

function notificationOf(entry: EntryEvent): Notification {
  let said: Record<string, unknown> = {};
  try {
    const value = entry.payload.asJson();
    if (typeof value === 'object' && value !== null) said = value as Record<string, unknown>;
  } catch {
    // A back end may send what is no JSON: `payload` has it.
  }
  const text = (name: string): string | undefined => (typeof said[name] === 'string' ? said[name] : undefined);
  return {
    position: entry.position,
    kind: entry.kind.slice('notification.'.length),
    document: text('document'),
    comment: text('comment'),
    thread: text('thread'),
    by: text('by'),
    text: text('text') ?? '',
    at: typeof said['at'] === 'number' ? said['at'] : entry.at,
    payload: entry.payload,
  };
}

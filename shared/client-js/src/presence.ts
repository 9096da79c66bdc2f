// Who is in a document: the whole set at each join, then who came and went.

import type { ParticipantsEvent } from './core/events.js';
import type { Participant } from './core/packets.js';
import { Emitter } from './emitter.js';

export interface PresenceEvents {
  readonly change: {
    readonly participants: readonly Participant[];
    readonly entered: readonly Participant[];
    readonly left: readonly Participant[];
  };
}

export class Presence extends Emitter<PresenceEvents> {
  #participants = new Map<string, Participant>();
  readonly #end: () => void;

  /** Only {@link Document.presence} makes one. */
  constructor(end: () => void) {
    super();
    this.#end = end;
  }

  /** Everybody who is there, those who came first in front. */
  get participants(): readonly Participant[] {
    return [...this.#participants.values()];
  }

  /** Looks no longer. */
  stop(): void {
    this.#participants.clear();
    this.#end();
  }

  /** For the document. */
  heard(event: ParticipantsEvent): void {
    const before = this.#participants;
    const after = event.what === 'present' ? new Map<string, Participant>() : new Map(before);
    for (const participant of event.participants) {
      if (event.what === 'left') after.delete(participant.id);
      else after.set(participant.id, participant);
    }
    this.#participants = after;
    const entered = [...after.values()].filter(({ id }) => !before.has(id));
    const left = [...before.values()].filter(({ id }) => !after.has(id));
    if (entered.length + left.length > 0 || event.what === 'present') this.dispatch('change', { participants: this.participants, entered, left });
  }
}

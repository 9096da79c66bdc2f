// An event stream (`text/event-stream`) cut anywhere gives the same events: the name, the data, the id.

export interface StreamEvent {
  /** `message` where none was given. */
  readonly name: string;
  readonly data: string;
}

export class EventParser {
  #rest = '';
  #name = '';
  #data: string[] = [];
  #isFirst = true;

  /** The events that are whole now. */
  push(chunk: string): StreamEvent[] {
    let text = this.#rest + chunk;
    if (this.#isFirst && text !== '') {
      this.#isFirst = false;
      if (text.startsWith('\ufeff')) text = text.slice(1);
    }
    const events: StreamEvent[] = [];
    let at = 0;
    for (;;) {
      const end = lineEnd(text, at);
      // A CR at the very end may be half of a CR LF.
      if (end < 0 || (text[end] === '\r' && end + 1 === text.length)) break;
      this.#line(text.slice(at, end), events);
      at = end + (text[end] === '\r' && text[end + 1] === '\n' ? 2 : 1);
    }
    this.#rest = text.slice(at);
    return events;
  }

  #line(line: string, events: StreamEvent[]): void {
    if (line === '') {
      if (this.#data.length > 0) events.push({ name: this.#name || 'message', data: this.#data.join('\n') });
      this.#name = '';
      this.#data = [];
      return;
    }
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (field === 'data') this.#data.push(value);
    else if (field === 'event') this.#name = value;
  }
}

function lineEnd(text: string, from: number): number {
  for (let at = from; at < text.length; at += 1) if (text[at] === '\n' || text[at] === '\r') return at;
  return -1;
}

// Notifications: those after the position that this person has seen are unread, also after a reload.

import { formatPosition, parsePosition, type Client, type Notification } from '@inkwire/client';

import { find, make, say } from './elements.js';

const SHOWN_MAX = 50;
const WORDS: Readonly<Record<string, string>> = {
  comment: 'commented', reply: 'replied', mention: 'mentioned you', resolve: 'resolved a thread', message: 'sent a message',
};

export class Bell {
  readonly #button = find('bell', HTMLButtonElement);
  readonly #panel = find('notifications', HTMLElement);
  readonly #list = find('notification-list', HTMLUListElement);
  readonly #client: Client;
  #all: Notification[] = [];

  /** `open` shows what a notification is about. */
  constructor(client: Client, open: (notification: Notification) => void) {
    this.#client = client;
    const log = client.notifications();
    log.on('reset', () => {
      this.#all = [];
      this.#render();
    });
    log.on('notification', (notification) => {
      this.#all = [notification, ...this.#all].slice(0, SHOWN_MAX);
      this.#render();
    });
    this.#button.addEventListener('click', () => this.#show(this.#panel.hidden));
    this.#list.addEventListener('click', (event) => {
      const at = (event.target as HTMLElement).closest<HTMLElement>('[data-at]')?.dataset['at'];
      const about = this.#all.find(({ position }) => formatPosition(position) === at);
      if (!about) return;
      this.#show(false);
      open(about);
    });
    addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' || this.#panel.hidden) return;
      this.#show(false);
      this.#button.focus();
    });
    this.#render();
  }

  get #key(): string {
    return `inkwire.seen.${this.#client.state.subject ?? ''}`;
  }

  get #seen(): number {
    try {
      return parsePosition(localStorage.getItem(this.#key))?.seq ?? 0;
    } catch {
      return 0;
    }
  }

  #show(isShown: boolean): void {
    this.#panel.hidden = !isShown;
    this.#button.setAttribute('aria-expanded', String(isShown));
    const last = this.#all[0];
    if (!isShown && last) {
      try {
        localStorage.setItem(this.#key, formatPosition(last.position));
      } catch {
        // They are unread again after a reload.
      }
    }
    this.#render();
  }

  #render(): void {
    const seen = this.#seen;
    const unread = this.#all.filter(({ position }) => position.seq > seen).length;
    find('unread', HTMLElement).textContent = unread > 0 ? String(unread) : '';
    this.#button.setAttribute('aria-label', unread > 0 ? `Notifications, ${unread} unread` : 'Notifications');
    const latest = this.#all[0];
    if (latest && latest.position.seq > seen) say(find('announce', HTMLElement), sentence(latest));
    this.#list.replaceChildren(...this.#all.map((notification) =>
      make('li', {}, make('button', {
        type: 'button', 'data-at': formatPosition(notification.position), class: notification.position.seq > seen ? 'note unread' : 'note',
      }, make('strong', {}, sentence(notification)), make('span', {}, notification.text),
      make('time', {}, new Date(notification.at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' }))))));
    if (this.#all.length === 0) this.#list.append(make('li', { class: 'empty' }, 'Nothing yet'));
  }
}

function sentence({ by, kind }: Notification): string {
  return `${by ?? 'The server'} ${WORDS[kind] ?? kind}`;
}

// Who is here: each person once, however many windows they have.

import type { Document } from '@inkwire/client';
import { colourOf } from '@inkwire/client/codemirror';

import { find, make } from './elements.js';

export function showPeople(document: Document): void {
  const list = find('people', HTMLUListElement);
  const presence = document.presence();
  presence.on('change', () => {
    const roles = new Map<string, string>();
    for (const { subject, role } of presence.participants) roles.set(subject, role ?? '');
    list.replaceChildren(...[...roles].map(([subject, role]) =>
      make('li', { class: `person colour-${colourOf(subject)}`, title: `${subject}, ${role}` },
        make('span', { class: 'initial', 'aria-hidden': 'true' }, [...subject][0]?.toUpperCase() ?? '?'),
        make('span', { class: 'person-name' }, subject), make('span', { class: 'role' }, role))));
  });
}

// The demo page: a writer's or a reviewer's window on one document.

import { Client } from '@inkwire/client';
import { joinText } from '@inkwire/client/codemirror';

import { Bell } from './page/bell.js';
import { find } from './page/elements.js';
import { forgetName, identify } from './page/identity.js';
import { showPeople } from './page/people.js';
import { drawDocument, linkTo, placeOf, takeToken } from './page/place.js';
import { EditorSheet } from './page/sheet.js';
import { Status } from './page/status.js';
import { Threads } from './page/threads.js';

const ROUND_TRIP_EVERY_MS = 2_000;

const place = placeOf(location);
const isWriter = place.view === 'write';
const token = takeToken(window);
document.title = `${place.document} · Inkwire`;
find('document', HTMLElement).textContent = place.document;
find('fresh', HTMLAnchorElement).href = linkTo(drawDocument(), place.view);
for (const view of ['write', 'review'] as const) {
  const link = find(`view-${view}`, HTMLAnchorElement);
  link.href = linkTo(place.document, view);
  if (view === place.view) link.setAttribute('aria-current', 'page');
}

const getToken = await identify(place, token);
const client = new Client({ url: place.gateway, getToken, pingIntervalMs: ROUND_TRIP_EVERY_MS });
const text = joinText(client, place.document);
const sheet = new EditorSheet(find('sheet', HTMLElement), text, isWriter, {
  comment: () => threads.begin(), choose: (id) => threads.choose(id), moved: () => threads.layOut(),
});
const threads: Threads = new Threads(text, sheet, () => client.state.subject);
new Status(client, text);
showPeople(text.document);
client.on('state', ({ subject }) => {
  find('me', HTMLElement).textContent = subject ?? '';
});
new Bell(client, ({ thread, comment }) => threads.choose(thread ?? comment));
find('rename', HTMLButtonElement).addEventListener('click', () => {
  forgetName();
  location.reload();
});
client.connect();

// Another token in the fragment is another user: begin anew.
addEventListener('hashchange', () => location.reload());

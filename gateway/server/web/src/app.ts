// The demo page: a writer and a reviewer side by side on one document, each on a link of its own.

import { Client } from '@inkwire/client';

import { drawDocument, linkTo, placeOf, takeToken } from './page/place.js';
import { ReviewerPane } from './page/reviewer.js';
import { Status } from './page/status.js';
import { WriterPane } from './page/writer.js';

const ROUND_TRIP_EVERY_MS = 2_000;

const place = placeOf(location);
const token = takeToken(window);
const connect = (): Client =>
  new Client({ url: place.gateway, token, pingIntervalMs: ROUND_TRIP_EVERY_MS });

const title = element('document', HTMLAnchorElement);
title.textContent = place.document;
title.href = linkTo(place.document);
element('fresh', HTMLAnchorElement).href = linkTo(drawDocument());
document.title = `${place.document} · Inkwire`;

const writer = connect();
const written = writer.join(place.document);
new WriterPane(element('writer-text', HTMLTextAreaElement), written);
new Status(element('writer', HTMLElement), writer, written);

const reviewer = connect();
const read = reviewer.join(place.document, { write: false });
const status = new Status(element('reviewer', HTMLElement), reviewer, read);
new ReviewerPane(element('reviewer-text', HTMLElement), read, (count) => {
  status.remark(count === 0 ? '' : count === 1 ? 'Someone is typing' : `${count} writers are typing`);
});

writer.connect();
reviewer.connect();

// Another token in the fragment is another user: begin anew.
addEventListener('hashchange', () => location.reload());

function element<T extends HTMLElement>(id: string, type: { new (): T }): T {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`the page has no ${id}`);
  return found;
}

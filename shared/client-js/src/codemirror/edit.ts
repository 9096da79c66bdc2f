// What stands in the log: an edit takes effect if and only if `base` is the position of the last edit
// that did. Every reader decides this alike, from the log alone.

import { ChangeSet, Text } from '@codemirror/state';

export const EDIT_KIND = 'edit';
export const EDIT_TYPE = 'application/vnd.inkwire.edit+json';
export const TEXT_TYPE = 'application/vnd.inkwire.text+json';

const SPACE = /\s/;

/** The payload of an edit, in UTF-16 units. */
export interface Edit {
  /** The position of the last effective edit; `null` before the first. */
  readonly base: string | null;
  /** A change set as CodeMirror writes it. */
  readonly changes: unknown;
}

/** The payload of a snapshot. */
export interface TextAt {
  readonly text: string;
  readonly effective: string | null;
  /** The base of the last effective edit of each client that wrote lately. */
  readonly last?: Readonly<Record<string, string | null>>;
}

/** What an own edit that was lost becomes when its number has to go out again: nothing. */
export const VOID_EDIT = { void: true } as const;

export function parseEdit(value: unknown): Edit | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { base, changes } = value as { base?: unknown; changes?: unknown };
  if ((base !== null && typeof base !== 'string') || !Array.isArray(changes)) return undefined;
  return { base, changes };
}

export function parseText(value: unknown): TextAt | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { text, effective, last } = value as { text?: unknown; effective?: unknown; last?: unknown };
  if (typeof text !== 'string' || (effective !== null && typeof effective !== 'string')) return undefined;
  return { text, effective, ...(typeof last === 'object' && last !== null ? { last: last as Record<string, string | null> } : {}) };
}

/** Tells an own edit from all others. */
export function keyOf(edit: Edit): string {
  return `${edit.base} ${JSON.stringify(edit.changes)}`;
}

/** The change set, if it is one and starts from a text of this length. */
export function changesOf(edit: Edit, length: number): ChangeSet | undefined {
  try {
    const changes = ChangeSet.fromJSON(edit.changes);
    return changes.length === length ? changes : undefined;
  } catch {
    return undefined;
  }
}

export function textOf(text: string): Text {
  return Text.of(text.split(/\r\n?|\n/));
}

/**
 * One replacement that makes `to` of `from`: what is the same before and behind stays. In whole words
 * where changes are to be moved over it, so that none joins half of one word to half of another.
 */
export function difference(from: Text, to: Text, inWords = false): ChangeSet {
  if (from.eq(to)) return ChangeSet.empty(from.length);
  const [a, b] = [from.toString(), to.toString()];
  const most = Math.min(a.length, b.length);
  let start = 0;
  while (start < most && a.charCodeAt(start) === b.charCodeAt(start)) start += 1;
  if (start > 0 && isHigh(a.charCodeAt(start - 1))) start -= 1;
  while (inWords && start > 0 && !SPACE.test(a.charAt(start - 1))) start -= 1;
  let end = 0;
  while (end < most - start && a.charCodeAt(a.length - 1 - end) === b.charCodeAt(b.length - 1 - end)) end += 1;
  if (end > 0 && isLow(a.charCodeAt(a.length - end))) end -= 1;
  const isCut = (text: string): boolean => end < text.length && !SPACE.test(text.charAt(text.length - end - 1));
  while (inWords && end > 0 && (isCut(a) || isCut(b))) end -= 1;
  return ChangeSet.of({ from: start, to: a.length - end, insert: textOf(b.slice(start, b.length - end)) }, a.length);
}

/** Cuts a change set in two that do the same one after the other; `undefined` if it cannot be. */
export function halves(changes: ChangeSet): [ChangeSet, ChangeSet] | undefined {
  const parts: { from: number; to: number; insert: Text }[] = [];
  changes.iterChanges((from, to, _fromB, _toB, insert) => parts.push({ from, to, insert }), true);
  const last = parts.pop();
  if (!last) return undefined;
  const whole = (first: readonly { from: number; to: number; insert: Text }[], rest: ChangeSet): [ChangeSet, ChangeSet] =>
    [ChangeSet.of([...first], changes.length), rest];
  if (parts.length > 0) {
    const half = Math.ceil(parts.length / 2);
    const first = ChangeSet.of(parts.slice(0, half), changes.length);
    return whole(parts.slice(0, half), ChangeSet.of([...parts.slice(half), last], changes.length).map(first));
  }
  const text = last.insert.toString();
  let middle = text.length >> 1;
  if (isLow(text.charCodeAt(middle))) middle += 1;
  if (middle === 0 || middle >= text.length) return undefined;
  const first = { ...last, insert: textOf(text.slice(0, middle)) };
  const at = last.from + middle;
  const length = changes.length - (last.to - last.from) + middle;
  return whole([first], ChangeSet.of({ from: at, insert: textOf(text.slice(middle)) }, length));
}

function isHigh(unit: number): boolean {
  return unit >= 0xd800 && unit < 0xdc00;
}

function isLow(unit: number): boolean {
  return unit >= 0xdc00 && unit < 0xe000;
}

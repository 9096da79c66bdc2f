// What an author did, without what others did in between: when a fork takes edits of several authors,
// each brings back its own.

import { ChangeSet, type Text } from '@codemirror/state';

export interface Step {
  readonly changes: ChangeSet;
  readonly isWanted: boolean;
}

/** The wanted steps alone, one after the other from `base` on. Nothing that they insert goes missing. */
export function wantedOf(base: Text, steps: Iterable<Step>): ChangeSet[] {
  const wanted: ChangeSet[] = [];
  let wantedText = base;
  // From `wantedText` to `text`.
  let others = ChangeSet.empty(base.length);
  let text = base;
  for (const { changes, isWanted } of steps) {
    const next = changes.apply(text);
    if (isWanted) {
      const alone = changes.map(others.invert(wantedText));
      const aloneText = alone.apply(wantedText);
      const mapped = [others.map(alone), others.map(alone, true)].find((candidate) => candidate.apply(aloneText).eq(next));
      // It changed what others wrote: exact, if coarser for what comes later.
      others = mapped ?? alone.invert(wantedText).compose(others).compose(changes);
      wanted.push(alone);
      wantedText = aloneText;
    } else others = others.compose(changes);
    text = next;
  }
  return wanted;
}

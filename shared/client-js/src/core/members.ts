// Finds a member of a JSON object as it was written: parsing alone would lose the bytes of a payload
// (`1.0`, the order of keys, white space), and its digest is over those bytes.

/** The text of the value of `name` in a JSON object that is known to be valid. */
export function memberText(object: string, name: string): string | undefined {
  let at = object.indexOf('{') + 1;
  let found: string | undefined;
  for (;;) {
    at = skipBlank(object, at);
    if (object[at] !== '"') return found;
    const keyEnd = skipString(object, at);
    const key: unknown = JSON.parse(object.slice(at, keyEnd));
    const start = skipBlank(object, skipBlank(object, keyEnd) + 1);
    const end = skipValue(object, start);
    // The last of two equal names counts, as in JSON.parse.
    if (key === name) found = object.slice(start, end);
    at = skipBlank(object, end);
    if (object[at] !== ',') return found;
    at += 1;
  }
}

function skipBlank(text: string, at: number): number {
  while (at < text.length && ' \t\r\n'.includes(text.charAt(at))) at += 1;
  return at;
}

/** `at` is the opening quote; the answer lies behind the closing one. */
function skipString(text: string, at: number): number {
  at += 1;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}

function skipValue(text: string, at: number): number {
  let depth = 0;
  while (at < text.length) {
    const c = text[at];
    if (c === '"') {
      at = skipString(text, at);
      if (depth === 0) return at;
      continue;
    }
    if (c === '{' || c === '[') depth += 1;
    else if (c === '}' || c === ']') {
      if (depth === 0) return at;
      depth -= 1;
      if (depth === 0) return at + 1;
    } else if (depth === 0 && (c === ',' || ' \t\r\n'.includes(c ?? ''))) return at;
    at += 1;
  }
  return at;
}

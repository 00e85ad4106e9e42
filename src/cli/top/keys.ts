// What a terminal sends when keys are pressed, as names. Pure; a sequence that came in part is handed back.

export type Key =
  | 'up'
  | 'down'
  | 'pageup'
  | 'pagedown'
  | 'home'
  | 'end'
  | 'enter'
  | 'escape'
  | 'backspace'
  | 'clear'
  | 'quit'
  | 'suspend'
  | 'redraw'
  /** A printable character, as it is. */
  | { readonly text: string };

/** What follows ESC, of xterm and its kin, in both cursor modes. */
const SEQUENCES: Readonly<Record<string, Key>> = {
  '[A': 'up',
  '[B': 'down',
  '[5~': 'pageup',
  '[6~': 'pagedown',
  '[H': 'home',
  '[F': 'end',
  '[1~': 'home',
  '[4~': 'end',
  '[7~': 'home',
  '[8~': 'end',
  OA: 'up',
  OB: 'down',
  OH: 'home',
  OF: 'end',
};

const CONTROLS: Readonly<Record<string, Key>> = {
  '\r': 'enter',
  '\n': 'enter',
  '\b': 'backspace',
  '\x7f': 'backspace',
  '\x03': 'quit',
  '\x04': 'quit',
  '\x0c': 'redraw',
  '\x15': 'clear',
  '\x1a': 'suspend',
};

/** CSI (ECMA-48, 5.4): parameters and intermediates, then one final byte; SS3 and one byte. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what a terminal sends
const ESCAPED = /^\x1b(\[[0-?]*[ -/]*[@-~]|O.)/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: likewise
const ESCAPED_IN_PART = /^\x1b(\[[0-?]*[ -/]*|O)?$/;

/** The keys in `text`, and what may be the beginning of another. `isWhole`: nothing follows; ESC is the key of that name. */
export const readKeys = (
  text: string,
  isWhole: boolean,
): { readonly keys: readonly Key[]; readonly rest: string } => {
  const keys: Key[] = [];
  let rest = text;
  while (rest !== '') {
    const [sequence, code = ''] = ESCAPED.exec(rest) ?? [];
    if (sequence !== undefined) {
      const key = SEQUENCES[code];
      if (key !== undefined) keys.push(key);
      rest = rest.slice(sequence.length);
      continue;
    }
    if (!isWhole && ESCAPED_IN_PART.test(rest)) break;
    const [character] = rest as unknown as readonly [string];
    const point = String.fromCodePoint(rest.codePointAt(0) ?? 0);
    const control = CONTROLS[character];
    if (character === '\x1b') keys.push('escape');
    else if (control !== undefined) keys.push(control);
    else if (character >= ' ') keys.push({ text: point });
    rest = rest.slice(point.length);
  }
  return { keys, rest };
};

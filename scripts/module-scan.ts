// Reads a TypeScript module's imports, exports and bare code without a parser: TypeScript 7 has no JavaScript
// API, and Node's type stripping throws away the type imports, which the import rules cover too. A small lexer
// blanks comments, strings, templates and regular expressions, position by position; what is left is safe to
// search with regular expressions.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** One import, re-export, dynamic import or require. `names` is empty for a side effect, ['*'] for all. */
export interface Import {
  specifier: string;
  names: string[];
  line: number;
}

/** A module: `code` is the source with comments and literals blanked, offsets and lines unchanged. */
export interface Module {
  path: string;
  source: string;
  code: string;
}

const REGEX_MAY_FOLLOW = /(^|[(,=:[!&|?{;+\-*%~^<>\n]|\b(return|typeof|case|in|of|void|throw|else|do))\s*$/;

/** Where the literal or comment that starts at `at` ends (exclusive); undefined when none starts there. */
function endOfLiteral(source: string, at: number, before: string): number | undefined {
  const until = (pattern: RegExp): number => {
    pattern.lastIndex = at;
    return pattern.test(source) ? pattern.lastIndex : source.length;
  };
  const two = source.slice(at, at + 2);
  if (two === '//') return until(/[^\n]*/y);
  if (two === '/*') return until(/\/\*[\s\S]*?\*\//y);
  if (two[0] === "'" || two[0] === '"') return until(/(['"])(?:\\[\s\S]|(?!\1)[^\\\n])*\1/y);
  if (two[0] === '/' && REGEX_MAY_FOLLOW.test(before.slice(-40)))
    return until(/\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+\/\w*/y);
  return undefined;
}

/** The source with every comment and literal turned into spaces; quotes and newlines stay. */
export function blank(source: string): string {
  const templates: number[] = [];
  let depth = 0;
  let code = '';
  for (let at = 0; at < source.length; ) {
    const char = source[at] as string;
    if (char === '`' || (char === '}' && templates.at(-1) === depth)) {
      if (char === '}') templates.pop();
      const text = /(?:\\[\s\S]|\$(?!\{)|[^`\\$])*/y;
      text.lastIndex = at + 1;
      text.test(source);
      code += char + source.slice(at + 1, text.lastIndex).replace(/[^\n]/g, ' ');
      at = text.lastIndex;
      if (source[at] === '`') code += source[at++];
      else if (source.startsWith('${', at)) {
        templates.push(depth);
        code += '${';
        at += 2;
      }
      continue;
    }
    const end = endOfLiteral(source, at, code);
    if (end === undefined) {
      if (char === '{') depth++;
      if (char === '}') depth--;
      code += char;
      at++;
      continue;
    }
    const quoted = char === "'" || char === '"';
    const blanked = source.slice(at, end).replace(/[^\n]/g, ' ');
    code += quoted ? char + blanked.slice(1, -1) + char : blanked;
    at = end;
  }
  return code;
}

export function scanModule(path: string, source: string): Module {
  return { path, source, code: blank(source) };
}

/** Every .ts module below `folder` (absolute), with paths relative to `root`; none when it does not exist. */
export function readModules(root: string, folder: string): Module[] {
  let entries: string[];
  try {
    entries = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' });
  } catch {
    return [];
  }
  return entries
    .filter((entry) => entry.endsWith('.ts') && !entry.includes('node_modules'))
    .sort()
    .map((entry) => scanModule(join(folder, entry), readFileSync(join(root, folder, entry), 'utf8')));
}

/** The line, from 1, at which an offset lies. */
export function lineAt(module: Module, offset: number): number {
  return module.code.slice(0, offset).split('\n').length;
}

const FROM = /\b(import|export)\b((?:[\s\w$,*]|\{[^{}]*\})*?)\bfrom\s*(?=['"])/g;
const BARE = /\bimport\s*(?=['"])/g;
const CALLED = /(?<![.\w$])(?:import|require)\s*\(\s*(?=['"])/g;

/** Every import of a module that names its specifier as a literal. */
export function importsOf(module: Module): Import[] {
  const found: Import[] = [];
  const add = (start: number, end: number, names: string[]): void => {
    const quote = module.code[end] as string;
    const specifier = module.source.slice(end + 1, module.code.indexOf(quote, end + 1));
    found.push({ specifier, names, line: lineAt(module, start) });
  };
  for (const match of module.code.matchAll(FROM)) {
    add(match.index, match.index + match[0].length, namesIn(match[2] ?? ''));
  }
  for (const match of module.code.matchAll(BARE)) add(match.index, match.index + match[0].length, []);
  for (const match of module.code.matchAll(CALLED)) add(match.index, match.index + match[0].length, ['*']);
  return found.sort((a, b) => a.line - b.line);
}

/** `type { A, b as c }, * as d, e` → the names as the other module exports them. */
function namesIn(clause: string): string[] {
  const braces = /\{([^{}]*)\}/.exec(clause)?.[1] ?? '';
  const inside = braces
    .split(',')
    .map((part) => part.trim().replace(/^type\s+(?!as\b)/, ''))
    .filter((part) => part !== '')
    .map((part) => part.split(/\s+as\s+/)[0] as string);
  const outside = clause.replace(/\{[^{}]*\}/, '');
  if (outside.includes('*')) inside.push('*');
  else if (/[\w$]/.test(outside.replace(/\btype\b/, ''))) inside.push('default');
  return inside;
}

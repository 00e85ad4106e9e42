// YAML text → plain values and the line of every key, with bounds: a file that a healthy node is asked to reload
// must not exhaust its memory, its stack or its patience. The yaml package's own duplicate check is quadratic and
// its alias count coarse, so both are done here in one linear walk.
import {
  Composer,
  type CST,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  Parser,
  type YAMLParseError,
} from 'yaml';
import { oneLine } from './wrong.ts';

/** About ten tokens an entry: room for some 100,000 service IPs; 10,000 take 1/8 of it. */
const MAX_TOKENS = 1_000_000;
/** The configuration nests five deep in YAML's own counting; the composer recurses. */
const MAX_DEPTH = 64;
/** Values after aliases are followed, so that `&a`/`*a` bombs stop here and not in the schema. */
const MAX_VALUES = 1_000_000;

export type Path = readonly (string | number)[];

/** A finding of the walk: `path` leads to the key it is about; empty: the document itself. */
interface YamlProblem {
  readonly line: number;
  readonly path: Path;
  readonly text: string;
}

export interface YamlDocument {
  readonly value: unknown;
  readonly problems: readonly YamlProblem[];
  readonly warnings: readonly YamlProblem[];
  /** The line of the key or list item at `path`, or of the nearest one around it that exists. */
  readonly lineOf: (path: Path) => number;
}

const REMEDY: Readonly<Record<string, string>> = {
  TAB_AS_INDENT: 'indent with spaces',
  BAD_INDENT: 'indent the items of one list or mapping alike, with spaces',
  BLOCK_AS_IMPLICIT_KEY: 'one "key: value" a line; quote text that contains ": "',
  MULTILINE_IMPLICIT_KEY: 'one "key: value" a line, with a space after the colon',
};

class TooMuch extends Error {}

const readTokens = (text: string, lines: LineCounter): CST.Token[] => {
  const parser = new Parser(lines.addNewLine);
  const tokens: CST.Token[] = [];
  let count = 0;
  lines.addNewLine(0);
  for (const lexeme of new Lexer().lex(text)) {
    for (const token of parser.next(lexeme)) tokens.push(token);
    count += 1;
    if (count > MAX_TOKENS) throw new TooMuch('is too large; at most some 100,000 entries');
    if (parser.stack.length > MAX_DEPTH)
      throw new TooMuch(`nests deeper than ${MAX_DEPTH} levels; no key does`);
  }
  for (const token of parser.end()) tokens.push(token);
  return tokens;
};

const compose = (text: string, lines: LineCounter): Document.Parsed => {
  // The schema is fixed, so that a %YAML 1.1 line cannot turn `off` into false or `1:30` into 90.
  const options = {
    uniqueKeys: false,
    prettyErrors: false,
    keepSourceTokens: false,
    schema: 'core',
  } as const;
  const tokens = readTokens(text, lines);
  const [document, second] = new Composer(options).compose(tokens, true, text.length);
  if (document === undefined) throw new TooMuch('holds no document; a mapping of keys');
  if (second !== undefined) {
    const line = lines.linePos(second.range[0]).line;
    throw new TooMuch(`holds a second document from line ${line} on; one document a file`);
  }
  return document;
};

interface Plain {
  readonly value: unknown;
  /** How many values this is once aliases are followed. */
  readonly size: number;
}

const NOTHING: Plain = { value: null, size: 1 };

class Walk {
  readonly problems: YamlProblem[] = [];
  private readonly anchors = new Map<string, Plain>();
  private total = 0;
  private readonly lineAt: (node: unknown) => number;

  constructor(lineAt: (node: unknown) => number) {
    this.lineAt = lineAt;
  }

  report(node: unknown, path: Path, text: string): void {
    this.problems.push({ line: this.lineAt(node), path, text });
  }

  read(node: unknown, path: Path): Plain {
    if (isAlias(node)) return this.follow(node.source, node, path);
    const plain = this.readFresh(node, path);
    const anchor = (node as Partial<Node & { anchor: string }> | null)?.anchor;
    if (anchor !== undefined) this.anchors.set(anchor, plain);
    return plain;
  }

  private follow(name: string, node: Node, path: Path): Plain {
    const plain = this.anchors.get(name);
    if (plain === undefined) {
      this.report(node, path, `*${oneLine(name)} has no anchor before it; write &${oneLine(name)} first`);
      return NOTHING;
    }
    this.grow(plain.size);
    return plain;
  }

  private grow(size: number): void {
    this.total += size;
    if (this.total > MAX_VALUES)
      throw new TooMuch('has aliases that expand without end; write the values out');
  }

  private readFresh(node: unknown, path: Path): Plain {
    this.grow(1);
    if (isScalar(node)) return { value: node.value, size: 1 };
    if (isSeq(node)) {
      const items = node.items.map((item, index) => this.read(item, [...path, index]));
      return {
        value: items.map((item) => item.value),
        size: items.reduce((sum, item) => sum + item.size, 1),
      };
    }
    return isMap(node) ? this.readMap(node.items, path) : NOTHING;
  }

  private readMap(items: readonly { key: unknown; value: unknown }[], path: Path): Plain {
    const value = Object.create(null) as Record<string, unknown>;
    const lines = new Map<string, number>();
    let size = 1;
    for (const pair of items) {
      const key = isScalar(pair.key) ? String(pair.key.value) : null;
      if (key === null) {
        this.report(pair.key ?? pair.value, path, 'has a key that is not plain text; a name followed by ":"');
        continue;
      }
      const first = lines.get(key);
      if (first !== undefined) {
        this.report(pair.key, [...path, key], `is given twice, first on line ${first}; keep one`);
        continue;
      }
      lines.set(key, this.lineAt(pair.key));
      const plain = this.read(pair.value, [...path, key]);
      value[key] = plain.value;
      size += plain.size;
    }
    return { value, size };
  }
}

/** What is at `path`, as far as it exists: the key node of a mapping, the item node of a list. */
const locate = (root: unknown, path: Path): unknown => {
  let node = root;
  let found = root;
  for (const step of path) {
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === step);
      if (pair === undefined) return found;
      [found, node] = [pair.key, pair.value];
    } else if (isSeq(node) && typeof step === 'number' && step < node.items.length) {
      node = node.items[step];
      found = node;
    } else return found;
  }
  return found;
};

const syntaxProblem = (error: YAMLParseError, lines: LineCounter): YamlProblem => {
  const right = REMEDY[error.code] ?? 'quote text that contains : # [ ] { } , & * or begins with a sign';
  return { line: lines.linePos(error.pos[0]).line, path: [], text: `${oneLine(error.message)}; ${right}` };
};

const failed = (line: number, text: string): YamlDocument => ({
  value: null,
  problems: [{ line, path: [], text }],
  warnings: [],
  lineOf: () => line,
});

const readBounded = (text: string): YamlDocument => {
  const lines = new LineCounter();
  const document = compose(text, lines);
  const [error] = document.errors;
  if (error !== undefined) {
    // Only the first: the others are mostly its echo.
    const problem = syntaxProblem(error, lines);
    return failed(problem.line, problem.text);
  }
  const lineAt = (node: unknown): number =>
    lines.linePos((node as Partial<Node> | null)?.range?.[0] ?? 0).line || 1;
  const walk = new Walk(lineAt);
  const { value } = walk.read(document.contents, []);
  const warnings = document.warnings.map((warning) => syntaxProblem(warning as never, lines));
  const lineOf = (path: Path): number => lineAt(locate(document.contents, path));
  return { value, problems: walk.problems, warnings, lineOf };
};

/** Reads one YAML document. Never throws for what the text holds: it comes back as problems. */
export const readYaml = (text: string): YamlDocument => {
  try {
    return readBounded(text);
  } catch (error) {
    if (error instanceof TooMuch) return failed(1, error.message);
    // The composer recurses on what the depth bound lets pass only if the package changes; still not our crash.
    if (error instanceof RangeError) return failed(1, 'nests too deeply; no key does');
    throw error;
  }
};

// What can be made to go wrong with the stand-in API server, and what it counted. One object, called directly by
// tests in the process and through `POST /faults` of the control server by others (stand-in-process.ts).

/** One request as the server saw it. `resource` is empty for discovery and health. */
export interface RequestSeen {
  readonly verb: string;
  readonly resource: string;
  readonly path: string;
  readonly status: number;
  /** What the client calls itself; empty: the test's own requests. */
  readonly agent: string;
}

export interface FailRule {
  readonly status: number;
  /** How many requests it answers; absent: until `clear`. */
  readonly count?: number;
  /** Only requests with this verb (`list`, `watch`, `get`, `create`, `update`, `patch`, `delete`). */
  readonly verb?: string;
  /** Only requests whose path contains this. */
  readonly path?: string;
  readonly retryAfterSeconds?: number;
}

/** What the server does for the faults; it hands this over when it is made. */
export interface FaultHooks {
  closeWatches(): void;
  muteWatches(): void;
  sendBookmarks(): void;
  compact(): void;
  openWatches(): number;
  connections(): number;
  down(): Promise<void>;
  up(): Promise<void>;
}

/** How often a watch that allows it gets a bookmark: as in a real server, about every minute. */
const BOOKMARK_MS = 60_000;
const SEEN_LIMIT = 100_000;

export class Faults {
  private readonly hooks: FaultHooks;
  private rules: { rule: FailRule; left: number }[] = [];
  private readonly denied = new Set<string>();
  private readonly absent = new Set<string>();
  private seen: RequestSeen[] = [];
  private counted: Record<string, number> = {};
  private hanging: { path: string } | null = null;
  private muted = false;
  delayMs = 0;
  bookmarkEveryMs = BOOKMARK_MS;

  constructor(hooks: FaultHooks) {
    this.hooks = hooks;
  }

  /** Ends every watch as a server does that restarts. */
  closeWatches(): void {
    this.hooks.closeWatches();
  }

  /** Open watches fall silent for good, as over a half-open connection; so do new ones while it is on. */
  muteWatches(on: boolean): void {
    this.muted = on;
    if (on) this.hooks.muteWatches();
  }

  sendBookmarks(): void {
    this.hooks.sendBookmarks();
  }

  /** Forgets the history: 410 for whoever is behind, at the next watch and for half-read lists. */
  compact(): void {
    this.hooks.compact();
  }

  /** How many were accepted so far. */
  connections(): number {
    return this.hooks.connections();
  }

  openWatches(): number {
    return this.hooks.openWatches();
  }

  /** Requests (all, or those whose path contains `path`) are taken and never answered. */
  hang(on: boolean, path = ''): void {
    this.hanging = on ? { path } : null;
  }

  delay(ms: number): void {
    this.delayMs = ms;
  }

  /** From the next watch on. */
  bookmarkEvery(ms: number): void {
    this.bookmarkEveryMs = ms;
  }

  fail(rule: FailRule): void {
    this.rules.push({ rule, left: rule.count ?? Number.POSITIVE_INFINITY });
  }

  /** Refuses a verb on a resource as RBAC does: `deny('list', 'services')`. */
  deny(verb: string, resource: string): void {
    this.denied.add(`${verb} ${resource}`);
  }

  allow(verb: string, resource: string): void {
    this.denied.delete(`${verb} ${resource}`);
  }

  /** Takes an API group away, as where its CRDs are not installed, or brings it back; objects stay. */
  setGroup(group: string, isPresent: boolean): void {
    if (isPresent) this.absent.delete(group);
    else this.absent.add(group);
  }

  /** Connections are refused and open ones reset; the state stays. */
  down(): Promise<void> {
    return this.hooks.down();
  }

  /** Listens again on the same port. */
  up(): Promise<void> {
    return this.hooks.up();
  }

  /** Ends every fault but `down` and absent groups. */
  clear(): void {
    this.rules = [];
    this.denied.clear();
    this.hanging = null;
    this.muted = false;
    this.delayMs = 0;
  }

  /** Requests by `verb resource`, since the start or `resetCounts`. */
  counts(): Readonly<Record<string, number>> {
    return this.counted;
  }

  /** The last 100,000 requests, oldest first. */
  requests(): readonly RequestSeen[] {
    return this.seen;
  }

  resetCounts(): void {
    this.counted = {};
    this.seen = [];
  }

  // What follows is asked by the server.

  isHanging(path: string): boolean {
    return this.hanging !== null && path.includes(this.hanging.path);
  }

  get isMuted(): boolean {
    return this.muted;
  }

  isDenied(verb: string, resource: string): boolean {
    return this.denied.has(`${verb} ${resource}`);
  }

  hasGroup(group: string): boolean {
    return !this.absent.has(group);
  }

  /** The rule that answers this request, used up by one. */
  failing(verb: string, path: string): FailRule | null {
    const found = this.rules.find(
      ({ rule }) => (rule.verb ?? verb) === verb && path.includes(rule.path ?? ''),
    );
    if (found === undefined) return null;
    found.left -= 1;
    if (found.left <= 0) this.rules = this.rules.filter((each) => each !== found);
    return found.rule;
  }

  note(request: RequestSeen): void {
    const key = `${request.verb} ${request.resource}`;
    this.counted[key] = (this.counted[key] ?? 0) + 1;
    this.seen.push(request);
    if (this.seen.length > 2 * SEEN_LIMIT) this.seen = this.seen.slice(-SEEN_LIMIT);
  }
}

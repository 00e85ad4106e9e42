// The four that move a service IP as planned: holdfast (prompt, patient), keepalived, and two plain hosts.
import { type LabNode, waitFor } from '../src/cli/lab/lab-node.ts';
import type { Host } from '../src/cli/lab/segment.ts';
import { createStage, type Stage } from '../src/cli/lab/stage.ts';
import { type Mover, RefusedError, serveEcho } from './drain-load.ts';
import { createKeepalivedStage } from './keepalived.ts';
import { told } from './node-log.ts';
import { createPlainHosts, type Way } from './plain-hosts.ts';

/** The defaults of the configuration, before scaling. */
const WINDOW_MS = 120_000;
const QUIET_MS = 10_000;
const NODES = 3;
const CLIENTS = 2;
/** Beyond the window. */
const PATIENCE_MS = 30_000;

export const windowMs = (scale: number): number => WINDOW_MS * scale;

export const drainYaml = (scale: number): string =>
  `drain: {window: ${Math.round(windowMs(scale))}ms, quiet: ${Math.round(QUIET_MS * scale)}ms}`;

const nodesOf = (hosts: ReadonlyMap<string, Host>): readonly Host[] =>
  [...hosts.values()].filter(({ role }) => role === 'node');

/** Waits until the node carries nothing any more. */
const carriesNothing = async (node: LabNode, scale: number): Promise<void> => {
  await waitFor(`${node.host.name} to carry nothing`, windowMs(scale) + PATIENCE_MS, async () =>
    (await node.status()).serviceIPs.every(({ state }) => state === 'unowned') ? true : null,
  );
};

/** `holdfast drain ARGS` on `owner`; a usage error is a refusal. */
export const drainNode = async (owner: LabNode, args: readonly string[]): Promise<void> => {
  const { code, err } = await owner.command('drain', ...args);
  if (code === 2) throw new RefusedError(err.trim());
  if (code !== 0) throw new Error(`drain: exit code ${code}: ${err.trim()}`);
};

export const settledStage = async (stage: Stage, scale: number): Promise<LabNode> => {
  const owner = await stage.gathered();
  await stage.settled(windowMs(scale) + PATIENCE_MS);
  return owner;
};

export const holdfastMover =
  (style: 'prompt' | 'patient') =>
  async (scale: number): Promise<Mover> => {
    const stage = await createStage({ nodes: NODES, clients: CLIENTS, extra: drainYaml(scale) });
    await serveEcho(nodesOf(stage.segment.hosts));
    let owner: LabNode | null = null;
    return {
      clients: stage.clients,
      ready: async () => {
        owner = await settledStage(stage, scale);
      },
      move: async () => {
        if (owner === null) throw new Error('nobody is ready');
        await drainNode(owner, style === 'patient' ? ['--patient'] : []);
        await carriesNothing(owner, scale);
      },
      account: (since) => told(stage.nodes, since),
      restore: async () => {
        await owner?.command('undrain');
      },
      dispose: stage.dispose,
    };
  };

export const keepalivedMover = async (): Promise<Mover> => {
  const stage = await createKeepalivedStage(1);
  await serveEcho(nodesOf(stage.segment.hosts));
  let repair: (() => Promise<void>) | null = null;
  return {
    clients: stage.clients,
    ready: stage.settled,
    move: async () => {
      repair = await stage.stopMaster();
    },
    restore: async () => {
      await repair?.();
      repair = null;
    },
    dispose: stage.dispose,
  };
};

export const plainMover = (way: Way) => async (): Promise<Mover> => {
  const hosts = await createPlainHosts(way, CLIENTS);
  await serveEcho(nodesOf(hosts.segment.hosts));
  let go: (() => Promise<void>) | null = null;
  return {
    clients: hosts.clients,
    ready: async () => {
      await hosts.reset();
      go = await hosts.prepare();
    },
    move: async () => {
      await go?.();
    },
    restore: hosts.reset,
    dispose: hosts.segment.dispose,
  };
};

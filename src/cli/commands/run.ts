// `holdfast run`: the daemon. What can be refused is refused here, before any socket is opened.

import type { Config } from '../../io/config/config.ts';
import { loadConfig } from '../../io/config/load-config.ts';
import { SocketTakenError } from '../../io/control/control-socket.ts';
import { CAPABILITY_USE, type Capability, effectiveCapabilities } from '../../io/host/capabilities.ts';
import { prepareDirectory } from '../../io/journal/journal.ts';
import { readKeys } from '../../io/keys.ts';
import { type ClusterClient, openCluster } from '../../io/kubernetes/cluster-client.ts';
import { AF_PACKET, close, SOCK_RAW, SystemError, socket } from '../../io/native/libc.ts';
import { type Command, CommandError, EXIT, readOptions } from '../command.ts';
import { runDaemon } from '../daemon/daemon.ts';

/** Loads the config or ends with exit code 2; several problems are several lines. */
export const requireConfig = async (file: string | undefined): Promise<Config> => {
  if (file === undefined) throw new CommandError(EXIT.usage, '--config FILE is missing');
  const loaded = await loadConfig(file);
  if (!loaded.ok)
    throw new CommandError(EXIT.usage, loaded.problems.map(({ text }) => text).join('\nholdfast: '));
  return loaded.config;
};

/** The capability may be one of a user namespace that does not own this network namespace: the kernel decides. */
const requirePacketSockets = (): void => {
  try {
    close(socket(AF_PACKET, SOCK_RAW, 0));
  } catch (error) {
    const line = `CAP_NET_RAW has no effect in this network namespace (${(error as Error).message})`;
    throw new CommandError(EXIT.permission, `${line}; run in the one whose owner grants it`);
  }
};

const requireCapabilities = (config: Config): void => {
  const wanted: Capability[] = config.serve === 'host' ? ['CAP_NET_RAW', 'CAP_NET_ADMIN'] : ['CAP_NET_RAW'];
  const present = effectiveCapabilities();
  const missing = wanted.filter((name) => !present.has(name));
  if (missing.length === 0) return requirePacketSockets();
  const uses = missing.map((name) => `${name} (to ${CAPABILITY_USE[name]})`);
  throw new CommandError(EXIT.permission, `missing ${uses.join(' and ')}; run as root or grant it`);
};

const requireJournal = (file: string, { journal: { directory } }: Config): void => {
  try {
    prepareDirectory(directory);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const line = `${file}: journal.directory: ${directory} cannot be written (${code}); name one that can`;
    throw new CommandError(EXIT.usage, line);
  }
};

const requireKeys = (file: string, { heartbeat: { keyFile } }: Config): void => {
  const read = keyFile === null ? null : readKeys(keyFile);
  if (read?.ok === false) throw new CommandError(EXIT.usage, `${file}: heartbeat.keyFile: ${read.problem}`);
};

const openClient = async (file: string, { cluster, kubernetes }: Config): Promise<ClusterClient | null> => {
  if (cluster === 'file') return null;
  const opened = await openCluster(kubernetes.kubeconfig);
  if (!opened.ok) throw new CommandError(EXIT.usage, `${file}: kubernetes.kubeconfig: ${opened.problem}`);
  return opened.value;
};

export const run: Command = {
  summary: 'the daemon: owns, announces and answers for service IPs',
  help: [
    'Usage: holdfast run --config FILE',
    '',
    'SIGTERM hands over what this node holds, drains and exits; a second one exits at once. SIGHUP or a changed file',
    'reloads the configuration; a bad file is reported and the last good one stays.',
  ].join('\n'),
  run: async (args) => {
    const { values } = readOptions(args, { config: { type: 'string' } });
    const config = await requireConfig(values.config);
    const file = values.config as string;
    requireCapabilities(config);
    requireJournal(file, config);
    requireKeys(file, config);
    try {
      // Explicit: a disk that is frozen must not keep a daemon that has released everything.
      process.exit(await runDaemon(config, file, await openClient(file, config)));
    } catch (error) {
      if (error instanceof SocketTakenError) {
        throw new CommandError(EXIT.usage, `${file}: control: ${error.message}`);
      }
      const { code, message } = error as NodeJS.ErrnoException;
      if (error instanceof SystemError || code === 'EACCES' || code === 'EPERM') {
        throw new CommandError(EXIT.permission, message);
      }
      throw error;
    }
  },
};

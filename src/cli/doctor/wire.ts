// `doctor --wire` put together: asks the daemon what it has seen, and the wire who answers; where no daemon runs it
// listens for some seconds. The last finding says what it did on the wire.
import type { Config } from '../../io/config/config.ts';
import { requestControl, UnreachableError } from '../../io/control/control-socket.ts';
import { readKeys } from '../../io/keys.ts';
import { SystemError } from '../../io/native/libc.ts';
import { CommandError, EXIT } from '../command.ts';
import type { WireSight } from '../daemon/wire-sight.ts';
import { type Finding, fail, ok } from './finding.ts';
import { type LinkView, viewHost } from './host-view.ts';
import { checkClients } from './wire-clients.ts';
import { checkHellos } from './wire-hellos.ts';
import { ask, listen, type Port } from './wire-listen.ts';
import { type Asked, viewOfDaemon, type WireView } from './wire-view.ts';

const portsOf = (links: readonly LinkView[]): readonly Port[] =>
  links.flatMap(({ name, index, mac, isUp }) => (isUp && mac !== null ? [{ name, index, mac }] : []));

/** What the daemon has seen; null: no daemon runs here. */
const sightOf = async (socket: string): Promise<WireSight | null> => {
  try {
    const { status, body } = await requestControl(socket, 'GET', '/wire');
    if (status === 200) return JSON.parse(body) as WireSight;
    throw new CommandError(EXIT.unreachable, `${socket}: the daemon says: ${body.trim()}`);
  } catch (error) {
    if (!(error instanceof UnreachableError)) throw error;
    if (error.code === 'EACCES') throw new CommandError(EXIT.permission, error.message);
    return null;
  }
};

const refuse = (error: unknown): never => {
  if (error instanceof SystemError && error.code === 'EPERM')
    throw new CommandError(EXIT.permission, 'no packet socket: run as root, or grant CAP_NET_RAW');
  throw error;
};

const judge = (view: WireView): Finding[] => [...checkHellos(view), ...checkClients(view)];

const withDaemon = async (config: Config, sight: WireSight): Promise<Finding[]> => {
  const { links } = viewHost(config);
  const ports = portsOf(links.filter(({ name }) => sight.listening.includes(name)));
  const wanted = sight.serviceIPs.flatMap(({ ip, interface: on }) =>
    on === null ? [] : [{ ip, interface: on }],
  );
  const asked: readonly Asked[] = await ask(ports, wanted).catch(refuse);
  const mtus = new Map(links.map(({ name, mtu }) => [name, mtu]));
  const ownMacs = new Set(links.flatMap(({ mac }) => (mac === null ? [] : [mac])));
  const sent =
    asked.length === 0
      ? 'sent nothing'
      : `sent ${asked.length} ARP probe${asked.length === 1 ? '' : 's'} (sender 0.0.0.0, which no cache learns from)`;
  return [
    ...judge({ ...viewOfDaemon(sight, mtus, asked), ownMacs }),
    ok('wire', `${sent}; the rest is what the daemon of ${sight.node} has seen`),
  ];
};

const withoutDaemon = async (config: Config, socket: string, forMs: number): Promise<Finding[]> => {
  const { used } = viewHost(config);
  const ports = portsOf(used);
  const { keyFile, group, transport } = config.heartbeat;
  const read = keyFile === null ? null : readKeys(keyFile);
  if (read?.ok === false)
    return [fail('wire', `${read.problem}: hellos cannot be verified`, 'a key file that can be read')];
  const observed = await listen(ports, { keys: read?.keys ?? [], group, transport }, forMs).catch(refuse);
  const view: WireView = {
    ...observed,
    at: performance.now(),
    node: null,
    transport,
    isSigning: keyFile !== null,
    refreshMs: config.announcements.refreshMs,
    interfaces: used.map(({ name, mtu }) => ({ name, instance: null, mtu })),
    services: config.serviceIPs.map(({ ip }) => ({
      ip,
      interface: null,
      holder: null,
      mac: null,
      sinceMs: 0,
      staleClients: 0,
    })),
    silent: [],
    names: new Map(observed.hellos.map(({ instance, node }) => [instance, node])),
    slowClients: [],
    asked: [],
    tooLong: 0,
    ownMacs: new Set(ports.map(({ mac }) => mac)),
  };
  const where = ports.map(({ name }) => name).join(', ') || 'no interface';
  return [
    ...judge(view),
    ok('wire', `listened ${forMs / 1000} s on ${where} and sent nothing: no daemon at ${socket}`),
  ];
};

/** Everything that `--wire` finds. `listenMs`: how long it listens where no daemon runs. */
export const checkWire = async (config: Config, socket: string, listenMs: number): Promise<Finding[]> => {
  const sight = await sightOf(socket);
  return sight === null ? await withoutDaemon(config, socket, listenMs) : await withDaemon(config, sight);
};

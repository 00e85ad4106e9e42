// Two plain hosts without any daemon, and the two ways of handing a service IP over that everybody thinks of first:
// the old host's addresses are removed, or it stops answering ARP and NDP and still accepts what comes. The new host
// takes the addresses in the same moment and announces each once (gratuitous ARP request, unsolicited NA).
import type { ChildProcess, SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { createSegment, type Host, type Segment } from '../src/cli/lab/segment.ts';
import { LAB_SERVICE_IPS } from '../src/cli/lab/stage.ts';
import { encodeFrame } from '../src/io/packets/frame.ts';
import type { AdvertisementFrame, ArpFrame } from '../src/machines/frames.ts';

export type Way = 'removed' | 'silenced';

export interface PlainHosts {
  readonly segment: Segment;
  readonly clients: readonly Host[];
  /** The old host has the addresses, and the clients forget what they knew of them. */
  reset(): Promise<void>;
  /** Gets the move ready; the function it gives makes it, within some milliseconds. */
  prepare(): Promise<() => Promise<void>>;
}

const ANNOUNCER = fileURLToPath(new URL('./announce-process.ts', import.meta.url));
const [IPV4, IPV6] = LAB_SERVICE_IPS;

/** What answers no question about the addresses; the IPv6 one by the solicitation's target. */
const SILENCE = `table netdev silence {
chain in { type filter hook ingress device "eth0" priority 0;
arp operation request arp daddr ip ${IPV4} drop
icmpv6 type nd-neighbor-solicit @th,64,32 0xfd990000 @th,160,32 0x00000100 drop
}
}`;

const addresses = (verb: 'add' | 'del'): string =>
  [
    `addr ${verb} ${IPV4}/24 dev eth0`,
    `addr ${verb} ${IPV6}/64 dev eth0${verb === 'add' ? ' nodad' : ''}`,
  ].join('\n');

const gratuitous = ({ mac }: Host): ArpFrame => ({
  ...{ kind: 'arp', operation: 'request', ethernetSource: mac, ethernetDestination: 'ff:ff:ff:ff:ff:ff' },
  ...{ sha: mac, spa: IPV4, tha: '00:00:00:00:00:00', tpa: IPV4 },
});

const unsolicited = ({ mac }: Host): AdvertisementFrame => ({
  ...{ kind: 'na', ethernetSource: mac, ethernetDestination: '33:33:00:00:00:01' },
  ...{ source: IPV6, destination: 'ff02::1', target: IPV6, targetLinkLayerAddress: mac },
  ...{ router: false, solicited: false, override: true },
});

/** A shell that waits for a line before it does `work`: starting a program in the move would be part of the gap. */
const waiting = (host: Host, work: string): ChildProcess => {
  const options: SpawnOptions = { stdio: ['pipe', 'pipe', 'inherit'] };
  return host.spawn('sh', ['-ec', work], options);
};

const departure = (way: Way): string =>
  way === 'removed'
    ? `read _; ip -batch - <<'END'\n${addresses('del')}\nEND`
    : `read _; nft -f - <<'END'\n${SILENCE}\nEND`;

const arrival = (host: Host): string => {
  const frames = [gratuitous(host), unsolicited(host)].map((frame) =>
    Buffer.from(encodeFrame(frame)).toString('hex'),
  );
  const announce = [process.execPath, ANNOUNCER, ...frames].map((word) => `'${word}'`).join(' ');
  return `{ read _; ip -batch - <<'END'\n${addresses('add')}\nEND\necho go; } | ${announce}`;
};

const closing = (child: ChildProcess): Promise<unknown> =>
  child.exitCode === null && child.signalCode === null ? once(child, 'close') : Promise.resolve();

/** Two hosts and `clients` clients on a segment; `way` says how the first one leaves. */
export const createPlainHosts = async (way: Way, clients: number): Promise<PlainHosts> => {
  const names = Array.from({ length: clients }, (_, index) => `client${index + 1}`);
  const segment = await createSegment({
    hosts: [
      ...['n1', 'n2'].map((name) => ({ name, role: 'node' as const })),
      ...names.map((name) => ({ name, role: 'client' as const })),
    ],
  });
  const [old, next] = ['n1', 'n2'].map((name) => segment.hosts.get(name)) as [Host, Host];
  const people = names.map((name) => segment.hosts.get(name) as Host);
  const force = (host: Host, text: string): Promise<unknown> =>
    host.exec('ip', ['-force', '-batch', '-'], { input: text }).catch(() => {});
  return {
    segment,
    clients: people,
    reset: async () => {
      await force(next, addresses('del'));
      await old.exec('nft', ['flush', 'ruleset']);
      await force(old, addresses('add'));
      for (const client of people)
        for (const ip of LAB_SERVICE_IPS) await segment.setNeighbour(client, ip, '', 'none');
    },
    prepare: async () => {
      const leaving = waiting(old, departure(way));
      const coming = waiting(next, arrival(next));
      await once(coming.stdout as NodeJS.ReadableStream, 'data');
      return async () => {
        const done = Promise.all([closing(leaving), closing(coming)]);
        leaving.stdin?.end('go\n');
        coming.stdin?.end('go\n');
        await done;
      };
    },
  };
};

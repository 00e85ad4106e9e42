// Who has a connection open to a service IP, asked of the real kernel: its sockets, and conntrack behind DNAT. Each
// test has a network namespace of its own: this process moves into a new one (unshare, this thread only), and the
// last descriptor closed removes it.

import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import koffi from 'koffi';
import type { Host } from '../../src/cli/lab/segment.ts';
import { run } from '../../src/cli/lab/tools.ts';
import { assemble } from '../../src/io/host/netlink-bytes.ts';
import { takeDump } from '../../src/io/host/netlink-dump.ts';
import { NLM_F_CREATE, RTM_GETADDR, RTM_NEWADDR } from '../../src/io/host/netlink-messages.ts';
import { openNetlinkSocket } from '../../src/io/host/netlink-socket.ts';
import { createOpenConnections } from '../../src/io/host/open-connections.ts';
import { MAX_REMOTES_PER_IP } from '../../src/io/host/remote-table.ts';
import type { Ip } from '../../src/machines/frames.ts';
import { segmentFor, type WireContext, wireTest, within } from '../support/lab.ts';

const CLONE_NEWNET = 0x40000000;
const unshare = koffi.load('libc.so.6').func('int unshare(int flags)');

const IPV4 = '10.99.0.100';
const OTHER = '10.99.0.101';
const IPV6 = 'fd99::100';
const PORT = 7_777;

const ip = (line: string): Promise<string> => run('ip', line.split(' '));
const nft = (rules: string): Promise<string> => run('nft', ['-f', '-'], { input: rules });

/** Service IPs on `lo`; clients may take any address of 10.98.0.0/16, and fd98::1 and fd98::9. */
const enterNamespace = async (): Promise<void> => {
  assert.equal(unshare(CLONE_NEWNET), 0);
  await ip('link set lo up');
  for (const address of [`${IPV4}/32`, `${OTHER}/32`, `${IPV6}/128`, 'fd98::1/128', 'fd98::9/128'])
    await ip(`addr add ${address} dev lo${address.includes(':') ? ' nodad' : ''}`);
  await ip('route add local 10.98.0.0/16 dev lo');
};

interface Connection {
  readonly client: Socket;
  readonly server: Socket;
}

/** Connects from an address; both ends, each of which stays open until it is ended itself. */
type Open = (to: Ip, from: Ip) => Promise<Connection>;

const listen = async (context: WireContext, host: Ip): Promise<Open> => {
  const accepted = new Map<string, Socket>();
  const clients: Socket[] = [];
  // Without a reader the other side's FIN would never be seen.
  const prepare = (socket: Socket): Socket => socket.resume().on('error', () => {});
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    accepted.set(`${socket.remoteAddress?.replace('::ffff:', '')} ${socket.remotePort}`, prepare(socket));
  });
  context.after(() => {
    for (const socket of [...accepted.values(), ...clients]) socket.destroy();
    server.close();
  });
  await once(server.listen({ host, port: PORT, backlog: 4_096 }), 'listening');
  return async (to, from) => {
    const client = prepare(connect({ host: to, port: PORT, localAddress: from, allowHalfOpen: true }));
    clients.push(client);
    await once(client, 'connect');
    const key = `${from} ${client.localPort}`;
    while (!accepted.has(key)) await sleep(1);
    return { client, server: accepted.get(key) as Socket };
  };
};

/** The states, as `ss` names them, of the sockets whose local address is `local`, once they are `expected`. */
const becomes = async (local: Ip, expected: string): Promise<void> => {
  const address = local.includes(':') ? `[${local}]` : local;
  for (let attempt = 0; ; attempt += 1) {
    const rows = (await run('ss', ['-Htan', 'src', address])).trim().split('\n');
    const states = rows.map((row) => row.split(/\s+/)[0]).sort();
    if (states.join(' ') === expected) return;
    if (attempt === 200) assert.equal(states.join(' '), expected);
    await sleep(10);
  }
};

/** What is open, with the remotes of each IP sorted; fails if anything is wrong with the answer. */
const listed = async (serve: 'host' | 'none', ...ips: readonly Ip[]): Promise<Record<Ip, readonly Ip[]>> => {
  const result = await createOpenConnections(serve).list(ips);
  assert.ok('connections' in result, JSON.stringify(result));
  assert.equal(result.incomplete.size, 0);
  return Object.fromEntries([...result.connections].map(([key, remotes]) => [key, remotes.toSorted()]));
};

wireTest(
  'sockets: each remote of each IP once, IPv4 over a dual-stack listener as IPv4, nobody else',
  ['ss'],
  async (context) => {
    await enterNamespace();
    assert.deepEqual(await listed('host', IPV4, IPV6), { [IPV4]: [], [IPV6]: [] });
    const open = await listen(context, '::');
    for (const from of ['10.98.0.1', '10.98.0.1', '10.98.0.2']) await open(IPV4, from);
    await open(IPV6, 'fd98::1');
    await open(OTHER, '10.98.0.3');
    assert.deepEqual(await listed('host', IPV4, IPV6), {
      [IPV4]: ['10.98.0.1', '10.98.0.2'],
      [IPV6]: ['fd98::1'],
    });
    assert.deepEqual(await listed('host', OTHER), { [OTHER]: ['10.98.0.3'] });
    // More addresses than the kernel's filter is given: everything is read, and the same is found.
    const many = Array.from({ length: 20 }, (_, index) => `10.97.0.${index}`);
    const found = await listed('host', ...many, IPV6, IPV4);
    assert.deepEqual([found[IPV4], found[IPV6]], [['10.98.0.1', '10.98.0.2'], ['fd98::1']]);
    assert.ok(many.every((address) => found[address]?.length === 0));
  },
);

wireTest('sockets: IPv4 at a listener of IPv4 only, IPv6 at one of IPv6 only', ['ss'], async (context) => {
  await enterNamespace();
  const openIpv4 = await listen(context, IPV4);
  const openIpv6 = await listen(context, IPV6);
  await openIpv4(IPV4, '10.98.0.1');
  await openIpv6(IPV6, 'fd98::1');
  assert.deepEqual(await listed('host', IPV4, IPV6), { [IPV4]: ['10.98.0.1'], [IPV6]: ['fd98::1'] });
});

for (const [service, client, listener] of [
  [IPV4, '10.98.0.1', '0.0.0.0'],
  [IPV4, '10.98.0.1', '::'],
  [IPV6, 'fd98::1', '::'],
] as const) {
  const how = `${service} at ${listener}`;

  wireTest(
    `sockets, ${how}: half-closed counts, either way; TIME_WAIT and gone do not`,
    ['ss'],
    async (context) => {
      await enterNamespace();
      const open = await listen(context, listener);
      const is = async (state: string, remotes: readonly Ip[]): Promise<void> => {
        await becomes(service, state);
        assert.deepEqual(await listed('host', service), { [service]: remotes }, state);
      };
      const first = await open(service, client);
      await is('ESTAB', [client]);
      first.server.end();
      await is('FIN-WAIT-2', [client]);
      first.client.end();
      await is('TIME-WAIT', []);

      const second = await open(service, client);
      second.client.end();
      await is('CLOSE-WAIT TIME-WAIT', [client]);
      second.server.end();
      await is('TIME-WAIT', []);

      const third = await open(service, client);
      third.client.resetAndDestroy();
      await is('TIME-WAIT', []);
    },
  );

  wireTest(
    `sockets, ${how}: a connection of which an acknowledgement is on the way counts`,
    ['ss', 'nft'],
    async (context) => {
      await enterNamespace();
      const open = await listen(context, listener);
      const is = async (state: string, remotes: readonly Ip[]): Promise<void> => {
        await becomes(service, state);
        assert.deepEqual(await listed('host', service), { [service]: remotes }, state);
      };
      await nft('table inet t { chain c { type filter hook output priority 0; }; }');
      const lastAck = await open(service, client);
      lastAck.client.end();
      await is('CLOSE-WAIT', [client]);
      const closing = await open(service, client);
      // What the server says is lost from here on.
      await nft(`add rule inet t c tcp sport ${PORT} drop`);
      lastAck.server.end();
      await is('ESTAB LAST-ACK', [client]);
      lastAck.client.destroy();
      closing.server.end();
      await is('FIN-WAIT-1 LAST-ACK', [client]);
      closing.client.end();
      await is('CLOSING LAST-ACK', [client]);
      // And the client's last word of the handshake.
      await nft(
        `flush chain inet t c; add rule inet t c tcp dport ${PORT} tcp flags & (syn | ack) == ack drop`,
      );
      const from = service === IPV4 ? '10.98.0.9' : 'fd98::9';
      const half = connect({ host: service, port: PORT, localAddress: from }).on('error', () => {});
      context.after(() => half.destroy());
      await once(half, 'connect');
      await is('CLOSING LAST-ACK SYN-RECV', [client, from]);
    },
  );
}

wireTest(
  'sockets: a listener and an attempt of this host itself do not count',
  ['ss', 'nft'],
  async (context) => {
    await enterNamespace();
    await listen(context, IPV4);
    await nft('table inet t { chain c { type filter hook output priority 0; tcp dport 9999 drop; }; }');
    const attempt = connect({ host: '10.98.0.1', port: 9_999, localAddress: IPV4 }).on('error', () => {});
    context.after(() => attempt.destroy());
    await becomes(IPV4, 'LISTEN SYN-SENT');
    assert.deepEqual(await listed('host', IPV4), { [IPV4]: [] });
  },
);

/** A program that prints what it is told about IPV4. */
const asking = (serve: 'host' | 'none'): readonly string[] => {
  const source = new URL('../../src/io/host/open-connections.ts', import.meta.url).href;
  const code = `import { createOpenConnections } from '${source}';
    const { connections, failure } = await createOpenConnections('${serve}').list(['${IPV4}']);
    console.log(JSON.stringify({ connections: connections && [...connections], failure }));`;
  return [process.execPath, '--input-type=module', '-e', code];
};

/** What a child with fewer capabilities, in the same namespace, is told. */
const askWithout = async (capabilities: string, serve: 'host' | 'none'): Promise<unknown> => {
  const drop = [`--bounding-set=${capabilities}`, `--inh-caps=${capabilities}`];
  return JSON.parse(await run('setpriv', [...drop, ...asking(serve)]));
};

wireTest('sockets: everybody may ask', ['ss', 'setpriv'], async (context) => {
  await enterNamespace();
  const open = await listen(context, '::');
  await open(IPV4, '10.98.0.1');
  assert.deepEqual(await askWithout('-all', 'host'), { connections: [[IPV4, ['10.98.0.1']]] });
});

wireTest(
  'sockets: 5,000 connections are counted, while the event loop runs and close() is obeyed',
  [],
  async (context) => {
    await enterNamespace();
    const open = await listen(context, '::');
    const AT_ONCE = 250;
    const COUNT = 20 * AT_ONCE;
    let made = 0;
    const openSome = (to: (index: number) => Ip): Promise<unknown> =>
      Promise.all(
        Array.from({ length: AT_ONCE }, (_, index) => {
          made += 1;
          return open(to(index), `10.98.${made >> 8}.${made & 255}`);
        }),
      );
    while (made < COUNT) await openSome((index) => (index % 2 === 0 ? IPV4 : OTHER));

    const openConnections = createOpenConnections('host');
    await openConnections.list([IPV4]); // The code is compiled.
    let longest = 0;
    let last = performance.now();
    const timer = setInterval(() => {
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }, 1);
    context.after(() => clearInterval(timer));
    const cpu = process.cpuUsage();
    const start = performance.now();
    const result = await openConnections.list([IPV4, OTHER]);
    const took = performance.now() - start;
    const { user, system } = process.cpuUsage(cpu);
    context.diagnostic(
      `${took.toFixed(1)} ms, CPU ${((user + system) / 1_000).toFixed(1)} ms, turns of ${longest.toFixed(1)} ms at most`,
    );
    assert.ok('connections' in result, JSON.stringify(result));
    assert.deepEqual(
      [...result.connections].map(([key, remotes]) => [key, remotes.length]),
      [
        [IPV4, COUNT / 2],
        [OTHER, COUNT / 2],
      ],
    );
    assert.equal(new Set([...result.connections.values()].flat()).size, COUNT);
    assert.equal(result.incomplete.size, 0);
    within(longest, 50, 'longest turn of the event loop');

    const interrupted = createOpenConnections('host');
    const pending = interrupted.list([IPV4, OTHER]);
    interrupted.close();
    assert.deepEqual(await pending, { failure: 'closed' });
    assert.deepEqual(await interrupted.list([IPV4]), { failure: 'closed' });

    while (made <= COUNT / 2 + MAX_REMOTES_PER_IP) await openSome(() => IPV4);
    const beyond = await openConnections.list([IPV4, OTHER]);
    assert.ok('connections' in beyond);
    assert.equal(beyond.connections.get(IPV4)?.length, MAX_REMOTES_PER_IP);
    assert.equal(beyond.connections.get(OTHER)?.length, COUNT / 2);
    assert.deepEqual([...beyond.incomplete], [IPV4]);
  },
);

/** Service IPs that this host forwards: nothing listens on them, DNAT leads to addresses of its own. */
const forward = (): Promise<string> =>
  nft(`table inet n {
    chain c {
      type nat hook output priority -100;
      ip daddr ${IPV4} dnat ip to 10.97.0.1
      ip daddr ${OTHER} dnat ip to 10.97.0.1
      ip6 daddr ${IPV6} dnat ip6 to fd97::1
    }
  }`);

const enterForwardingNamespace = async (): Promise<void> => {
  assert.equal(unshare(CLONE_NEWNET), 0);
  await ip('link set lo up');
  for (const address of ['10.97.0.1/32', 'fd97::1/128 nodad', 'fd98::1/128 nodad'])
    await ip(`addr add ${address.replace(' ', ' dev lo ')}${address.includes(' ') ? '' : ' dev lo'}`);
  for (const route of ['10.98.0.0/16', '10.99.0.0/24']) await ip(`route add local ${route} dev lo`);
  await ip('-6 route add fd99::/64 dev lo');
  await forward();
};

wireTest('conntrack: TCP by its original destination, until it is closed', ['nft'], async (context) => {
  await enterForwardingNamespace();
  const open = await listen(context, '::');
  assert.deepEqual(await listed('none', IPV4, IPV6), { [IPV4]: [], [IPV6]: [] });
  const first = await open(IPV4, '10.98.0.1');
  await open(IPV4, '10.98.0.1');
  const second = await open(IPV4, '10.98.0.2');
  await open(IPV6, 'fd98::1');
  await open(OTHER, '10.98.0.3');
  await open('10.97.0.1', '10.98.0.4');
  const all = { [IPV4]: ['10.98.0.1', '10.98.0.2'], [IPV6]: ['fd98::1'] };
  assert.deepEqual(await listed('none', IPV4, IPV6), all);
  // More than are asked for one by one.
  const more = { ...all, [OTHER]: ['10.98.0.3'], '10.97.0.9': [], 'fd97::9': [] };
  assert.deepEqual(await listed('none', ...Object.keys(more)), more);
  assert.deepEqual(await listed('none', IPV4, OTHER, '10.97.0.9'), {
    [IPV4]: all[IPV4],
    [OTHER]: ['10.98.0.3'],
    '10.97.0.9': [],
  });
  // The sockets' local address is the backend's: only conntrack knows.
  assert.deepEqual(await listed('host', IPV4), { [IPV4]: [] });

  first.client.end();
  second.server.end();
  await Promise.all([once(first.server, 'end'), once(second.client, 'end')]);
  assert.deepEqual(await listed('none', IPV4, IPV6), all, 'half-closed');
  second.client.end();
  await once(second.server, 'end');
  await sleep(50);
  assert.deepEqual(await listed('none', IPV4), { [IPV4]: ['10.98.0.1'] }, 'closed, TIME_WAIT');
});

wireTest(
  'conntrack: a forwarded connection counts for its client, behind SNAT too',
  ['nft'],
  async (context) => {
    const segment = await segmentFor(context, {
      hosts: [
        { name: 'n1', role: 'node' },
        { name: 'backend', role: 'node' },
        { name: 'client', role: 'client' },
      ],
    });
    const [node, backend, client] = ['n1', 'backend', 'client'].map(
      (name) => segment.hosts.get(name) as Host,
    ) as [Host, Host, Host];
    await node.exec('sh', ['-c', 'echo 1 >/proc/sys/net/ipv4/ip_forward']);
    await node.exec('nft', ['-f', '-'], {
      input: `table ip n {
      chain p { type nat hook prerouting priority -100; ip daddr ${IPV4} dnat to ${backend.ipv4}; }
      chain m { type nat hook postrouting priority 100; ip daddr ${backend.ipv4} masquerade; }
    }`,
    });
    await client.exec('ip', ['route', 'add', `${IPV4}/32`, 'via', node.ipv4 as string]);
    const start = async (host: Host, code: string): Promise<void> => {
      const child = host.spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
      await once(child.stdout as NodeJS.ReadableStream, 'data');
    };
    const ask = async (): Promise<unknown> => {
      const [program = '', ...args] = asking('none');
      return JSON.parse(await node.exec(program, args));
    };
    await start(
      backend,
      `net.createServer((socket) => socket.write('here')).listen(${PORT}, () => console.log('listens'))`,
    );
    assert.deepEqual(await ask(), { connections: [[IPV4, []]] });
    await start(client, `net.connect(${PORT}, '${IPV4}').on('data', () => console.log('open'))`);
    assert.deepEqual(await ask(), { connections: [[IPV4, [client.ipv4]]] });
  },
);

wireTest('conntrack: UDP once it was answered', ['nft'], async (context) => {
  await enterForwardingNamespace();
  const server = createSocket('udp4');
  context.after(() => server.close());
  server.on('message', (text, { address, port }) => {
    if (String(text) === 'answer') server.send('here', port, address);
  });
  server.bind(PORT, '10.97.0.1');
  await once(server, 'listening');
  for (const [from, text] of [
    ['10.98.0.1', 'answer'],
    ['10.98.0.2', 'hush'],
  ] as const) {
    const client = createSocket('udp4');
    context.after(() => client.close());
    client.bind(0, from);
    await once(client, 'listening');
    client.send(text, PORT, IPV4);
    if (text === 'answer') await once(client, 'message');
  }
  await sleep(50);
  assert.deepEqual(await listed('none', IPV4), { [IPV4]: ['10.98.0.1'] });
});

wireTest('conntrack: without CAP_NET_ADMIN the answer is EPERM, in words', ['nft', 'setpriv'], async () => {
  await enterForwardingNamespace();
  assert.deepEqual(await askWithout('-net_admin', 'none'), {
    failure: 'EPERM: conntrack takes CAP_NET_ADMIN',
  });
});

/** RTM_GETADDR, which unlike the dumps above is interrupted whenever an address comes: that, the kernel says. */
const addressDump = (onFirst: () => void) => {
  let seen = 0;
  return {
    protocol: 0,
    encode: (header: { readonly headerFlags: number; readonly sequence: number }) => {
      seen = 0;
      return assemble(RTM_GETADDR, header, [new Uint8Array(8)]);
    },
    entryType: RTM_NEWADDR,
    take: () => {
      seen += 1;
      if (seen === 1) onFirst();
      return true;
    },
    isClosed: () => false,
  };
};

wireTest('a dump that was interrupted is taken again, thrice at most', [], async () => {
  await enterNamespace();
  const netlink = openNetlinkSocket();
  let next = 0;
  const addOne = (): void => {
    const address = `10.96.${next >> 8}.${next & 255}`;
    next += 1;
    netlink.request(
      1,
      (_, header) =>
        ({
          ...{
            kind: 'address',
            change: 'new',
            index: 1,
            ip: address,
            peer: null,
            prefixLength: 32,
            scope: 0,
          },
          ...{ flags: 0, protocol: 0, preferredSeconds: null, ...header },
          headerFlags: header.headerFlags | NLM_F_CREATE,
        }) as const,
    );
  };
  for (let index = 0; index < 2_000; index += 1) addOne();
  assert.equal(await takeDump(addressDump(() => {})), null);
  assert.equal(await takeDump(addressDump(addOne)), 'interrupted');
  let dumps = 0;
  const once = (): void => {
    if (dumps === 0) addOne();
    dumps += 1;
  };
  assert.equal(await takeDump(addressDump(once)), null);
  assert.equal(dumps, 2);
  netlink.close();
});

wireTest('what this kernel lacks comes back as a code', [], async () => {
  await enterNamespace();
  const dump = { ...addressDump(() => {}), take: () => true };
  assert.equal(await takeDump({ ...dump, protocol: 31 }), 'EPROTONOSUPPORT');
  // A subsystem of nfnetlink that nobody serves, as without nf_conntrack_netlink.
  const encode = (header: Parameters<typeof dump.encode>[0]) => assemble(0xfe01, header, [new Uint8Array(4)]);
  assert.equal(await takeDump({ ...dump, protocol: 12, encode }), 'EINVAL');
  assert.equal(await takeDump({ ...dump, take: () => false }), 'malformed');
});

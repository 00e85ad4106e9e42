// The link monitor against the real kernel. Each test has a network namespace of its own: this process moves
// into a new one (unshare, this thread only), and the last descriptor closed removes it.

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import koffi from 'koffi';
import { openHostAddresses } from '../../src/io/host/host-addresses.ts';
import { type InterfaceFact, type LinkMonitor, openLinkMonitor } from '../../src/io/host/link-monitor.ts';
import { POLLIN, poll } from '../../src/io/native/libc.ts';

const CLONE_NEWNET = 0x40000000;
const unshare = koffi.load('libc.so.6').func('int unshare(int flags)');
const skip = process.getuid?.() === 0 ? false : 'not root: cannot make a network namespace';

const run = (line: string): string => execFileSync('ip', line.split(' '), { encoding: 'utf8' });
/** Many commands in one process; those that the kernel refuses are passed over. */
const batch = (lines: readonly string[]): void => {
  spawnSync('ip', ['-force', '-batch', '-'], { input: `${lines.join('\n')}\n` });
};

const readable = (monitor: LinkMonitor): boolean => {
  const entry = new DataView(new ArrayBuffer(8));
  entry.setInt32(0, monitor.fd, true);
  entry.setInt16(4, POLLIN, true);
  return poll(new Uint8Array(entry.buffer), 1, 0) > 0;
};

/** Reads until the socket has been quiet for 100 ms; the last fact of each name. */
const settle = async (monitor: LinkMonitor): Promise<Map<string, InterfaceFact>> => {
  const facts = new Map<string, InterfaceFact>();
  for (let quiet = 0; quiet < 10; ) {
    if (readable(monitor)) {
      quiet = 0;
      for (const fact of monitor.read()) facts.set(fact.name, fact);
    } else {
      quiet += 1;
      await sleep(10);
    }
  }
  return facts;
};

/** The kernel tells of its own link-local addresses only when it has checked them, a second or two after. */
const isSettled = (prefix: string): boolean => !prefix.startsWith('fe80:');

/** The facts as iproute2 sees them. */
const truth = (): Map<string, { up: boolean; mac: string; index: number; prefixes: string[] }> => {
  interface Seen {
    readonly ifname: string;
    readonly ifindex: number;
    readonly link_type: string;
    readonly address: string;
    readonly flags: readonly string[];
    readonly addr_info: readonly { readonly local: string; readonly prefixlen: number }[];
  }
  const seen = (JSON.parse(run('-j addr show')) as Seen[]).filter((link) => link.link_type === 'ether');
  return new Map(
    seen.map((link) => [
      link.ifname,
      {
        up: link.flags.includes('UP') && link.flags.includes('LOWER_UP'),
        mac: link.address,
        index: link.ifindex,
        prefixes: link.addr_info
          .map(({ local, prefixlen }) => `${local}/${prefixlen}`)
          .filter(isSettled)
          .sort(),
      },
    ]),
  );
};

const plain = ({ up, mac, index, prefixes }: InterfaceFact) => ({
  up,
  mac,
  index,
  prefixes: prefixes
    .map(({ ip, length }) => `${ip}/${length}`)
    .filter(isSettled)
    .sort(),
});

const assertTrue = (monitor: LinkMonitor): void => {
  assert.deepEqual(new Map(monitor.list().map((fact) => [fact.name, plain(fact)])), truth());
};

describe('the link monitor', { skip }, () => {
  let monitor: LinkMonitor;

  beforeEach(async () => {
    assert.equal(unshare(CLONE_NEWNET), 0);
    run('link set lo up');
    run('link add v0 address 02:00:00:00:00:01 type veth peer name v1');
    run('addr add 10.99.0.1/24 dev v0');
    monitor = openLinkMonitor();
  });
  afterEach(() => monitor.close());

  it('begins with a dump of what there is, without lo', async () => {
    const facts = await settle(monitor);
    assert.deepEqual([...facts.keys()].sort(), ['v0', 'v1']);
    const { index, ...rest } = facts.get('v0') as InterfaceFact;
    assert.ok(index > 1);
    assert.deepEqual(rest, {
      name: 'v0',
      mac: '02:00:00:00:00:01',
      up: false,
      gone: false,
      prefixes: [{ ip: '10.99.0.1', length: 24 }],
    });
    assertTrue(monitor);
    assert.equal((await settle(monitor)).size, 0, 'nothing changed, nothing is reported');
    monitor.requestDump();
    assert.equal((await settle(monitor)).size, 0, 'a dump that shows what is known reports nothing');
  });

  it('reports up only with both admin state and carrier', async () => {
    await settle(monitor);
    run('link set v0 up');
    assert.equal((await settle(monitor)).get('v0')?.up, undefined, 'up without carrier is still down');
    run('link set v1 up');
    const up = await settle(monitor);
    assert.deepEqual([up.get('v0')?.up, up.get('v1')?.up], [true, true]);
    const start = performance.now();
    const isLinkLocal = (prefix: { readonly ip: string }): boolean => prefix.ip.startsWith('fe80::');
    while (!monitor.list().some((fact) => fact.prefixes.some(isLinkLocal))) {
      assert.ok(performance.now() - start < 5000, 'the link-local address appears');
      await settle(monitor);
    }
    run('link set v1 down');
    const down = await settle(monitor);
    assert.deepEqual([down.get('v0')?.up, down.get('v1')?.up], [false, false]);
    assertTrue(monitor);
  });

  it('reports a link down at once, without being asked', async (context) => {
    run('link set v0 up');
    run('link set v1 up');
    await settle(monitor);
    run('link set v1 down');
    const start = performance.now();
    while (!readable(monitor) && performance.now() - start < 1000) await sleep(1);
    context.diagnostic(`readable ${(performance.now() - start).toFixed(1)} ms after ip had returned`);
    assert.ok(readable(monitor));
  });

  it('reports a changed MAC and changed addresses, whole', async () => {
    await settle(monitor);
    run('link set v0 address 02:00:00:00:00:99');
    assert.equal((await settle(monitor)).get('v0')?.mac, '02:00:00:00:00:99');
    run('addr add 10.98.0.1/16 dev v0');
    run('-6 addr add fd99:0:0:1::1/64 dev v0 nodad');
    assert.deepEqual((await settle(monitor)).get('v0')?.prefixes, [
      { ip: '10.98.0.1', length: 16 },
      { ip: '10.99.0.1', length: 24 },
      { ip: 'fd99:0:0:1::1', length: 64 },
    ]);
    run('addr del 10.99.0.1/24 dev v0');
    assert.deepEqual(
      (await settle(monitor)).get('v0')?.prefixes.map((prefix) => prefix.ip),
      ['10.98.0.1', 'fd99:0:0:1::1'],
    );
    assertTrue(monitor);
  });

  it('reports interfaces that appear, go, and come back under the same name', async () => {
    const first = (await settle(monitor)).get('v0') as InterfaceFact;
    run('link add w0 type veth peer name w1');
    assert.deepEqual([...(await settle(monitor)).keys()].sort(), ['w0', 'w1']);
    run('link del v0');
    const gone = await settle(monitor);
    assert.deepEqual([...gone.values()].map((fact) => [fact.name, fact.gone, fact.up]).sort(), [
      ['v0', true, false],
      ['v1', true, false],
    ]);
    run('link add v0 type veth peer name v1');
    run('link del w0');
    run('link add w0 type veth peer name w1');
    const back = await settle(monitor);
    assert.ok(
      [...back.values()].every((fact) => !fact.gone),
      'conflated: w0 is simply another one now',
    );
    assert.deepEqual([...back.keys()].sort(), ['v0', 'v1', 'w0', 'w1']);
    assert.notEqual(back.get('v0')?.index, first.index);
    assertTrue(monitor);
  });

  it('follows renames, a swap of two names included', async () => {
    const before = await settle(monitor);
    run('link set v0 name uplink');
    const renamed = await settle(monitor);
    assert.equal(renamed.get('v0')?.gone, true);
    assert.deepEqual({ ...renamed.get('uplink'), name: 'v0' }, before.get('v0'));
    run('link add v0 type veth peer name w1');
    await settle(monitor);
    batch(['link set uplink name x', 'link set v0 name uplink', 'link set x name v0']);
    const swapped = await settle(monitor);
    assert.deepEqual(swapped.get('v0'), before.get('v0'));
    assert.deepEqual(
      [...swapped.keys()].filter((name) => swapped.get(name)?.gone),
      [],
    );
    assertTrue(monitor);
  });

  it('does not take a port that leaves a bridge for an interface that is gone', async () => {
    run('link add br0 type bridge');
    run('link set v0 master br0');
    await settle(monitor);
    run('link set v0 nomaster');
    assert.equal((await settle(monitor)).get('v0')?.gone ?? false, false);
    assertTrue(monitor);
  });

  it('is not woken by the service IPs that Holdfast puts on lo', async () => {
    await settle(monitor);
    const host = openHostAddresses({ stateFile: `/tmp/holdfast-links-${process.pid}.json` });
    host.add(Array.from({ length: 300 }, (_, at) => `10.77.${at >> 8}.${at & 255}`));
    host.add(['fd77::1']);
    assert.equal(readable(monitor), false);
    run('addr add 10.97.0.1/24 dev v0');
    assert.equal(readable(monitor), true);
    // A dump datagram that begins with addresses of lo carries those of other interfaces too.
    monitor.requestDump();
    await settle(monitor);
    assertTrue(monitor);
    host.close();
  });

  it('ends a storm of changes with the right facts, read meanwhile or lost to an overflow', async (context) => {
    await settle(monitor);
    run('link add gone0 type veth peer name gone1');
    await settle(monitor);
    const flaps = Array.from({ length: 400 }, (_, at) => [
      `link set v0 ${at % 2 === 0 ? 'up' : 'down'}`,
      `link set v1 ${at % 3 === 0 ? 'down' : 'up'}`,
      `addr ${at % 2 === 0 ? 'add' : 'del'} 10.${(at >> 1) & 127}.0.1/24 dev v0`,
      `link set v0 address 02:00:00:00:01:${(at & 255).toString(16).padStart(2, '0')}`,
      `link add t${at} type veth peer name u${at}`,
      at % 8 === 0 ? `link set t${at} mtu 1400` : `link del t${at}`,
    ]).flat();
    const changes = [...flaps, 'link del gone0', 'link set v0 up', 'link set v1 up'];
    const half = changes.length >> 1;
    for (let at = 0; at < half; at += 40) {
      batch(changes.slice(at, Math.min(at + 40, half)));
      monitor.read();
    }
    await settle(monitor);
    assertTrue(monitor);
    batch(changes.slice(half));
    const start = performance.now();
    const facts = await settle(monitor);
    context.diagnostic(`settled ${(performance.now() - start - 100).toFixed(0)} ms after the unread half`);
    assert.equal(facts.get('gone0')?.gone, true);
    assert.deepEqual([facts.get('v0')?.up, facts.get('v1')?.up], [true, true]);
    assertTrue(monitor);
  });
});

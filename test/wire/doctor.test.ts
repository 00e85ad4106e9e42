// `holdfast doctor`: every finding, provoked in a namespace by the thing that it is about.
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import type { Finding, Level } from '../../src/cli/doctor/finding.ts';
import { type Bed, bedFor, holdfast } from '../support/bed.ts';
import { type WireContext, wireTest } from '../support/lab.ts';

interface Examined {
  readonly code: number | null;
  readonly ok: boolean;
  readonly findings: readonly Finding[];
}

const examine = async (bed: Bed, wrapper: readonly string[] = []): Promise<Examined> => {
  const args = ['doctor', '--json', '--config', bed.node.configFile];
  const { code, stdout, stderr } = await holdfast(bed.node.host, args, { wrapper });
  assert.equal(stderr, '');
  return { code, ...(JSON.parse(stdout) as { ok: boolean; findings: Finding[] }) };
};

const shell = (bed: Bed, script: string): Promise<string> =>
  bed.node.host.exec('sh', ['-ec', `cd /proc/sys/net; ${script}`]);

wireTest(
  'a healthy host: nothing fails, and the only warning is that hellos are not signed',
  [],
  async (context) => {
    const bed = await bedFor(context);
    const { code, ok, findings } = await examine(bed);
    assert.deepEqual([code, ok], [0, true], JSON.stringify(findings, null, 1));
    assert.deepEqual(
      findings.filter(({ level }) => level !== 'ok').map(({ level, code }) => [level, code]),
      [['warn', 'key']],
    );
    const codes = new Set(findings.map(({ code }) => code));
    for (const wanted of [
      ...[
        'kernel',
        'capability',
        'packet-socket',
        'real-time',
        'memory-lock',
        'interface',
        'subnet',
        'arp-ignore',
      ],
      ...['arp-announce', 'rp-filter', 'ipv6', 'mld', 'journal', 'control', 'key'],
    ])
      assert.ok(codes.has(wanted), `it says nothing about ${wanted}`);
    const text = await holdfast(bed.node.host, ['doctor', '--config', bed.node.configFile]);
    assert.equal(text.code, 0);
    for (const line of text.stdout.trimEnd().split('\n'))
      assert.match(line, /^(ok {2}|warn|fail) {2}[a-z0-9-]+ +\S/);
    assert.equal(text.stdout.trimEnd().split('\n').length, findings.length);
  },
);

wireTest('looking changes nothing: no file, no address, no setting', [], async (context) => {
  const bed = await bedFor(context);
  const look = (): Promise<string> =>
    shell(
      bed,
      `ip addr; grep -rs . ipv4/conf/eth0 ipv4/conf/all ipv6/conf/eth0 2>/dev/null || true; find ${bed.node.directory}`,
    );
  const before = await look();
  await examine(bed);
  // valid_lft and the random stable secret do not exist here; the rest must be the same to the letter.
  assert.equal(await look(), before);
});

interface Case {
  readonly title: string;
  readonly found: readonly [Level, string, RegExp];
  readonly extra?: string;
  readonly serviceIPs?: readonly string[];
  readonly wrapper?: readonly string[];
  /** In the node's namespace, with /proc/sys/net as the working directory. */
  readonly script?: string;
  readonly prepare?: (bed: Bed, context: WireContext) => void | Promise<void>;
}

const without = (capability: string): readonly string[] => [
  ...['setpriv', '--bounding-set', `-${capability}`, '--inh-caps', `-${capability}`],
];

const rewrite = (bed: Bed, from: RegExp, to: string): void =>
  writeFileSync(bed.node.configFile, readFileSync(bed.node.configFile, 'utf8').replace(from, to));

const keyFile =
  (content: string, mode: number) =>
  (bed: Bed): void => {
    const file = join(bed.node.directory, 'keys');
    writeFileSync(file, content);
    chmodSync(file, mode);
    writeFileSync(
      bed.node.configFile,
      `${readFileSync(bed.node.configFile, 'utf8')}heartbeat: {keyFile: ${file}}\n`,
    );
  };
const KEY = `${'5a'.repeat(32)}\n`;

/** A small file system of its own at the journal's place, in the mount namespace of the wrapper only. */
const onTmpfs = (bed: Bed, size: string, after: string): readonly string[] => [
  ...['unshare', '-m', 'sh', '-ec'],
  `mkdir -p ${bed.node.journal}; mount -t tmpfs -o size=${size} none ${bed.node.journal}; ${after} exec "$@"`,
  'sh',
];

const CASES: readonly (Case | ((bed: Bed) => Case))[] = [
  {
    title: 'no CAP_NET_RAW',
    wrapper: without('net_raw'),
    found: ['fail', 'capability', /CAP_NET_RAW is missing/],
  },
  {
    title: 'no CAP_NET_ADMIN with serve: host',
    wrapper: without('net_admin'),
    found: ['fail', 'capability', /CAP_NET_ADMIN is missing/],
  },
  {
    title: 'no right to packet sockets in this namespace (a user namespace that does not own it)',
    wrapper: ['unshare', '--user', '--map-root-user'],
    found: ['fail', 'packet-socket', /EPERM/],
  },
  { title: 'no CAP_SYS_NICE', wrapper: without('sys_nice'), found: ['warn', 'real-time', /EPERM/] },
  {
    title: 'no CAP_IPC_LOCK and no limit to speak of',
    wrapper: ['prlimit', '--memlock=0:0', ...without('ipc_lock')],
    found: ['warn', 'memory-lock', /EPERM|ENOMEM/],
  },
  {
    title: 'an ancient kernel',
    wrapper: ['setarch', process.arch === 'arm64' ? 'aarch64' : 'x86_64', '--uname-2.6'],
    found: ['fail', 'kernel', /Linux 2\.6.*PACKET_IGNORE_OUTGOING/],
  },
  {
    title: 'an interface that is down',
    script: 'ip link set eth0 down',
    found: ['fail', 'interface', /eth0 is down/],
  },
  {
    title: 'an interface without carrier',
    prepare: (bed) => bed.segment.cut('n1'),
    found: ['fail', 'carrier', /eth0 is up without carrier/],
  },
  {
    title: 'an interface that is not there',
    extra: 'interfaces: [eth7]',
    found: ['fail', 'interface', /eth7 .*is not on this host/],
  },
  {
    title: 'an interface that is no Ethernet',
    extra: 'interfaces: [lo]',
    found: ['fail', 'interface', /lo is no Ethernet interface/],
  },
  {
    title: 'a service IP on no subnet',
    serviceIPs: ['10.99.0.100', '192.0.2.1'],
    found: ['fail', 'subnet', /192\.0\.2\.1: .*no on-link prefix/],
  },
  {
    title: 'a service IP that is an address of the interface',
    script: 'ip addr add 10.99.0.100/24 dev eth0',
    found: ['fail', 'address', /10\.99\.0\.100 on eth0: the kernel answers/],
  },
  {
    title: 'arp_ignore of all at a reserved value, which overrules the daemon',
    script: 'echo 4 >ipv4/conf/all/arp_ignore',
    found: ['fail', 'arp-ignore', /arp_ignore of eth0 is 4.*overrules/],
  },
  {
    title: 'arp_ignore that cannot be set (read-only /proc/sys)',
    wrapper: ['unshare', '-m', 'sh', '-ec', 'mount -o bind,ro /proc/sys /proc/sys; exec "$@"', 'sh'],
    found: ['fail', 'arp-ignore', /arp_ignore of eth0 is 0.*cannot set it/],
  },
  {
    title: 'arp_announce that cannot be set (read-only /proc/sys)',
    wrapper: ['unshare', '-m', 'sh', '-ec', 'mount -o bind,ro /proc/sys /proc/sys; exec "$@"', 'sh'],
    found: ['fail', 'arp-announce', /arp_announce of eth0 is 0.*cannot set it/],
  },
  {
    title: 'kube-proxy in IPVS mode without strictARP',
    extra: 'serve: none',
    script: 'ip link add kube-ipvs0 type veth peer name other; ip addr add 10.99.0.100/32 dev kube-ipvs0',
    found: ['fail', 'strict-arp', /IPVS.*arp_ignore of eth0 is 0/],
  },
  {
    title: 'strict reverse path filter beside a second interface',
    script:
      'ip link add eth1 type veth peer name other; ip addr add 192.0.2.9/24 dev eth1; echo 1 >ipv4/conf/all/rp_filter',
    found: ['warn', 'rp-filter', /rp_filter of eth0 is 1 \(strict\) beside eth1/],
  },
  {
    title: 'IPv6 disabled on the interface',
    script: 'echo 1 >ipv6/conf/eth0/disable_ipv6',
    found: ['fail', 'ipv6', /IPv6 is disabled on eth0/],
  },
  {
    title: 'IPv6 disabled on lo, where the IPs go',
    script: 'echo 1 >ipv6/conf/lo/disable_ipv6',
    found: ['fail', 'ipv6', /disabled on lo/],
  },
  {
    title: 'no link-local address',
    script: 'ip -6 addr flush dev eth0 scope link',
    found: ['warn', 'link-local', /eth0 has no link-local address/],
  },
  {
    title: 'too little optmem',
    script: 'echo 8192 >core/optmem_max',
    found: ['fail', 'mld', /optmem_max is 8192/],
  },
  {
    title: 'MLDv1 forced',
    script: 'echo 1 >ipv6/conf/eth0/force_mld_version',
    found: ['warn', 'mld', /MLDv1 is forced on eth0/],
  },
  {
    title: 'a journal directory that cannot be written',
    prepare: (bed) => rewrite(bed, /journal: .*/, 'journal: {directory: /proc/nothing}'),
    found: ['fail', 'journal', /\/proc\/nothing cannot be written/],
  },
  (bed) => ({
    title: 'less space than the journal may take',
    wrapper: onTmpfs(bed, '32m', ''),
    found: ['warn', 'journal-space', /32 MiB are free .*256 MiB/],
  }),
  (bed) => ({
    title: 'no space left',
    wrapper: onTmpfs(bed, '4m', `head -c 4194304 /dev/zero >${bed.node.journal}/full;`),
    found: ['fail', 'journal-space', /no space is left/],
  }),
  {
    title: 'a control socket that another daemon holds',
    prepare: async (bed, context) => {
      await bed.node.start();
      context.after(() => bed.node.signal('SIGKILL'));
      rewrite(bed, /node: n1/, 'node: n2');
    },
    found: ['fail', 'control', /taken by holdfast n1 \(process \d+\)/],
  },
  {
    title: 'a control socket that something else holds',
    prepare: async (bed, context) => {
      const server = createServer((_, response) => response.end('hello'));
      await new Promise<void>((resolve) => server.listen(bed.node.socket, resolve));
      context.after(() => server.close());
    },
    found: ['fail', 'control', /taken by something else/],
  },
  {
    title: 'a directory of the control socket that cannot be written',
    prepare: (bed) => rewrite(bed, /control: .*/, 'control: /proc/holdfast/holdfast.sock'),
    found: ['fail', 'control', /\/proc\/holdfast cannot be written/],
  },
  {
    title: 'a key file that others may read',
    prepare: keyFile(KEY, 0o644),
    found: ['warn', 'key', /mode 0644 lets other users read/],
  },
  {
    title: 'a key file that holds no key',
    prepare: keyFile('# nothing\n', 0o600),
    found: ['fail', 'key', /no key/],
  },
  {
    title: 'a key file that is not there',
    extra: 'heartbeat: {keyFile: /nowhere/keys}',
    found: ['fail', 'key', /does not exist/],
  },
];

for (const given of CASES) {
  const { title } = typeof given === 'function' ? given({ node: {} } as Bed) : given;
  wireTest(`doctor finds ${title}`, [], async (context) => {
    const { extra, serviceIPs } = typeof given === 'function' ? ({} as Partial<Case>) : given;
    const bed = await bedFor(context, {
      ...(extra === undefined ? {} : { extra }),
      ...(serviceIPs === undefined ? {} : { serviceIPs }),
    });
    const { found, wrapper, script, prepare } = typeof given === 'function' ? given(bed) : given;
    if (script !== undefined) await shell(bed, script);
    await prepare?.(bed, context);
    const { code, ok, findings } = await examine(bed, wrapper);
    const [level, wanted, text] = found;
    const about = findings.filter((finding) => finding.code === wanted && finding.level === level);
    assert.ok(
      about.some(({ what, right }) => text.test(what) && (right ?? '') !== ''),
      JSON.stringify(findings, null, 1),
    );
    const isFit = findings.every((finding) => finding.level !== 'fail');
    assert.deepEqual([code, ok], [isFit ? 0 : 1, isFit]);
    if (level === 'fail') assert.equal(code, 1);
  });
}

wireTest('a running daemon of this name is no fault, nor are its addresses', [], async (context) => {
  const bed = await bedFor(context);
  await bed.node.start();
  await bed.lead();
  mkdirSync(bed.node.journal, { recursive: true });
  const { code, findings } = await examine(bed);
  assert.equal(code, 0, JSON.stringify(findings, null, 1));
  assert.ok(findings.some(({ code: about, what }) => about === 'control' && /n1 .* is running/.test(what)));
});

wireTest('a bad file, and a socket that is not asked, end with exit code 2', [], async (context) => {
  const bed = await bedFor(context);
  const wire = await holdfast(bed.node.host, ['doctor', '--socket', '/run/x']);
  assert.deepEqual([wire.code, wire.stdout], [2, '']);
  assert.match(wire.stderr, /^holdfast: --socket: .*\n$/);
  assert.equal((await holdfast(bed.node.host, ['doctor', '--config', '/nowhere'])).code, 2);
});

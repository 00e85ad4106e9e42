// What a running daemon shows to people and scripts: status, health, metrics; and what it says when it may not run.
import assert from 'node:assert/strict';
import { type Bed, bedFor, type Ended, holdfast, leadingBed, sleep } from '../support/bed.ts';
import { wireTest } from '../support/lab.ts';

const get = async (bed: Bed, url: string): Promise<{ readonly status: number; readonly body: string }> => {
  const code = `fetch(${JSON.stringify(url)}).then(async (r) => console.log(JSON.stringify({status: r.status, body: await r.text()})))`;
  return JSON.parse(await bed.node.host.exec(process.execPath, ['-e', code])) as {
    status: number;
    body: string;
  };
};

const METRICS = 'http://127.0.0.1:9476';

/** All of contract.md. */
const NAMES = [
  'holdfast_service_ip_state',
  'holdfast_transitions_total',
  'holdfast_takeover_seconds',
  'holdfast_client_convergence_seconds',
  'holdfast_answers_total',
  'holdfast_frames_dropped_total',
  'holdfast_announcements_total',
  'holdfast_rivals_total',
  'holdfast_peers',
  'holdfast_hello_lateness_seconds',
  'holdfast_journal_bytes_total',
  'holdfast_step_seconds',
];

wireTest(
  'status, /healthz, /readyz and /metrics tell what is, with the fields of the contract',
  ['arping'],
  async (context) => {
    const bed = await bedFor(context);
    await bed.node.start();
    const early = await get(bed, `${METRICS}/healthz`);
    assert.deepEqual([early.status, early.body], [200, 'ok\n']);
    await bed.lead();
    assert.deepEqual(await get(bed, `${METRICS}/readyz`), { status: 200, body: 'ready\n' });
    await bed.client.exec('arping', ['-c', '3', '-W', '0.1', '-i', 'eth0', '10.99.0.100']);
    const { code, stdout } = await holdfast(bed.node.host, ['status', '--json', '--socket', bed.node.socket]);
    assert.equal(code, 0);
    const status = JSON.parse(stdout) as Record<string, unknown> & {
      serviceIPs: Record<string, unknown>[];
      interfaces: Record<string, unknown>[];
    };
    assert.deepEqual([status.node, status.ready, status.drained, status.peers], ['n1', true, false, []]);
    assert.equal(typeof status.version, 'string');
    const [port] = status.interfaces.filter(({ name }) => name === 'eth0');
    assert.deepEqual([port?.mac, port?.up], [bed.node.host.mac, true]);
    assert.ok((port?.answered as number) >= 3);
    for (const service of status.serviceIPs) {
      const { ip, since, reason, ...rest } = service;
      assert.ok(bed.serviceIPs.includes(ip as string));
      assert.match(since as string, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      assert.equal(typeof reason, 'string');
      const { state, holder, epoch, cause, interface: on, mac } = rest;
      assert.deepEqual(
        { state, holder, epoch, cause, on, mac },
        { state: 'leader', holder: 'n1', epoch: 1, cause: 'unclaimed', on: 'eth0', mac: bed.node.host.mac },
      );
      assert.equal(typeof rest.weak, 'boolean');
    }
    const api = await get(bed, 'http://127.0.0.1:9475/api/v1/status');
    assert.equal((JSON.parse(api.body) as { node: string }).node, 'n1');

    const { body } = await get(bed, `${METRICS}/metrics`);
    for (const name of NAMES) {
      assert.match(body, new RegExp(`^# HELP ${name} \\S`, 'm'));
      assert.match(body, new RegExp(`^# TYPE ${name} (counter|gauge|histogram)$`, 'm'));
    }
    const typed = [...body.matchAll(/^# TYPE (\S+)/gm)].map((match) => match[1] as string);
    for (const name of typed) assert.match(body, new RegExp(`^# HELP ${name} \\S`, 'm'), `${name} has help`);
    const value = (series: string): number =>
      Number(
        body
          .split('\n')
          .find((line) => line.startsWith(`${series} `))
          ?.split(' ')[1],
      );
    assert.equal(value('holdfast_service_ip_state{ip="10.99.0.100",state="leader"}'), 1);
    assert.ok(value('holdfast_answers_total{interface="eth0",protocol="arp"}') >= 3, body);
    assert.ok(value('holdfast_transitions_total{from="candidate",to="leader"}') === 2);
    assert.ok(value('holdfast_announcements_total{protocol="arp"}') >= 2);
    assert.ok(value('holdfast_takeover_seconds_count') === 2);
    // A scrape counts nothing twice.
    const again = (await get(bed, `${METRICS}/metrics`)).body;
    assert.ok(again.includes('holdfast_transitions_total{from="candidate",to="leader"} 2'));
    assert.equal((await get(bed, `${METRICS}/nothing`)).status, 404);
  },
);

const run = (bed: Bed, wrapper: readonly string[]): Promise<Ended> =>
  holdfast(bed.node.host, ['run', '--config', bed.node.configFile], {
    wrapper: ['timeout', '-s', 'KILL', '8', ...wrapper],
  });

wireTest(
  'a missing capability is named, with what it is for: exit code 3, one line, nothing touched',
  [],
  async (context) => {
    const bed = await bedFor(context);
    for (const [drop, named] of [
      ['-net_raw', /CAP_NET_RAW/],
      ['-net_admin', /CAP_NET_ADMIN/],
      ['-net_raw,-net_admin', /CAP_NET_RAW .* and CAP_NET_ADMIN/],
    ] as const) {
      const { code, stdout, stderr } = await run(bed, [
        'setpriv',
        '--bounding-set',
        drop,
        '--inh-caps',
        drop,
      ]);
      assert.deepEqual([code, stdout], [3, ''], stderr);
      assert.match(stderr, named);
      assert.equal(stderr.trim().split('\n').length, 1);
    }
  },
);

wireTest('serve: none needs CAP_NET_RAW only', [], async (context) => {
  const drop = ['setpriv', '--bounding-set', '-net_admin', '--inh-caps', '-net_admin'];
  const bed = await leadingBed(context, { extra: 'serve: none', wrapper: drop });
  const load = await bed.load(['--rate', '200', '--duration', '300', ...bed.serviceIPs]);
  assert.equal(load.lost, 0);
  assert.doesNotMatch(await bed.node.host.exec('ip', ['addr', 'show', 'dev', 'lo']), /10\.99\.0\.100/);
});

wireTest(
  'a journal directory that cannot be written: exit code 2, file, key and reason in one line',
  [],
  async (context) => {
    const bed = await bedFor(context, { extra: '' });
    const { readFileSync, writeFileSync } = await import('node:fs');
    const text = readFileSync(bed.node.configFile, 'utf8');
    for (const directory of ['/proc/nothing', '/dev/null/journal']) {
      writeFileSync(bed.node.configFile, text.replace(/journal: .*/, `journal: {directory: ${directory}}`));
      const { code, stderr } = await run(bed, ['env']);
      assert.equal(code, 2, stderr);
      assert.match(stderr, new RegExp(`config\\.yaml: journal\\.directory: ${directory} cannot be written`));
      assert.equal(stderr.trim().split('\n').length, 1);
    }
  },
);

wireTest(
  'an IP on no prefix of this host is a finding, not a refusal, and the others are served',
  [],
  async (context) => {
    const bed = await bedFor(context, { serviceIPs: ['10.99.0.100', '192.0.2.1'] });
    await bed.node.start();
    await sleep(2_000);
    const { serviceIPs, findings } = await bed.node.status();
    assert.deepEqual(serviceIPs.map(({ ip, state }) => [ip, state]).sort(), [
      ['10.99.0.100', 'leader'],
      ['192.0.2.1', 'unowned'],
    ]);
    assert.ok(
      findings.some((text) => text.includes('192.0.2.1')),
      findings.join('\n'),
    );
  },
);

wireTest('2,000 hostile connections to the metrics port leave answers as they were', [], async (context) => {
  const bed = await leadingBed(context);
  const code = `
    const net = require('node:net');
    let left = 2000;
    const one = () => { left -= 1; if (left < 0) return; const s = net.connect(9476, '127.0.0.1', () => { s.write(['GET /metrics HTTP/1.1\\r\\n\\r\\n', '\\0\\xff'.repeat(50), 'POST /metrics HTTP/1.1\\r\\nhost: x\\r\\ncontent-length: 99999999\\r\\n\\r\\n'][Math.abs(left) % 3]); setTimeout(() => s.destroy(), 5); }); s.on('error', () => {}); s.on('close', one); };
    for (let i = 0; i < 300; i++) one();`;
  const hostile = bed.node.host.exec(process.execPath, ['-e', code]);
  const load = await bed.load(['--rate', '500', '--duration', '1500', ...bed.serviceIPs]);
  await hostile;
  assert.equal(load.lost, 0);
  assert.equal((await get(bed, `${METRICS}/healthz`)).status, 200);
});

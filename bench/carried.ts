// `npm run bench:carried`: what it costs a draining node to see who still sends to it. A client floods a service IP
// with UDP; prints how many packets a second its kernel gets through, and the CPU of the node's daemon, while the
// node leads the IP (no packet is looked at) and while the IP drains there (every packet meets the filter), with one
// sender and with many.
// Usage: carried.ts [--seconds N] [--runs N]
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { enclose } from '../src/cli/lab/enclosure.ts';
import { type LabNode, sleep } from '../src/cli/lab/lab-node.ts';
import { createStage } from '../src/cli/lab/stage.ts';
import { ipToBytes, writeMac } from '../src/io/packets/address.ts';
import { quantile } from './statistics.ts';

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '4' }, runs: { type: 'string', default: '3' } },
});
const FLOOD = fileURLToPath(new URL('./answer-flood.ts', import.meta.url));
const SERVICE_IP = '10.99.0.100';
const TICKS_PER_SECOND = 100;
/** As fast as the sender can. */
const RATE = 5_000_000;

/** Ethernet, IPv4 and UDP without a checksum to a port that nobody listens on; 60 octets as on a real wire. */
const packetFrom = (sender: number, to: string): Buffer => {
  const bytes = Buffer.alloc(60);
  writeMac(to, bytes, 0);
  writeMac(`02:00:00:00:09:${(sender & 255).toString(16).padStart(2, '0')}`, bytes, 6);
  bytes.writeUInt16BE(0x0800, 12);
  bytes.set([0x45, 0, 0, 46, 0, 0, 0x40, 0, 64, 17], 14);
  bytes.set(ipToBytes(`10.99.0.${180 + (sender % 60)}`), 26);
  bytes.set(ipToBytes(SERVICE_IP), 30);
  let sum = 0;
  for (let at = 14; at < 34; at += 2) sum += bytes.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  bytes.writeUInt16BE(~sum & 0xffff, 24);
  bytes.writeUInt16BE(40_000, 34);
  bytes.writeUInt16BE(9, 36);
  bytes.writeUInt16BE(26, 38);
  return bytes;
};

const fileOf = (directory: string, senders: number, to: string): string => {
  const file = join(directory, `flood-${senders}`);
  const frames = Array.from({ length: senders }, (_, index) => packetFrom(index, to));
  const lengths = frames.map((frame) => Buffer.concat([Buffer.from([0, frame.length]), frame]));
  writeFileSync(file, Buffer.concat(lengths));
  return file;
};

const cpuSeconds = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
};

await enclose();
const stage = await createStage({
  nodes: 2,
  clients: 1,
  serviceIPs: [SERVICE_IP],
  extra: 'drain: {window: 1h, quiet: 1h}',
});
const owner = await stage.gathered();
await stage.settled();
// Closed ports answer with ICMP, at a limited rate: not what is measured.
await owner.host.exec('nft', ['-f', '-'], {
  input:
    'table inet quiet { chain in { type filter hook input priority 0; ip daddr 10.99.0.100 udp dport 9 drop; }; }\n',
});

const measure = async (node: LabNode, senders: number): Promise<readonly [number, number]> => {
  const file = fileOf(stage.segment.directory, senders, node.host.mac);
  const seconds = Number(values.seconds);
  const before = cpuSeconds(node.pid());
  const text = await stage.client.exec(
    process.execPath,
    [FLOOD, '--rate', String(RATE), '--duration', String(seconds * 1_000), file],
    { timeoutMs: 120_000 },
  );
  const { framesPerSecond } = JSON.parse(text) as { framesPerSecond: number };
  return [framesPerSecond, (100 * (cpuSeconds(node.pid()) - before)) / seconds];
};

const median = (list: readonly number[]): number =>
  quantile(
    [...list].sort((a, b) => a - b),
    0.5,
  );
const rows = new Map<string, [number[], number[]]>();
const play = async (words: string, senders: number): Promise<void> => {
  for (let run = 0; run < Number(values.runs); run += 1) {
    const [rate, cpu] = await measure(owner, senders);
    const row = rows.get(words) ?? [[], []];
    row[0].push(rate);
    row[1].push(cpu);
    rows.set(words, row);
  }
};
await play('leads, 1 sender', 1);
await play('leads, 200 senders', 200);
const { code, err } = await owner.command('drain');
if (code !== 0) throw new Error(err);
await sleep(1_000);
await play('drains, 1 sender', 1);
await play('drains, 200 senders', 200);
console.log('the node            packets/s  CPU of its daemon %');
for (const [words, [rates, cpus]] of rows) {
  console.log(
    `${words.padEnd(20)}${median(rates).toFixed(0).padStart(9)}${median(cpus).toFixed(1).padStart(21)}`,
  );
}
const [service] = (await owner.status()).serviceIPs;
console.log(`senders seen while it drained: ${service?.staleClients}`);
await stage.dispose();

// What the tour leaves to play with: the lab stays up, and commands for another root shell are printed, each of
// which works by itself when it is copied.
import { fileURLToPath } from 'node:url';
import { print } from '../command.ts';
import { insideEnclosure, pidOutside } from './enclosure.ts';
import type { LabNode } from './lab-node.ts';
import { LAB_SERVICE_IPS, type Stage } from './stage.ts';

const PROGRAM = fileURLToPath(new URL('../../../bin/holdfast', import.meta.url));

const untilInterrupted = (): Promise<void> =>
  new Promise((resolve) => {
    // A timer keeps the process alive; a signal handler alone does not.
    const idle = setInterval(() => {}, 60_000);
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => {
        clearInterval(idle);
        resolve();
      });
    }
  });

const quoted = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;

type Suggestion = readonly [words: string, command: string];

const suggestions = async ({ segment, client, nodes, owners }: Stage): Promise<readonly Suggestion[]> => {
  const [ip] = LAB_SERVICE_IPS;
  const owner = (await owners()).get(ip) as LabNode;
  const other = nodes.find((node) => node !== owner) ?? owner;
  const program = quoted(PROGRAM);
  const inSwitch = `nsenter --net=${segment.switch.netnsPath} ip link set ${owner.host.name}`;
  return [
    [`what ${owner.host.name} knows`, `${program} status --socket ${owner.socket}`],
    ['the same live, in the terminal (q ends it)', `${program} top --socket ${owner.socket}`],
    ['a client that pings (Ctrl-C ends it)', `nsenter --net=${client.netnsPath} ping -i 0.1 ${ip}`],
    [`the cable of ${owner.host.name} is cut`, `${inSwitch} down`],
    ['and in again', `${inSwitch} up`],
    [`what ${other.host.name} thinks of it`, `${program} status --socket ${other.socket}`],
    [`${other.host.name} gives away what it owns`, `${program} drain --socket ${other.socket}`],
    ['and may own again', `${program} undrain --socket ${other.socket}`],
    [`the daemon of ${owner.host.name} is killed`, `kill -KILL ${owner.pid()}`],
    [
      'and starts again (Ctrl-C stops it)',
      `nsenter --net=${owner.host.netnsPath} ${program} run --config ${owner.configFile}`,
    ],
    [`the journal of ${other.host.name}, replayed`, `${program} replay ${other.journal}`],
    ['every frame on the switch', `nsenter --net=${segment.switch.netnsPath} tcpdump -eni br0 arp or icmp6`],
  ];
};

/** Prints what to try and waits for Ctrl-C or SIGTERM. */
export const playground = async (stage: Stage): Promise<void> => {
  const target = insideEnclosure() ? await pidOutside() : null;
  const enter = target === null ? '' : `nsenter --all --target ${target} `;
  print('');
  print('It stays up for you to play. In another terminal, as root, each of these lines works by itself:');
  for (const [words, command] of await suggestions(stage)) {
    print('');
    print(`  # ${words}`);
    print(`  ${enter}${command}`);
  }
  print('');
  print('Ctrl-C here ends it all.');
  await untilInterrupted();
};

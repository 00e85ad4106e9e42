// Hears hellos on eth0 of the namespace that it is started in and says each of them again, as whoever is on the
// segment can: at once or later, under a MAC of its own or that of the sender. Prints how many it said.
// Usage: repeat-process.ts --for MS [--delay MS] [--source MAC]
import { parseArgs } from 'node:util';
import { interfaceIndex } from '../../src/io/native/libc.ts';
import { writeMac } from '../../src/io/packets/address.ts';
import { ETHERTYPE_HELLO } from '../../src/io/packets/ethernet.ts';
import { openPacketSocket } from '../../src/io/wire/packet-socket.ts';
import { createPollSet } from '../../src/io/wire/poll-set.ts';

const { values } = parseArgs({
  options: {
    for: { type: 'string' },
    delay: { type: 'string', default: '0' },
    source: { type: 'string' },
  },
});

const socket = openPacketSocket('eth0', interfaceIndex('eth0'));
const pollSet = createPollSet([socket.fd]);
const received = new Uint8Array(2_048);
/** In the order in which they were heard; those of one delay at most. */
const waiting: { readonly dueAt: number; readonly frame: Uint8Array }[] = [];
const end = performance.now() + Number(values.for);
let said = 0;

const hear = (): void => {
  for (let length = socket.receive(received); length > 0; length = socket.receive(received)) {
    if (received[12] !== ETHERTYPE_HELLO >> 8 || received[13] !== (ETHERTYPE_HELLO & 0xff)) continue;
    const frame = received.slice(0, length);
    if (values.source !== undefined) writeMac(values.source, frame, 6);
    waiting.push({ dueAt: performance.now() + Number(values.delay), frame });
  }
};

const sayDue = (): void => {
  for (let [next] = waiting; next !== undefined && next.dueAt <= performance.now(); [next] = waiting) {
    waiting.shift();
    if (socket.send(next.frame) < 0) throw new Error('the kernel did not take a hello');
    said += 1;
  }
};

for (let now = performance.now(); now < end; now = performance.now()) {
  pollSet.wait(Math.max(0, Math.ceil(Math.min(end, waiting[0]?.dueAt ?? end) - now)));
  hear();
  sayDue();
}
socket.close();
process.stdout.write(`${said}\n`);

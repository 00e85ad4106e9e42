// Sends frames, given as hexadecimal arguments, on eth0 when a line comes in on stdin: the node that announces is
// started long before it does. Prints `ready` when it waits.
import { once } from 'node:events';
import { interfaceIndex } from '../src/io/native/libc.ts';
import { openPacketSocket } from '../src/io/wire/packet-socket.ts';

const socket = openPacketSocket('eth0', interfaceIndex('eth0'));
process.stdout.write('ready\n');
await once(process.stdin, 'data');
for (const frame of process.argv.slice(2)) {
  if (socket.send(Buffer.from(frame, 'hex')) < 0) throw new Error(`the kernel did not take ${frame}`);
}
socket.close();
process.exit(0);

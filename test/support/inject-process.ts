// Sends frames, given as hexadecimal arguments, on eth0 of the namespace that it is started in, back to back.
import { interfaceIndex } from '../../src/io/native/libc.ts';
import { openPacketSocket } from '../../src/io/wire/packet-socket.ts';

const socket = openPacketSocket('eth0', interfaceIndex('eth0'));
for (const frame of process.argv.slice(2)) {
  if (socket.send(Buffer.from(frame, 'hex')) < 0) throw new Error(`the kernel did not take ${frame}`);
}
socket.close();

// A process of bench/page.ts, in a node's network namespace: many listeners of the page's stream that read, and many
// connections that never finish their request (slow-loris), each made anew when the daemon closes it. A line of JSON
// on stdout every second: how many of each are open, and what the listeners heard.
// Usage: page-crowd.ts STREAMS SLOW PORT
import { get } from 'node:http';
import { connect, type Socket } from 'node:net';

const [streams = 0, slow = 0, port = 9475] = process.argv.slice(2).map(Number);
const host = '127.0.0.1';
/** Opened one after the other, as visitors come. */
const BETWEEN_MS = 1;
/** A byte of a header that never ends, so often. */
const DRIP_MS = 1_000;
const AGAIN_MS = 500;

let listening = 0;
let refused = 0;
let bytes = 0;
let reset = 0;
const dripping = new Set<Socket>();

const listen = (): void => {
  const again = (): void => void setTimeout(listen, AGAIN_MS);
  get({ host, port, path: '/api/v1/events', agent: false }, (response) => {
    if (response.statusCode !== 200) {
      refused += 1;
      response.resume();
      return again();
    }
    listening += 1;
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    response.on('error', () => {});
    response.on('close', () => {
      listening -= 1;
      again();
    });
  }).on('error', () => {
    refused += 1;
    again();
  });
};

const drip = (): void => {
  const socket = connect(port, host, () => {
    dripping.add(socket);
    socket.write('GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\nX-Slow: ');
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    dripping.delete(socket);
    reset += 1;
    setTimeout(drip, AGAIN_MS);
  });
};

for (let index = 0; index < streams; index += 1) setTimeout(listen, index * BETWEEN_MS);
for (let index = 0; index < slow; index += 1) setTimeout(drip, index * BETWEEN_MS);
setInterval(() => {
  for (const socket of dripping) socket.write('x');
}, DRIP_MS);
setInterval(() => {
  process.stdout.write(`${JSON.stringify({ listening, refused, slow: dripping.size, reset, bytes })}\n`);
}, 1_000);

// TCP under a planned move. `serve PORT [IP...]`: echoes what it gets, on every address of both families, and
// datagrams to each IP, which the host need not have yet (ip_nonlocal_bind). `load PORT LONG TARGET...`: opens a
// connection to each target every 20 ms, sends and expects one line, closes; keeps LONG more open and busy; at the
// end of stdin prints one JSON line a target.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, isIPv6 } from 'node:net';

const OPEN_EVERY_MS = 20;
const BUSY_EVERY_MS = 100;
/** The kernel sends a lost SYN again after a second: what takes that long has lost one. */
const CONNECT_LIMIT_MS = 1_000;

interface Tally {
  opened: number;
  failed: number;
  cut: number;
  slowestMs: number;
  resets: number;
}

const echoDatagrams = async (port: number, address: string): Promise<void> => {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
  socket.on('message', (bytes, from) => socket.send(bytes, from.port, from.address, () => {}));
  socket.bind(port, address);
  await once(socket, 'listening');
};

const serve = async (port: number, addresses: readonly string[]): Promise<void> => {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  server.listen({ port, host: '::', backlog: 1_024 });
  await once(server, 'listening');
  for (const address of addresses) await echoDatagrams(port, address);
  process.stdout.write('ready\n');
};

/** One short life: connect, one line there and back, close. */
const openOnce = (target: string, port: number, tally: Tally): void => {
  tally.opened += 1;
  const at = performance.now();
  let isConnected = false;
  let isDone = false;
  const socket = connect({ host: target, port, noDelay: true });
  const finish = (): void => {
    if (isDone) return;
    isDone = true;
    if (!isConnected) tally.failed += 1;
    else tally.cut += 1;
    socket.destroy();
  };
  socket.setTimeout(CONNECT_LIMIT_MS, finish);
  socket.on('connect', () => {
    isConnected = performance.now() - at < CONNECT_LIMIT_MS;
    tally.slowestMs = Math.max(tally.slowestMs, performance.now() - at);
    socket.write('line\n');
  });
  socket.on('data', () => {
    isDone = true;
    socket.destroy();
  });
  socket.on('error', finish);
  socket.on('close', finish);
};

/** A connection that stays and talks; when it is reset it is counted and opened again. */
const keepOpen = (target: string, port: number, tally: Tally): void => {
  const socket = connect({ host: target, port, noDelay: true });
  const busy = setInterval(() => socket.write('still here\n'), BUSY_EVERY_MS);
  socket.resume();
  socket.on('error', () => {});
  socket.on('close', () => {
    clearInterval(busy);
    tally.resets += 1;
    setTimeout(() => keepOpen(target, port, tally), BUSY_EVERY_MS);
  });
};

const load = (port: number, longLived: number, targets: readonly string[]): void => {
  const tallies = targets.map((): Tally => ({ opened: 0, failed: 0, cut: 0, slowestMs: 0, resets: 0 }));
  for (const [index, target] of targets.entries()) {
    const tally = tallies[index] as Tally;
    for (let i = 0; i < longLived; i += 1) keepOpen(target, port, tally);
  }
  const opening = setInterval(() => {
    for (const [index, target] of targets.entries()) openOnce(target, port, tallies[index] as Tally);
  }, OPEN_EVERY_MS);
  process.stdin.resume();
  process.stdin.on('end', () => {
    clearInterval(opening);
    // Those just opened may yet fail.
    setTimeout(() => {
      for (const [index, target] of targets.entries())
        process.stdout.write(`${JSON.stringify({ target, ...tallies[index] })}\n`);
      process.exit(0);
    }, CONNECT_LIMIT_MS);
  });
  process.stdout.write('ready\n');
};

const [role, port, ...rest] = process.argv.slice(2);
if (role === 'serve') await serve(Number(port), rest);
else load(Number(port), Number(rest[0]), rest.slice(1));

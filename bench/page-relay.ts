// A process of bench/page.ts, in a node's network namespace: what reaches the Unix socket SOCKET goes on to PORT of
// loopback there, so that a browser outside can visit the node's page.
// Usage: page-relay.ts SOCKET PORT
import { connect, createServer } from 'node:net';

const [socketPath = '', port = '9475'] = process.argv.slice(2);
createServer((incoming) => {
  const outgoing = connect(Number(port), '127.0.0.1');
  incoming.pipe(outgoing).pipe(incoming);
  for (const [end, other] of [
    [incoming, outgoing],
    [outgoing, incoming],
  ] as const) {
    end.on('error', () => other.destroy());
    end.on('close', () => other.destroy());
  }
}).listen(socketPath, () => process.stdout.write('ready\n'));

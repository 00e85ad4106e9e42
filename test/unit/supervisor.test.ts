// What a supervisor hears over its socket, a real one; and that a supervisor which cannot be told harms nobody.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import {
  AF_UNIX,
  bind,
  close,
  MSG_DONTWAIT,
  recv,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  socket,
} from '../../src/io/native/libc.ts';
import { openSupervisor } from '../../src/io/supervisor.ts';

/** A supervisor's end: `heard` gives what has come since it was called last. */
const listen = (context: TestContext, path: string): { heard(): string[] } => {
  const fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  context.after(() => close(fd));
  bind(fd, Buffer.concat([Buffer.from([AF_UNIX, 0]), Buffer.from(path.replace(/^@/, '\0'))]));
  const bytes = new Uint8Array(1_024);
  return {
    heard: () => {
      const found: string[] = [];
      for (;;) {
        const length = recv(fd, bytes, MSG_DONTWAIT);
        if (length < 0) return found;
        found.push(Buffer.from(bytes.subarray(0, length)).toString());
      }
    },
  };
};

const scratch = (context: TestContext): string => {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-notify-'));
  context.after(() => rmSync(directory, { recursive: true }));
  return directory;
};

test('a supervisor hears when the daemon serves and when it is about to end', (context) => {
  const path = join(scratch(context), 'notify');
  const { heard } = listen(context, path);
  const supervisor = openSupervisor({ NOTIFY_SOCKET: path });
  assert.deepEqual(heard(), []);
  supervisor.ready();
  supervisor.stopping();
  assert.deepEqual(heard(), ['READY=1', 'STOPPING=1']);
});

test('an abstract name is a supervisor too', (context) => {
  const name = `@holdfast-notify-${process.pid}`;
  const { heard } = listen(context, name);
  openSupervisor({ NOTIFY_SOCKET: name }).ready();
  assert.deepEqual(heard(), ['READY=1']);
});

test('the watchdog is fed twice in its time, from the first READY on', (context) => {
  context.mock.timers.enable({ apis: ['setInterval'] });
  const path = join(scratch(context), 'notify');
  const { heard } = listen(context, path);
  const supervisor = openSupervisor({ NOTIFY_SOCKET: path, WATCHDOG_USEC: '60000000' });
  context.mock.timers.tick(60_000);
  assert.deepEqual(heard(), []);
  supervisor.ready();
  context.mock.timers.tick(29_999);
  assert.deepEqual(heard(), ['READY=1']);
  context.mock.timers.tick(30_001);
  assert.deepEqual(heard(), ['WATCHDOG=1', 'WATCHDOG=1']);
});

test('no supervisor, a dead one, and a path that no socket can have are nothing to fail for', (context) => {
  for (const NOTIFY_SOCKET of ['', join(scratch(context), 'nobody'), `/${'x'.repeat(200)}`]) {
    const supervisor = openSupervisor({ NOTIFY_SOCKET });
    supervisor.ready();
    supervisor.stopping();
  }
  openSupervisor({}).ready();
});

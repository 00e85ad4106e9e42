// The wire as `doctor --wire` reaches it itself: listens on packet sockets of its own, and, beside a daemon, asks for
// service IPs by ARP probes, which are the one ARP frame that changes nobody's cache (RFC 5227 §2.1.1: the sender's
// address is zero). It never says a hello and never announces.
import { setTimeout as sleep } from 'node:timers/promises';
import { decodeFrame, encodeFrame } from '../../io/packets/frame.ts';
import { createFrameDecoder } from '../../io/wire/frame-decoder.ts';
import type { Observed } from '../../io/wire/observations.ts';
import { openPacketSocket, type PacketSocket } from '../../io/wire/packet-socket.ts';
import type { HelloSecrets } from '../../io/wire/wire-protocol.ts';
import { familyOf, type Ip, type Mac } from '../../machines/frames.ts';
import { arpProbe } from '../../machines/neighbor-frames.ts';
import type { Asked } from './wire-view.ts';

export interface Port {
  readonly name: string;
  readonly index: number;
  readonly mac: Mac;
}

/** Sockets are emptied this often: what queues meanwhile fits their buffers many times. */
const LOOK_MS = 20;
/** Frames taken at once, so that a flood does not keep this process from ending. */
const FRAMES_A_LOOK = 2_048;
/** More than an ARP reply has. */
const RECEIVE_BYTES = 128;
/** Questions asked in all: one for each IP would be a burst on a segment of thousands. */
const MAX_QUESTIONS = 16;
const BETWEEN_QUESTIONS_MS = 20;
/** How long answers may take. */
const ANSWER_MS = 1_000;

const open = async <T>(
  ports: readonly Port[],
  use: (sockets: readonly PacketSocket[]) => Promise<T>,
): Promise<T> => {
  const sockets: PacketSocket[] = [];
  try {
    for (const { name, index } of ports) sockets.push(openPacketSocket(name, index));
    return await use(sockets);
  } finally {
    for (const socket of sockets) socket.close();
  }
};

/** Reads what has queued into `bytes`, frame by frame. */
const emptied = (socket: PacketSocket, bytes: Uint8Array, take: (length: number) => void): void => {
  for (let left = FRAMES_A_LOOK; left > 0; left -= 1) {
    const length = socket.receive(bytes);
    if (length <= 0) return;
    take(length);
  }
};

/** Listens for `forMs` and sends nothing. Throws SystemError where packet sockets are refused. */
export const listen = (ports: readonly Port[], secrets: HelloSecrets, forMs: number): Promise<Observed> =>
  open(ports, async (sockets) => {
    const decoder = createFrameDecoder(secrets, () => {});
    const until = performance.now() + forMs;
    while (performance.now() < until) {
      await sleep(LOOK_MS);
      for (const socket of sockets)
        emptied(socket, decoder.bytes, (length) =>
          decoder.note(performance.now(), socket.name, decoder.decode(length)),
        );
    }
    return decoder.observed();
  });

/** Asks who has each IPv4 address of `wanted` (MAX_QUESTIONS at most), and gathers who answers within a second. */
export const ask = (
  ports: readonly Port[],
  wanted: readonly { readonly ip: Ip; readonly interface: string }[],
): Promise<readonly Asked[]> =>
  open(ports, async (sockets) => {
    const asked = wanted.filter(({ ip }) => familyOf(ip) === 'ipv4').slice(0, MAX_QUESTIONS);
    const answers = new Map<Ip, Set<Mac>>(asked.map(({ ip }) => [ip, new Set()]));
    for (const question of asked) {
      const port = ports.find(({ name }) => name === question.interface);
      const socket = sockets.find(({ name }) => name === question.interface);
      if (port === undefined || socket === undefined) continue;
      socket.send(encodeFrame(arpProbe(question.ip, port.mac)));
      await sleep(BETWEEN_QUESTIONS_MS);
    }
    await sleep(asked.length === 0 ? 0 : ANSWER_MS);
    const bytes = new Uint8Array(RECEIVE_BYTES);
    for (const socket of sockets) {
      emptied(socket, bytes, (length) => {
        const frame = decodeFrame(bytes, Math.min(length, RECEIVE_BYTES));
        if (frame.kind === 'arp' && frame.operation === 'reply') answers.get(frame.spa)?.add(frame.sha);
      });
    }
    return asked.map(({ ip, interface: on }) => ({
      interface: on,
      ip,
      answers: [...(answers.get(ip) ?? [])],
    }));
  });

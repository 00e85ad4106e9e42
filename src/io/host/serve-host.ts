// `serve: host`, performed: this machine accepts traffic for the service IPs it takes, while the kernel neither
// answers ARP for them nor uses them as ARP sender (facts.md, "The trap"). What came of it goes back as facts.
import { join } from 'node:path';
import type { Ip } from '../../machines/frames.ts';
import type { Input } from '../../machines/inputs.ts';
import { SystemError } from '../native/libc.ts';
import { openHostAddresses } from './host-addresses.ts';
import { openInterfaceSysctls } from './interface-sysctls.ts';

/** How often, and for how long, the kernel is asked for the local route of a new address. */
const ROUTE_POLL_MS = 1;
const ROUTE_WITHIN_MS = 2_000;

export interface ServeHost {
  /** Prepares an interface before addresses of its segment are served. */
  prepare(interfaces: readonly string[]): void;
  add(ips: readonly Ip[]): void;
  remove(ips: readonly Ip[]): void;
  /** Things an operator should know, in words: what could not be set, what could not be put back. */
  findings(): readonly string[];
  /** Takes every address away and puts the sysctls back; synchronous. */
  close(): void;
}

export interface ServeHostOptions {
  /** Where the record of what was changed is kept, for the start after a crash. */
  readonly stateDirectory: string;
  readonly onFact: (input: Input) => void;
}

/** Opens the host side and first cleans what a crashed predecessor left. Throws SystemError without rights. */
export const openServeHost = ({ stateDirectory, onFact }: ServeHostOptions): ServeHost => {
  const stateFile = join(stateDirectory, 'host-state.json');
  const addresses = openHostAddresses({ stateFile });
  const sysctls = openInterfaceSysctls({ stateFile });
  const served = new Set<Ip>();
  let prepared: readonly string[] = [];
  let problem: string | null = null;
  let isClosed = false;

  addresses.cleanLeftovers();

  const prepare = (interfaces: readonly string[]): void => {
    const unused = new Set([...sysctls.recorded(), ...prepared]);
    for (const name of interfaces) unused.delete(name);
    for (const name of unused) sysctls.restore(name);
    prepared = interfaces;
    const failed = interfaces
      .flatMap((name) => sysctls.ensure(name))
      .find(({ outcome }) => outcome === 'failed');
    // The kernel would answer for the address on every interface: better not to serve than to be two owners.
    problem =
      failed === undefined ? null : `${failed.interface}: ${failed.key} could not be set (${failed.code})`;
  };

  const add = (ips: readonly Ip[]): void => {
    if (isClosed) return;
    // Set again each time: somebody may have changed them, and the price is two small reads an interface.
    prepare(prepared);
    const refuse = (ip: Ip, code: string): void => onFact({ type: 'address.failed', ip, code });
    if (problem !== null) {
      for (const ip of ips) refuse(ip, problem);
      return;
    }
    const confirmed: Ip[] = [];
    try {
      for (const { ip, outcome, code } of addresses.add(ips)) {
        if (outcome === 'failed') refuse(ip, code ?? 'unknown');
        else confirmed.push(ip);
      }
    } catch (error) {
      const code = error instanceof SystemError ? error.code : String(error);
      for (const ip of ips) refuse(ip, code);
      return;
    }
    for (const ip of confirmed) served.add(ip);
    confirm(confirmed, performance.now() + ROUTE_WITHIN_MS);
  };

  /** Says which addresses serve, and asks again shortly for those that the kernel is not ready for. */
  const confirm = (ips: readonly Ip[], until: number): void => {
    const wanted = ips.filter((ip) => served.has(ip));
    const serving = addresses.areServing(wanted);
    const ready = wanted.filter((_, index) => serving[index]);
    if (ready.length > 0) onFact({ type: 'addresses.confirmed', ips: ready });
    const waiting = wanted.filter((_, index) => !serving[index]);
    if (waiting.length === 0) return;
    if (performance.now() < until) {
      setTimeout(confirm, ROUTE_POLL_MS, waiting, until);
      return;
    }
    for (const ip of waiting) onFact({ type: 'address.failed', ip, code: 'no local route' });
  };

  const remove = (ips: readonly Ip[]): void => {
    const ours = ips.filter((ip) => served.delete(ip));
    if (ours.length > 0) addresses.remove(ours);
  };

  return {
    prepare,
    add,
    remove,
    findings: () => [problem, addresses.unrecorded(), sysctls.unrecorded()].filter((text) => text !== null),
    close: () => {
      isClosed = true;
      remove([...served]);
      sysctls.restore();
      addresses.close();
    },
  };
};

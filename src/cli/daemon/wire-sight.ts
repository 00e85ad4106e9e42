// What a daemon has seen on the wire, as `doctor --wire` asks for it over the control socket (`GET /wire`).
import type { WireSeen } from '../../io/wire/wire-protocol.ts';
import type { Instance } from '../../machines/hello.ts';
import type { Status } from './status.ts';

export interface WireSight extends WireSeen, Pick<Status, 'node' | 'peers' | 'serviceIPs'> {
  readonly refreshMs: number;
  /** There is a key file: unsigned hellos are refused. */
  readonly isSigning: boolean;
  /** Names of peers by their births, the silent ones too. */
  readonly names: readonly (readonly [Instance, string])[];
  readonly sendErrors: Readonly<Record<string, number>>;
}

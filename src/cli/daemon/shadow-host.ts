// `serve: host` in shadow mode: nothing on this host is changed, no address and no setting, and the core goes on as if
// all had gone well. What a life that crashed left behind has been cleaned by then.
import type { ServeHost } from '../../io/host/serve-host.ts';
import type { Input } from '../../machines/inputs.ts';

/** `onFact`: where confirmations go, in a later turn as the real ones. */
export const shadowHost = (real: ServeHost, onFact: (input: Input) => void): ServeHost => ({
  prepare: () => {},
  add: (ips) => {
    setImmediate(onFact, { type: 'addresses.confirmed', ips });
  },
  remove: () => {},
  findings: real.findings,
  close: real.close,
});

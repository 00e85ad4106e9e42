// An API server reduced to Services and ServiceIPs with optimistic locking, and observers of it that lag behind as
// far as they like, each object by itself. Performs the steps of machines/cluster/reservations.ts the way the
// daemon has to: a release reads first and writes later.
import type { ServiceFact, ServiceIpFact } from '../../src/machines/cluster/cluster-facts.ts';
import { serviceKey } from '../../src/machines/cluster/cluster-facts.ts';
import { isGivenUp, type ServiceRef, type Step } from '../../src/machines/cluster/reservations.ts';

/** Versions of one object, oldest first; null: it does not exist. */
type History<T> = (T | null)[];

export interface View {
  readonly services: Map<string, number>;
  readonly serviceIps: Map<string, number>;
}

/** A write on its way. `checked`: the release has read its Services. */
export interface Flight {
  readonly step: Step;
  readonly checked: boolean;
}

export class AllocatorStore {
  readonly services = new Map<string, History<ServiceFact>>();
  readonly serviceIps = new Map<string, History<ServiceIpFact>>();
  #version = 100;

  #next(): string {
    this.#version += 1;
    return String(this.#version);
  }

  #push<T>(histories: Map<string, History<T>>, key: string, value: T | null): void {
    const history = histories.get(key) ?? [null];
    histories.set(key, [...history, value]);
  }

  service(key: string): ServiceFact | null {
    return this.services.get(key)?.at(-1) ?? null;
  }

  serviceIp(name: string): ServiceIpFact | null {
    return this.serviceIps.get(name)?.at(-1) ?? null;
  }

  putService(fact: ServiceFact): void {
    this.#push(this.services, serviceKey(fact), { ...fact, resourceVersion: this.#next() });
  }

  deleteService(key: string): void {
    if (this.service(key) !== null) this.#push(this.services, key, null);
  }

  #edit(ref: ServiceRef, change: (fact: ServiceFact) => Partial<ServiceFact>): boolean {
    const fact = this.service(serviceKey(ref));
    if (fact === null || fact.uid !== ref.uid || fact.resourceVersion !== ref.resourceVersion) return false;
    this.putService({ ...fact, ...change(fact) });
    return true;
  }

  /** Does one write, or a release's reading. What is still to be done of it comes back. */
  perform({ step, checked }: Flight): Flight | null {
    switch (step.type) {
      case 'intend':
        this.#edit(step.service, () => ({ intent: { ips: step.ips, token: step.service.resourceVersion } }));
        return null;
      case 'forget':
        this.#edit(step.service, () => ({ intent: null }));
        return null;
      case 'publish':
        this.#edit(step.service, () => ({ ingressIps: step.ips }));
        return null;
      case 'reserve': {
        const present = this.serviceIp(step.name);
        if ((present?.resourceVersion ?? null) !== step.resourceVersion) return null;
        const { ip, services } = step;
        this.#push(this.serviceIps, step.name, { ip, services, resourceVersion: this.#next(), held: null });
        return null;
      }
      case 'release': {
        if (!checked) {
          const all = step.leaving.every((each) => isGivenUp(this.service(serviceKey(each)), each, step.ip));
          return all ? { step, checked: true } : null;
        }
        if (this.serviceIp(step.name)?.resourceVersion !== step.resourceVersion) return null;
        const { ip, staying: services } = step;
        const rest =
          services.length === 0 ? null : { ip, services, resourceVersion: this.#next(), held: null };
        this.#push(this.serviceIps, step.name, rest);
        return null;
      }
    }
  }

  /** Everything as it is now. */
  look(): View {
    const newest = <T>(histories: Map<string, History<T>>): Map<string, number> =>
      new Map([...histories].map(([key, history]) => [key, history.length - 1]));
    return { services: newest(this.services), serviceIps: newest(this.serviceIps) };
  }

  /** Each object some versions on, as `steps` says; what was never seen does not exist for the observer. */
  catchUp(view: View, steps: (key: string) => number): void {
    const advance = <T>(histories: Map<string, History<T>>, seen: Map<string, number>): void => {
      for (const [key, history] of histories)
        seen.set(key, Math.min(history.length - 1, (seen.get(key) ?? 0) + steps(key)));
    };
    advance(this.services, view.services);
    advance(this.serviceIps, view.serviceIps);
  }

  seen(view: View): { services: ServiceFact[]; serviceIps: ServiceIpFact[] } {
    const facts = <T>(histories: Map<string, History<T>>, seen: Map<string, number>): T[] =>
      [...seen]
        .map(([key, version]) => histories.get(key)?.[version] ?? null)
        .filter((fact) => fact !== null);
    return {
      services: facts(this.services, view.services),
      serviceIps: facts(this.serviceIps, view.serviceIps),
    };
  }
}

// Are the interfaces there that the service IPs need, with carrier, on the right subnet, and is nobody on this host
// speaking for the IPs already?
import { IFA_PROTO_HOLDFAST } from '../../io/host/host-addresses.ts';
import { familyOf, type Ip } from '../../machines/frames.ts';
import { type Finding, fail, ok, some, warn } from './finding.ts';
import type { HostView, LinkView } from './host-view.ts';

const checkLink = ({ services }: HostView, { name, isUp, hasCarrier }: LinkView): Finding => {
  if (isUp && hasCarrier) return ok('interface', `${name} is up, with carrier`);
  // Nobody said that it is needed (docker0 has an address and no carrier on every second host).
  const say = services.length === 0 ? warn : fail;
  if (!isUp) return say('interface', `${name} is down: nothing is answered there`, `ip link set ${name} up`);
  const what = `${name} is up without carrier: nothing is answered there`;
  return say('carrier', what, 'a cable, or its switch port up');
};

const checkNamed = ({ named, links }: HostView): Finding[] => {
  const known = new Map(links.map((link) => [link.name, link]));
  return [...named].flatMap((name): Finding[] => {
    const link = known.get(name);
    if (link === undefined) {
      const right = `one of ${some(links.filter(({ isEthernet }) => isEthernet).map((other) => other.name))}`;
      return [fail('interface', `${name} is named in the configuration, and is not on this host`, right)];
    }
    if (!link.isEthernet) return [fail('interface', `${name} is no Ethernet interface`, 'one that is')];
    return [];
  });
};

const checkSubnets = ({ services, homeless }: HostView): Finding[] => {
  if (services.length === 0) {
    return [warn('subnet', 'no service IP is configured for this node', 'serviceIPs, or --config FILE')];
  }
  const findings = [...homeless].map(([obstacle, ips]) =>
    fail('subnet', `${some(ips)}: ${obstacle}`, 'an address of this host in the same subnet'),
  );
  const housed = services.length - [...homeless.values()].flat().length;
  if (housed === 0) return findings;
  const counted = housed === 1 ? 'one service IP has' : `${housed} service IPs have`;
  return [...findings, ok('subnet', `${counted} an interface`)];
};

/**
 * A service IP that is an address of this host answers whatever Holdfast decides: on an Ethernet interface always,
 * elsewhere (kube-ipvs0, lo) unless arp_ignore is set, which is a finding of its own.
 */
const checkForeign = ({ services, links }: HostView): Finding[] => {
  const wanted = new Set<Ip>(services.map(({ ip }) => ip));
  return links.flatMap(({ name, isEthernet, addresses }) => {
    if (!isEthernet) return [];
    const ours = addresses.filter(({ ip, protocol }) => wanted.has(ip) && protocol !== IFA_PROTO_HOLDFAST);
    if (ours.length === 0 || name === 'kube-ipvs0') return [];
    const what = `${some(ours.map(({ ip }) => ip))} on ${name}: the kernel answers for it, whoever owns it`;
    return [fail('address', what, `ip addr del …, so that only Holdfast adds it`)];
  });
};

export const checkLinks = (view: HostView): Finding[] => [
  ...checkNamed(view),
  ...view.used.map((link) => checkLink(view, link)),
  ...checkSubnets(view),
  ...checkForeign(view),
];

/** The interfaces that carry service IPs of a family. */
export const usedBy = (
  { services, used, config }: HostView,
  family: 'ipv4' | 'ipv6',
): readonly LinkView[] => {
  const isWanted = config.serviceIPs.length === 0 || services.some(({ ip }) => familyOf(ip) === family);
  return isWanted ? used : [];
};

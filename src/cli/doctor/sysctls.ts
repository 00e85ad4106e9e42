// The kernel settings that decide whether a service IP works: who answers ARP, whose name ARP bears, what is
// dropped on the way in, whether IPv6 lives, how groups are joined.
import { closeSync, constants, openSync, readFileSync } from 'node:fs';
import { ARP_RULES } from '../../io/host/interface-sysctls.ts';
import { isLinkLocal } from '../../io/packets/address.ts';
import { familyOf } from '../../machines/frames.ts';
import { type Finding, fail, ok, warn } from './finding.ts';
import type { HostView, LinkView } from './host-view.ts';
import { usedBy } from './links.ts';

const NET = '/proc/sys/net';

/** Null where the kernel has no such setting. */
const read = (path: string): number | null => {
  try {
    return Number(readFileSync(`${NET}/${path}`, 'utf8'));
  } catch {
    return null;
  }
};

/** What the kernel goes by for `key`: the maximum of `all` and the interface (linux IN_DEV_MAXCONF). */
const effective = (name: string, key: string): number =>
  Math.max(read(`ipv4/conf/all/${key}`) ?? 0, read(`ipv4/conf/${name}/${key}`) ?? 0);

/** Opened, not asked by access(2), which leaves out the capabilities of a user other than root. Nothing is written. */
const isWritable = (path: string): boolean => {
  try {
    closeSync(openSync(`${NET}/${path}`, constants.O_WRONLY));
    return true;
  } catch {
    return false;
  }
};

const ROLES: Readonly<Record<string, string>> = {
  arp_ignore: 'the kernel answers ARP for service IPs beside the owner',
  arp_announce: 'the kernel asks in the name of a service IP, which takes clients back from the owner',
};

/** kube-proxy's IPVS mode puts every service IP on this interface, on every node. */
const IPVS = 'kube-ipvs0';

const checkArp = ({ config, links }: HostView, { name }: LinkView): Finding[] =>
  ARP_RULES.map(({ key, wanted, suffices }) => {
    const now = effective(name, key);
    const about = `${key} of ${name} is ${now}`;
    const setting = `net.ipv4.conf.${name}.${key}`;
    if (suffices(now)) return ok(key.replace('_', '-'), about);
    if (config.serve === 'host') {
      // A reserved value of `all` that is larger than ours would stay in force.
      const isOverruled = (read(`ipv4/conf/all/${key}`) ?? 0) > wanted;
      if (!isOverruled && isWritable(`ipv4/conf/${name}/${key}`)) {
        return ok(key.replace('_', '-'), `${about}; the daemon sets it to ${wanted} while it serves`);
      }
      const what = `${about}: ${ROLES[key]}; ${isOverruled ? 'the value of all overrules the daemon' : 'the daemon cannot set it here'}`;
      return fail(
        key.replace('_', '-'),
        what,
        `sysctl ${isOverruled ? setting.replace(name, 'all') : setting}=${wanted}`,
      );
    }
    if (links.some((link) => link.name === IPVS)) {
      const what = `kube-proxy runs in IPVS mode (${IPVS}), and ${about}: ${ROLES[key]}`;
      return fail('strict-arp', what, "ipvs.strictARP: true in kube-proxy's configuration");
    }
    return ok(key.replace('_', '-'), `${about}; no service IP is an address of this host`);
  });

const STRICT = 1;

const checkReversePath = ({ links }: HostView, { name }: LinkView): Finding => {
  const now = effective(name, 'rp_filter');
  const others = links.filter(
    (link) => link.isEthernet && link.name !== name && link.addresses.some(({ ip }) => !isLinkLocal(ip)),
  );
  if (now !== STRICT || others.length === 0) return ok('rp-filter', `rp_filter of ${name} is ${now}`);
  const what = `rp_filter of ${name} is 1 (strict) beside ${others[0]?.name}: packets of clients whose way back leaves elsewhere are dropped`;
  return warn('rp-filter', what, `sysctl net.ipv4.conf.${name}.rp_filter=2`);
};

const IFA_F_TENTATIVE = 0x40;
const IFA_F_DADFAILED = 0x08;

const checkIpv6 = ({ name, addresses }: LinkView): Finding => {
  if (read(`ipv6/conf/${name}/disable_ipv6`) !== 0) {
    const what = `IPv6 is disabled on ${name}: no IPv6 service IP is answered there`;
    return fail('ipv6', what, `sysctl net.ipv6.conf.${name}.disable_ipv6=0`);
  }
  const isUsable = ({ ip, flags }: LinkView['addresses'][number]): boolean =>
    familyOf(ip) === 'ipv6' && isLinkLocal(ip) && (flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) === 0;
  if (addresses.some(isUsable)) return ok('ipv6', `IPv6 is on, with a link-local address, on ${name}`);
  // RFC 3810 §5.2.14: "MLDv2 Reports are sent with a valid IPv6 link-local source address".
  const what = `${name} has no link-local address: switches that snoop MLD do not heed its group reports`;
  return warn(
    'link-local',
    what,
    `sysctl net.ipv6.conf.${name}.addr_gen_mode=0, or ip addr add fe80::1/64 dev ${name}`,
  );
};

const checkLoopback = ({ config }: HostView): Finding[] => {
  if (config.serve !== 'host' || read('ipv6/conf/lo/disable_ipv6') === 0) return [];
  return [
    fail(
      'ipv6',
      'IPv6 is disabled on lo, where serve: host puts the IPs',
      'sysctl net.ipv6.conf.lo.disable_ipv6=0',
    ),
  ];
};

/** What 200 groups on one socket take (icmpv6-sockets.ts), 56 octets each, and as much again to spare. */
const NEEDED_OPTMEM = 20_480;

const checkOptmem = (): Finding => {
  const now = read('core/optmem_max');
  if (now === null || now >= NEEDED_OPTMEM) return ok('mld', 'groups may be joined in number');
  const what = `net.core.optmem_max is ${now}: some solicited-node groups cannot be joined`;
  return fail('mld', what, `sysctl net.core.optmem_max=${NEEDED_OPTMEM}`);
};

const checkMldVersion = ({ name }: LinkView): Finding[] => {
  const all = read('ipv6/conf/all/force_mld_version') ?? 0;
  const forced = all === 0 ? (read(`ipv6/conf/${name}/force_mld_version`) ?? 0) : all;
  if (forced !== 1) return [];
  const what = `MLDv1 is forced on ${name}: every query is answered by a frame for each service IP`;
  return [warn('mld', what, `sysctl net.ipv6.conf.${all === 0 ? name : 'all'}.force_mld_version=0`)];
};

export const checkSysctls = (view: HostView): Finding[] => {
  const ipv6 = usedBy(view, 'ipv6');
  return [
    ...usedBy(view, 'ipv4').flatMap((link) => [...checkArp(view, link), checkReversePath(view, link)]),
    ...ipv6.flatMap((link) => [checkIpv6(link), ...checkMldVersion(link)]),
    ...(ipv6.length === 0 ? [] : [...checkLoopback(view), checkOptmem()]),
  ];
};

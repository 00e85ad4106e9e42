// The effective configuration as the YAML that `holdfast check` prints: every key, in the contract's order. It is
// itself a valid configuration and reads back as the same one.
import { stringify } from 'yaml';
import type { ServiceIpConfig } from '../../machines/config.ts';
import type { Config } from './config.ts';
import { formatDuration, formatSize } from './durations.ts';
import { formatListen, type Listen } from './names.ts';

const service = ({ ip, nodes, interfaces }: ServiceIpConfig) => ({
  ip,
  ...(nodes === null ? {} : { nodes }),
  ...(interfaces === null ? {} : { interfaces }),
});

const place = (listen: Listen | null): string | null => (listen === null ? null : formatListen(listen));

/** The file as which `config` would have been written in full; ends with a newline. */
export const formatConfig = (config: Config): string => {
  const { heartbeat, drain, rebalance, journal } = config;
  const file = {
    node: config.node,
    interfaces: config.interfaces,
    serviceIPs: config.serviceIPs.map(service),
    serve: config.serve,
    announce: config.announce,
    probe: config.probe,
    announcements: { refresh: formatDuration(config.announcements.refreshMs) },
    heartbeat: {
      interval: formatDuration(heartbeat.intervalMs),
      deadAfter: formatDuration(heartbeat.deadAfterMs),
      keyFile: heartbeat.keyFile,
      group: heartbeat.group,
      transport: heartbeat.transport,
      inShadow: heartbeat.inShadow,
    },
    drain: {
      window: formatDuration(drain.windowMs),
      quiet: formatDuration(drain.quietMs),
      style: drain.style,
    },
    rebalance: { mode: rebalance.mode, interval: formatDuration(rebalance.intervalMs) },
    watchdog: formatDuration(config.watchdogMs),
    journal: { directory: journal.directory, maxSize: formatSize(journal.maxSizeBytes) },
    log: config.log,
    control: config.control,
    http: place(config.http),
    metrics: place(config.metrics),
    page: config.page,
    cluster: config.cluster,
    kubernetes: config.kubernetes,
  };
  // Aliases off: a shared list would print as *a1, which nobody scripts against. Width 0: no folded lines.
  return stringify(file, { aliasDuplicateObjects: false, lineWidth: 0 });
};

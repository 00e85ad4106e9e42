// Which frames of a rival are news for the core. A burst of its announcements is one conflict: this node could
// not have defended between two frames of it (RFC 5227 §2.4 counts what comes after the defence).
import type { Ip, Mac } from './frames.ts';

/** One report per (IP, MAC) and second. */
const REPORT_INTERVAL_MS = 1_000;
/** A spoofer may use many MACs; the oldest are forgotten. */
const MAX_REMEMBERED = 1_024;
/** Reports per IP and second, whatever the MACs: a spoofer must not flood the core. */
const MAX_PER_IP = 4;

export interface RivalReports {
  isNews(at: number, ip: Ip, mac: Mac): boolean;
  /** The address is probed from now: whoever answers is news, though it was heard a moment before. */
  forget(ip: Ip): void;
}

export const createRivalReports = (): RivalReports => {
  const reported = new Map<string, number>();
  const perIp = new Map<Ip, { since: number; count: number }>();

  return {
    isNews: (at, ip, mac) => {
      const key = `${ip} ${mac}`;
      const last = reported.get(key);
      if (last !== undefined && at - last < REPORT_INTERVAL_MS) return false;
      let window = perIp.get(ip);
      if (window === undefined || at - window.since >= REPORT_INTERVAL_MS) {
        window = { since: at, count: 0 };
        perIp.set(ip, window);
      }
      window.count += 1;
      if (window.count > MAX_PER_IP) return false;
      reported.delete(key);
      reported.set(key, at);
      if (reported.size > MAX_REMEMBERED) reported.delete(reported.keys().next().value as string);
      return true;
    },
    forget: (ip) => {
      perIp.delete(ip);
      for (const key of reported.keys()) if (key.startsWith(`${ip} `)) reported.delete(key);
    },
  };
};

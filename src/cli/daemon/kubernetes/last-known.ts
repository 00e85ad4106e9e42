// The service IPs that the last life of this node knew, from its journal: what a start without the API server goes on
// with. A checkpoint has them whole, the inputs behind it say what changed since.
import { fileLines } from '../../../io/journal/file-lines.ts';
import { findSegments } from '../../../io/journal/journal-reader.ts';
import { scanSegment } from '../../../io/journal/segment-scan.ts';
import type { ServiceIpConfig } from '../../../machines/config.ts';
import type { Ip } from '../../../machines/frames.ts';

/** Null: the segment is another node's, cannot be read, or says nothing of service IPs. */
const knownIn = (file: string, node: string): readonly ServiceIpConfig[] | null => {
  const scan = scanSegment(file, fileLines(file), []);
  if (scan === null || scan.header.node !== node) return null;
  const known = new Map<Ip, ServiceIpConfig>();
  let isSaid = false;
  for (const { ip, config } of scan.checkpoint.services) {
    if (config !== null) known.set(ip, config);
    isSaid = true;
  }
  for (const entry of scan.entries()) {
    if (entry.type !== 'input' || entry.input.type !== 'services.changed') continue;
    isSaid = true;
    for (const config of entry.input.changed) known.set(config.ip, config);
    for (const ip of entry.input.gone) known.delete(ip);
  }
  return isSaid ? [...known.values()] : null;
};

/** Empty where there is no journal, or none that says anything. Reads the newest segments; 10,000 IPs take a second. */
export const lastKnownServices = (directory: string, node: string): readonly ServiceIpConfig[] => {
  try {
    for (const file of findSegments([directory]).toReversed()) {
      const known = knownIn(file, node);
      if (known !== null) return known;
    }
  } catch {
    // No directory yet.
  }
  return [];
};

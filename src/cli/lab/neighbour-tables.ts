// The kernel has one neighbour table a family for all namespaces of the machine (gc_thresh3, 1,024 entries): one lab
// that fills it, or a flood, darkens every other, whatever the daemons do. What was measured meanwhile counts nothing.
import type { Host } from './host.ts';

const TABLES = ['arp_cache', 'ndisc_cache'];

const fullsOf = (listing: string): number => {
  const [table] = JSON.parse(listing) as readonly { readonly table_fulls?: number }[];
  return table?.table_fulls ?? 0;
};

/** How often, since this machine was started, a new entry was refused because its table was full. */
export const refusedNeighbours = async ({ exec }: Pick<Host, 'exec'>): Promise<number> => {
  const listings = await Promise.all(
    TABLES.map((name) => exec('ip', ['-json', '-stats', 'ntable', 'show', 'name', name])),
  );
  return listings.reduce((total, listing) => total + fullsOf(listing), 0);
};

/** What there is to say when some were refused in a measurement; null: none. */
export const crowdedNote = (before: number, after: number): string | null =>
  after === before
    ? null
    : `the kernel's neighbour tables, which all labs on this machine share, were full: ${after - before} entries refused`;

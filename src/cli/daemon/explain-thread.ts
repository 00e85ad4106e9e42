// The thread behind the explain desk: reads the journal, tells one IP's history, ends.
import { parentPort, workerData } from 'node:worker_threads';
import { mayExplain } from '../../machines/explain-words.ts';
import { ownershipOf } from '../../machines/ownership.ts';
import { reportJson, reportOn } from '../history/explain-report.ts';
import { openJournals } from '../history/journals.ts';
import { readChronicles } from '../history/read-chronicles.ts';

export type HistoryReport = ReturnType<typeof reportJson>;

const { directory, ip } = workerData as { directory: string; ip: string };
const journals = openJournals([directory]);
const { chronicles } = readChronicles(journals.lives, mayExplain(ip));
const ownership = ownershipOf(chronicles);
const at = Math.max(...ownership.lanes.map(({ to }) => to));
/** Where the journal is on this host is nobody's business who asks over HTTP. */
const withoutFolders = (report: HistoryReport): HistoryReport => ({
  ...report,
  chain: report.chain.map((sentence) => ({ ...sentence, ref: sentence.ref?.split('/').at(-1) ?? null })),
});
parentPort?.postMessage(
  chronicles.length === 0
    ? { problem: 'the journal has nothing that can be read yet' }
    : { report: withoutFolders(reportJson(reportOn(ownership, journals.lives, ip, at))) },
);

// `kubectl holdfast`: what operators ask of a cluster, through the API alone. It reads ServiceIP objects and Events, and
// writes two annotations (docs/kubernetes.md); no daemon is talked to, so it works wherever kubectl does.
import type { Command } from '../command.ts';
import { runCommandLine } from '../command-line.ts';

const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  status: async () => (await import('./status.ts')).status,
  drain: async () => (await import('./drain.ts')).drain,
  undrain: async () => (await import('./drain.ts')).undrain,
  move: async () => (await import('./move.ts')).move,
  explain: async () => (await import('./explain.ts')).explain,
};

await runCommandLine({
  name: 'kubectl-holdfast',
  command: 'kubectl holdfast',
  purpose: 'Service IPs of a cluster: who holds them, and where they are to be.',
  codes: '0 yes, 1 no, 2 usage or kubeconfig, 3 permission, 4 no API server',
  commands: COMMANDS,
});

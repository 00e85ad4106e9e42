// `holdfast make-key`: a fresh key for signing hellos, on stdout or as a Kubernetes Secret. A Secret that is there stays
// as it is, since nodes sign with it: two that make it at once agree on the first. Rotation is docs/kubernetes.md's.
import { randomBytes } from 'node:crypto';
import { openCluster } from '../../io/kubernetes/cluster-client.ts';
import { SECRETS } from '../../io/kubernetes/resource.ts';
import { askOf } from '../../io/kubernetes/writer.ts';
import { exitCodeOf } from '../api-server.ts';
import { type Command, CommandError, EXIT, type ExitCode, print, readOptions } from '../command.ts';

/** Of the hash's length, as RFC 2104 §3 advises for HMAC-SHA256. */
const KEY_OCTETS = 32;
/** The entry of the Secret, which is the file's name where it is mounted. */
const ENTRY = 'keys';

const makeKey = (): string => randomBytes(KEY_OCTETS).toString('hex');

const makeSecret = async (
  name: string,
  namespace: string | undefined,
  kubeconfig: string | undefined,
): Promise<ExitCode> => {
  const opened = await openCluster(kubeconfig ?? null);
  if (!opened.ok)
    throw new CommandError(EXIT.usage, opened.problem.replace(/^kubernetes\.kubeconfig/, '--kubeconfig'));
  const client = opened.value;
  try {
    const where = namespace ?? client.namespace;
    if (where === null) throw new CommandError(EXIT.usage, '--namespace is missing: the context names none');
    const data = { [ENTRY]: Buffer.from(`${makeKey()}\n`).toString('base64') };
    const object = { metadata: { name, namespace: where }, type: 'Opaque', data };
    const outcome = await client.ask(askOf({ verb: 'create', resource: SECRETS, object }));
    if (!outcome.ok && outcome.failure.kind !== 'exists')
      throw new CommandError(exitCodeOf(outcome.failure), outcome.failure.text);
    print(`Secret ${where}/${name} ${outcome.ok ? 'is made' : 'is there already and stays as it is'}`);
    return EXIT.yes;
  } finally {
    client.close();
  }
};

export const makeKeyCommand: Command = {
  summary: 'a fresh key that signs hellos, for a key file or as a Secret',
  help: [
    'Usage: holdfast make-key [--secret NAME [--namespace NS] [--kubeconfig FILE]]',
    '',
    'Prints a line for heartbeat.keyFile; the same file goes to every node. With --secret it makes the Secret NAME with',
    `the entry "${ENTRY}" instead, unless it is there: in a pod by its service account, elsewhere by the kubeconfig.`,
  ].join('\n'),
  run: async (args) => {
    const { values } = readOptions(args, {
      secret: { type: 'string' },
      namespace: { type: 'string' },
      kubeconfig: { type: 'string' },
    });
    if (values.secret !== undefined)
      return await makeSecret(values.secret, values.namespace, values.kubeconfig);
    print(makeKey());
    return EXIT.yes;
  },
};

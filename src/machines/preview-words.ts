// A preview in sentences, for whoever is to confirm it: what goes where, for how long the old owner carries its
// clients, and whose connections break.
import type { Ip } from './frames.ts';
import type { OperatorRequest, Preview } from './preview.ts';

/** So many addresses are named for each node; more is a list that nobody reads before a click. */
const MAX_NAMED = 8;

const inTime = (ms: number): string => {
  if (ms < 1_000) return `${ms} ms`;
  return ms % 60_000 === 0 ? `${ms / 60_000} min` : `${Math.round(ms / 100) / 10} s`;
};

const named = (ips: readonly Ip[]): string => {
  const more = ips.length - MAX_NAMED;
  const shown = ips.slice(0, MAX_NAMED).join(', ');
  return more > 0 ? `${shown} and ${more} more` : shown;
};

const grouped = <T extends { readonly ip: Ip }>(items: readonly T[], by: (item: T) => string) =>
  [...Map.groupBy(items, by)].map(([key, group]) => ({ key, ips: group.map(({ ip }) => ip) }));

const movesText = ({ moves }: Preview): readonly string[] =>
  grouped(moves, ({ to }) => to).map(({ key, ips }) =>
    ips.length === 1 ? `${ips[0]} goes to ${key}.` : `${ips.length} go to ${key}: ${named(ips)}.`,
  );

const staysText = ({ stays, drained, node }: Preview): readonly string[] =>
  grouped(stays, ({ why }) => why).map(({ key, ips }) => {
    const later = drained.after
      ? `${ips.length === 1 ? 'it goes' : 'they go'} as soon as somebody can take ${ips.length === 1 ? 'it' : 'them'}`
      : 'ask again when that has changed';
    return `${named(ips)} ${ips.length === 1 ? 'stays' : 'stay'} with ${node}: ${key}; ${later}.`;
  });

/** `clients`: how many this node knows of the IPs that move. */
const carriedText = (preview: Preview, clients: number): readonly string[] => {
  const { moves, node, windowMs, quietMs, patienceMs } = preview;
  if (moves.length === 0) return [];
  const users =
    clients === 0
      ? ''
      : ` ${clients} ${clients === 1 ? 'client is' : 'clients are'} known to use what moves.`;
  const answered = `${node} answers until the new owner has claimed; who has not claimed within ${inTime(patienceMs)} is passed over.`;
  if (moves.every(({ patient }) => patient))
    return [
      answered,
      `Clients on this segment stay with ${node} until their connections end, for ${inTime(windowMs)} at most; connections that are open then are reset.${users}`,
      'A client whose kernel asks by broadcast meanwhile goes to the new owner, and its connections are reset.',
    ];
  return [
    answered,
    `Then ${node} carries what clients still send to it until nobody has for ${inTime(quietMs)}, for ${inTime(windowMs)} at most.`,
    `TCP connections that are open are reset when they reach the new owner; new connections and datagrams are not lost.${users}`,
  ];
};

const drainText = (preview: Preview, isWhole: boolean, clients: number): readonly string[] => {
  const { node, drained, moves, stays, elsewhere } = preview;
  const nothing =
    moves.length + stays.length === 0 && isWhole ? [`${node} holds no service IP, so nothing moves.`] : [];
  return [
    ...nothing,
    ...movesText(preview),
    ...staysText(preview),
    ...elsewhere.map(({ ip, holder }) =>
      holder === null
        ? `Nothing happens to ${ip}: nobody holds it.`
        : `Nothing happens to ${ip}: ${holder} holds it, and only the holder gives it away.`,
    ),
    ...carriedText(preview, clients),
    ...(isWhole && drained.after
      ? [
          drained.before
            ? `${node} is drained already, and stays so until it is undrained.`
            : `${node} takes no service IP until it is undrained; a restart does not change that.`,
        ]
      : []),
  ];
};

const undrainText = ({ node, drained, kept }: Preview): readonly string[] => [
  ...(drained.before ? [`${node} may take service IPs again.`] : [`${node} is not drained.`]),
  ...(kept.length === 0
    ? []
    : [`${named(kept)} ${kept.length === 1 ? 'stays' : 'stay'} with ${node} after all.`]),
  'Nothing moves back by itself: each service IP stays with whoever holds it. What nobody holds may be taken.',
];

/** In the order in which one wants to know it; each is a whole sentence. */
export const previewText = (
  preview: Preview,
  request: OperatorRequest,
  clients: number,
): readonly string[] =>
  request.type === 'undrain.requested'
    ? undrainText(preview)
    : drainText(preview, request.ips === null, clients);

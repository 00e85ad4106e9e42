// Operating over http: what the control socket offers to root, for whoever has the token; and what a request would do,
// in sentences, before it is made.
import { json, jsonError, type Reply, type Route, type Routes } from '../../io/http/http-server.ts';
import { checkToken } from '../../io/http/operator-token.ts';
import type { Core } from '../../machines/core.ts';
import type { Input } from '../../machines/inputs.ts';
import type { OperatorRequest } from '../../machines/preview.ts';
import { previewText } from '../../machines/preview-words.ts';
import { readDrain } from './drain-request.ts';

export interface OperateParts {
  readonly core: Core;
  readonly tell: (input: Input) => void;
  /** Null: nobody may operate from here. */
  readonly tokenFile: () => string | null;
  /** Clients that this node knows of an IP. */
  readonly clientsOf: (ips: readonly string[]) => Promise<number>;
  /** For the log: what was done, or why nobody can. Bears no token. */
  readonly onOperated: (request: OperatorRequest) => void;
  readonly onProblem: (problem: string) => void;
}

const UNDRAIN: OperatorRequest = { type: 'undrain.requested' };

/** `body` as a request, or a sentence about what is wrong with it. */
type Reader = (body: string) => OperatorRequest | string;
const readUndrain: Reader = () => UNDRAIN;

export const operateRoutes = (parts: OperateParts): Routes => {
  const { core, tell, tokenFile, clientsOf, onOperated, onProblem } = parts;

  const withToken =
    (serve: (body: string) => Reply | Promise<Reply>): Route =>
    async (body, { headers }) => {
      const refusal = await checkToken(headers, tokenFile(), onProblem);
      if (refusal !== null) {
        const { status, error } = refusal;
        const asks = status === 401 ? { headers: { 'www-authenticate': 'Bearer realm="holdfast"' } } : {};
        return { ...jsonError(error, status), ...asks };
      }
      return await serve(body);
    };

  const act = (read: Reader): Route =>
    withToken((body) => {
      const request = read(body);
      if (typeof request === 'string') return jsonError(request, 400);
      onOperated(request);
      tell(request);
      return json({ accepted: true }, 202);
    });

  const preview = (read: Reader): Route =>
    withToken(async (body) => {
      const request = read(body);
      if (typeof request === 'string') return jsonError(request, 400);
      const told = core.preview(request);
      if (told === null) return jsonError('this node has no configuration yet', 503);
      const clients = await clientsOf(told.moves.map(({ ip }) => ip));
      return json({ ...told, clients, sentences: previewText(told, request, clients) });
    });

  return {
    'GET /api/v1/operator': withToken(() => json({ operator: true })),
    'POST /api/v1/drain': act(readDrain),
    'POST /api/v1/drain/preview': preview(readDrain),
    'POST /api/v1/undrain': act(readUndrain),
    'POST /api/v1/undrain/preview': preview(readUndrain),
  };
};

// Who may operate from this page: the token, held in this tab's memory and nowhere else, and the requests that bear
// it. Not in sessionStorage, which browsers write to disk to restore tabs; never in an address.
import { signal } from '@preact/signals';

const token = signal<string | null>(null);
/** A token that the node has taken is here. */
export const isOperator = (): boolean => token.value !== null;
export const forgetToken = (): void => {
  token.value = null;
};

/** What the page may ask of its node: `POST /api/v1/PATH`, and `PATH/preview` for what it would do. */
export interface Act {
  readonly path: 'drain' | 'undrain';
  /** Null: the whole node. */
  readonly ip: string | null;
}

export interface Choice {
  /** Null: the node chooses. */
  readonly to: string | null;
  /** Null: as its configuration says. */
  readonly patient: boolean | null;
}

/** What a preview says, as far as the page shows it. */
export interface Told {
  readonly moves: readonly { readonly ip: string; readonly to: string }[];
  readonly sentences: readonly string[];
}

export type Answer<T> = { readonly value: T } | { readonly problem: string };

const send = async <T>(method: string, path: string, bearer: string, body?: unknown): Promise<Answer<T>> => {
  try {
    const reply = await fetch(`/api/v1/${path}`, {
      method,
      headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
      cache: 'no-store',
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const said = (await reply.json()) as T & { readonly error?: string };
    if (reply.ok) return { value: said };
    // Changed on the node: whoever has the new one says so.
    if (reply.status === 401) forgetToken();
    return { problem: said.error ?? `the daemon refuses (${reply.status})` };
  } catch {
    return { problem: 'the daemon does not answer' };
  }
};

const bodyOf = ({ ip }: Act, { to, patient }: Choice) => ({
  ...(ip === null ? {} : { ip }),
  ...(to === null ? {} : { to }),
  ...(patient === null ? {} : { patient }),
});

/** Keeps the token if the node takes it; else a sentence. */
export const signIn = async (given: string): Promise<string | null> => {
  // What no header can bear, fetch would refuse with an error of its own.
  if (!/^[\x21-\x7e]+$/.test(given)) return 'a token is one line of letters and digits, without spaces';
  const answer = await send('GET', 'operator', given);
  if ('problem' in answer) return answer.problem;
  token.value = given;
  return null;
};

export const preview = (act: Act, choice: Choice): Promise<Answer<Told>> =>
  send('POST', `${act.path}/preview`, token.value ?? '', bodyOf(act, choice));

export const perform = (act: Act, choice: Choice): Promise<Answer<unknown>> =>
  send('POST', act.path, token.value ?? '', bodyOf(act, choice));

// The dialogs of whoever operates: one asks for the token, one says what a request will do, in the node's own
// sentences, before it is made. Native modal dialogs: the focus stays inside, Escape leaves, and goes back to the
// button that opened them.
import { signal } from '@preact/signals';
import { type ComponentChildren, h } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { told } from './live.ts';
import {
  type Act,
  type Answer,
  type Choice,
  isOperator,
  perform,
  preview,
  signIn,
  type Told,
} from './operator.ts';

/** What others do meanwhile may change what would happen. */
const PREVIEW_AGAIN_MS = 5_000;

/** `act` null: the token is asked for, and nothing else. */
interface Open {
  readonly number: number;
  readonly act: Act | null;
}
const open = signal<Open | null>(null);
let opened = 0;
/** The last thing that was asked for, for the status line. */
export const asked = signal('');

const show = (act: Act | null): void => {
  opened += 1;
  open.value = { number: opened, act };
};
export const openTokenDialog = (): void => show(null);
export const openActDialog = (act: Act): void => show(act);

const Modal = ({ title, children }: { title: string; children?: ComponentChildren }): ComponentChildren => {
  const dialog = useRef<HTMLDialogElement>(null);
  const [own] = useState(open.value);
  // Before anything is painted: who types at once types into it.
  useLayoutEffect(() => dialog.current?.showModal(), []);
  return h(
    'dialog',
    {
      ref: dialog,
      class: 'dialog',
      'aria-labelledby': 'dialog-title',
      // It comes a moment after the closing: another may be open by then.
      onClose: () => {
        if (open.value === own) open.value = null;
      },
    },
    h('h2', { id: 'dialog-title' }, title),
    children,
  );
};

const close = (event: Event): void => (event.currentTarget as Element).closest('dialog')?.close();

const Buttons = ({ text, isReady }: { text: string; isReady: boolean }): ComponentChildren =>
  h(
    'div',
    { class: 'dialog-buttons' },
    // The first in order, and so focused at first: Enter at once does nothing.
    h('button', { type: 'button', onClick: close }, 'Cancel'),
    h('button', { type: 'submit', class: 'primary', disabled: !isReady }, text),
  );

const Problem = ({ text }: { text: string }): ComponentChildren =>
  h('p', { class: 'problem', role: 'alert' }, text);

const TokenDialog = (): ComponentChildren => {
  const [given, setGiven] = useState('');
  const [problem, setProblem] = useState('');
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    const form = event.currentTarget as HTMLElement;
    const refused = await signIn(given.trim());
    setProblem(refused ?? '');
    if (refused === null) form.closest('dialog')?.close();
  };
  return h(
    Modal,
    { title: 'Operate this node' },
    h(
      'form',
      { onSubmit: submit },
      h(
        'p',
        null,
        'It takes the token of this node (page.tokenFile). This tab keeps it in memory until it is closed or loaded again.',
      ),
      h(
        'label',
        { class: 'field' },
        'Token',
        h('input', {
          type: 'password',
          autocomplete: 'off',
          autofocus: true,
          value: given,
          onInput: (event: Event) => setGiven((event.currentTarget as HTMLInputElement).value),
        }),
      ),
      problem === '' ? null : h(Problem, { text: problem }),
      h(Buttons, { text: 'Operate', isReady: given.trim() !== '' }),
    ),
  );
};

const STYLES = [
  ['', 'as the configuration says'],
  ['prompt', 'move at once; open connections are reset'],
  ['patient', 'stay until their connections end'],
] as const;

const pick = (
  name: string,
  value: string,
  options: readonly (readonly [string, string])[],
  on: (value: string) => void,
) =>
  h(
    'label',
    { class: 'field' },
    name,
    h(
      'select',
      { value, onChange: (event: Event) => on((event.currentTarget as HTMLSelectElement).value) },
      options.map(([key, text]) => h('option', { key, value: key }, text)),
    ),
  );

/** Asks for the preview at once, at each change of the choice, and now and then. */
const usePreview = (act: Act, choice: Choice): Answer<Told> | null => {
  const [state, setState] = useState<{ readonly of: Choice; readonly answer: Answer<Told> } | null>(null);
  useEffect(() => {
    let isCurrent = true;
    const ask = async (): Promise<void> => {
      const answer = await preview(act, choice);
      if (isCurrent) setState({ of: choice, answer });
    };
    void ask();
    const again = setInterval(() => void ask(), PREVIEW_AGAIN_MS);
    return () => {
      isCurrent = false;
      clearInterval(again);
    };
  }, [choice]);
  // What belongs to another choice is not what would happen.
  return state === null || state.of !== choice ? null : state.answer;
};

const titleOf = ({ path, ip }: Act, node: string): string => {
  if (ip !== null) return `Move ${ip}`;
  return `${path === 'drain' ? 'Drain' : 'Undrain'} ${node}`;
};

const ActDialog = ({ act }: { readonly act: Act }): ComponentChildren => {
  const [choice, setChoice] = useState<Choice>({ to: null, patient: null });
  const [problem, setProblem] = useState('');
  const [isBusy, setBusy] = useState(false);
  const answer = usePreview(act, choice);
  const { node } = told.value;
  const title = titleOf(act, node?.node ?? 'this node');
  const value = answer !== null && 'value' in answer ? answer.value : null;
  const peers = [...new Set(node?.peers.map((peer) => peer.node) ?? [])].sort();
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    const form = event.currentTarget as HTMLElement;
    setBusy(true);
    const done = await perform(act, choice);
    setBusy(false);
    if ('problem' in done) return setProblem(done.problem);
    asked.value = `${title}: asked`;
    form.closest('dialog')?.close();
  };
  return h(
    Modal,
    { title },
    h(
      'form',
      { onSubmit: submit },
      act.path === 'undrain'
        ? null
        : [
            pick(
              'To',
              choice.to ?? '',
              [['', 'the node with the fewest'], ...peers.map((name) => [name, name] as const)],
              (to) => setChoice({ ...choice, to: to === '' ? null : to }),
            ),
            pick(
              'Clients',
              choice.patient === null ? '' : choice.patient ? 'patient' : 'prompt',
              STYLES,
              (style) => setChoice({ ...choice, patient: style === '' ? null : style === 'patient' }),
            ),
          ],
      h('h3', null, 'What will happen'),
      h(
        'div',
        { 'aria-live': 'polite', class: 'sentences' },
        answer === null ? h('p', { class: 'empty' }, 'The node is asked …') : null,
        value === null
          ? null
          : h(
              'ul',
              null,
              value.sentences.map((text) => h('li', { key: text }, text)),
            ),
      ),
      answer !== null && 'problem' in answer ? h(Problem, { text: answer.problem }) : null,
      problem === '' ? null : h(Problem, { text: problem }),
      h(Buttons, {
        text: title,
        isReady: !isBusy && value !== null && (act.ip === null || value.moves.length > 0),
      }),
    ),
  );
};

/** The one that is open, if any; it stands beside the views, and outlives their redrawing. */
export const Dialogs = (): ComponentChildren => {
  const now = open.value;
  if (now === null) return null;
  const { number, act } = now;
  if (act === null || !isOperator()) return h(TokenDialog, { key: `token ${number}` });
  return h(ActDialog, { key: number, act });
};

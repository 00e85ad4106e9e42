// Pure stepping of an xstate machine: (snapshot, event) in, (snapshot, actions as data) out; no actor runs.
// `transition()` of xstate builds an actor per event; one inert scope per machine does the same work several
// times faster (docs/decisions.md). test/unit/stepper.test.ts holds the two equal, so that an upgrade cannot
// part them unseen. xstate's private shape is known to this file alone.
import {
  type AnyStateMachine,
  createActor,
  type EventFromLogic,
  type InputFrom,
  type SnapshotFrom,
} from 'xstate';

/** A named effect of a machine, with its resolved params. */
export interface MachineAction {
  readonly type: string;
  readonly params: Readonly<Record<string, unknown>>;
}

/** A delayed event the machine wants back: `id` is unique within the machine, an equal id replaces. */
export interface DelayedEvent<E> {
  readonly id: string;
  readonly event: E;
  readonly delayMs: number;
}

export interface Stepped<S, E> {
  readonly snapshot: S;
  readonly actions: readonly MachineAction[];
  /** Delays started and cancelled, in the order the machine asked for them. */
  readonly delays: readonly ({ readonly start: DelayedEvent<E> } | { readonly cancel: string })[];
}

export interface Stepper<S, E, I> {
  initial(input: I): Stepped<S, E>;
  step(snapshot: S, event: E): Stepped<S, E>;
}

interface Executable {
  readonly type: string;
  readonly params: Record<string, unknown> | undefined;
}

/** Builds a stepper for `machine`. It throws what a guard or an assign throws; the given snapshot stays intact. */
export const createStepper = <M extends AnyStateMachine>(
  machine: M,
): Stepper<SnapshotFrom<M>, EventFromLogic<M>, InputFrom<M>> => {
  let executed: Executable[] = [];
  // Never started: it lends `self` and `system` to the scope, as xstate's own transition() does.
  const self = createActor(machine as AnyStateMachine, { input: {} });
  const scope = {
    self,
    system: self.system,
    id: '',
    sessionId: '',
    logger: () => {},
    defer: () => {},
    stopChild: () => {},
    emit: () => {},
    actionExecutor: (action: Executable) => {
      executed.push(action);
    },
  };

  const collect = (snapshot: SnapshotFrom<M>): Stepped<SnapshotFrom<M>, EventFromLogic<M>> => {
    // getInitialSnapshot and transition report a throwing guard or assign as a snapshot, not as an exception.
    const failed = snapshot as { status: string; error?: unknown };
    if (failed.status === 'error') throw failed.error;
    const actions: MachineAction[] = [];
    const delays: ({ start: DelayedEvent<EventFromLogic<M>> } | { cancel: string })[] = [];
    for (const action of executed) {
      if (action.type === 'xstate.raise') {
        const raised = action.params as { event: EventFromLogic<M>; id: string; delay?: number };
        if (raised.delay === undefined) continue; // an undelayed raise was consumed within the step
        delays.push({ start: { id: raised.id, event: raised.event, delayMs: raised.delay } });
      } else if (action.type === 'xstate.cancel') {
        delays.push({ cancel: (action.params as { sendId: string }).sendId });
      } else {
        actions.push({ type: action.type, params: action.params ?? {} });
      }
    }
    executed = [];
    return { snapshot, actions, delays };
  };

  return {
    initial: (input) => {
      executed = [];
      return collect(machine.getInitialSnapshot(scope as never, input) as SnapshotFrom<M>);
    },
    step: (snapshot, event) => {
      executed = [];
      return collect(
        machine.transition(snapshot as never, event as never, scope as never) as SnapshotFrom<M>,
      );
    },
  };
};

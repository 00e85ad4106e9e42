// How commands talk to the daemon of this host: its control socket, with the exit codes of contract.md.
import { requestControl, UnreachableError } from '../io/control/control-socket.ts';
import { CommandError, EXIT } from './command.ts';

export const DEFAULT_SOCKET = '/run/holdfast/holdfast.sock';

/** Asks the daemon; ends with exit code 4 when it is not there (3: there but not for us, 2: it refuses). */
export const askDaemon = async (
  socket: string,
  method: 'GET' | 'POST',
  path: string,
  body: unknown = null,
): Promise<string> => {
  try {
    const reply = await requestControl(socket, method, path, body);
    if (reply.status < 300) return reply.body;
    const code = reply.status === 400 ? EXIT.usage : EXIT.unreachable;
    throw new CommandError(code, `${socket}: the daemon says: ${reply.body.trim()}`);
  } catch (error) {
    if (!(error instanceof UnreachableError)) throw error;
    throw new CommandError(error.code === 'EACCES' ? EXIT.permission : EXIT.unreachable, error.message);
  }
};

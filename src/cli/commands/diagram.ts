// `holdfast diagram`: the service IP machine, drawn from the code.
import { diagramOf, toMermaid } from '../../machines/diagram.ts';
import { serviceIpMachine } from '../../machines/service-ip.ts';
import { type Command, CommandError, EXIT, print, readOptions } from '../command.ts';

const FORMATS = ['mermaid', 'svg', 'json'] as const;

export const diagram: Command = {
  summary: 'the state machine of a service IP, drawn from the code',
  help: `Usage: holdfast diagram [--format ${FORMATS.join('|')}]`,
  run: async (args) => {
    const { values } = readOptions(args, { format: { type: 'string', default: 'mermaid' } });
    const drawn = diagramOf(serviceIpMachine);
    if (values.format === 'mermaid') print(toMermaid(drawn).trimEnd());
    else if (values.format === 'svg') {
      // The layout library takes 100 ms to load; no other command waits for it.
      const { toSvg } = await import('../diagram/diagram-svg.ts');
      print((await toSvg(drawn)).trimEnd());
    } else if (values.format === 'json') print(JSON.stringify(drawn, null, 2));
    else
      throw new CommandError(EXIT.usage, `--format ${values.format}: ${FORMATS.join(', ')} would be right`);
    return EXIT.yes;
  },
};

// The alert rules on what daemons in the lab really say: promtool evaluates them on scrapes of a healthy segment, of one
// whose nodes do not hear each other, of one on which nobody can take an IP, and of one that is well again.
import assert from 'node:assert/strict';
import { createStage, type Stage } from '../../src/cli/lab/stage.ts';
import { requestControl } from '../../src/io/control/control-socket.ts';
import { sleep, waitFor } from '../support/bed.ts';
import { wireTest } from '../support/lab.ts';
import { promtoolPath, type Scrape, watchRules } from '../support/promtool.ts';

const scrape = (stage: Stage): Promise<Scrape[]> =>
  Promise.all(
    stage.nodes.map(async ({ host, socket, isRunning }): Promise<Scrape> => {
      if (!isRunning()) return { node: host.name, text: null };
      return { node: host.name, text: (await requestControl(socket, 'GET', '/metrics')).body };
    }),
  );

/** What is seen lasts: as Prometheus would have it, scraping once a minute. */
const lasting = (scrapes: readonly Scrape[], minutes: number): (readonly Scrape[])[] =>
  Array.from({ length: minutes }, () => scrapes);

wireTest('alerts fire on what daemons in the lab say, and on nothing else', ['nft'], async (context) => {
  if (process.env.HOLDFAST_LONG !== '1')
    return context.skip('takes 25 s, the rules are tested on the registry: HOLDFAST_LONG=1');
  const promtool = promtoolPath();
  if (promtool === null) {
    context.skip('no promtool here: apt-get install prometheus, or PROMTOOL=PATH');
    return;
  }
  const stage = await createStage({ nodes: 2 });
  context.after(() => stage.dispose());
  await stage.settled();
  await stage.gathered();
  await stage.settled();
  const well = await scrape(stage);

  const drop = await stage.segment.dropFrames({ from: 'n1', bothWays: true });
  const leaders = async (): Promise<number> => {
    const views = await Promise.all(stage.nodes.map((node) => node.status()));
    return views.flatMap(({ serviceIPs }) => serviceIPs).filter(({ state }) => state === 'leader').length;
  };
  await waitFor('both nodes to lead both IPs', 30_000, async () => ((await leaders()) === 4 ? true : null));
  await sleep(1_000);
  const split = await scrape(stage);

  await drop.undo();
  await stage.settled();
  await stage.owners();
  for (const node of stage.nodes) await stage.segment.cut(node.host);
  await waitFor('nobody to lead', 30_000, async () => ((await leaders()) === 0 ? true : null));
  await sleep(1_000);
  const dark = await scrape(stage);
  for (const node of stage.nodes) await stage.segment.restore(node.host);
  await stage.settled();
  await stage.owners();
  const healed = await scrape(stage);

  // Hellos are not signed in the lab, which is a finding.
  const always = ['HoldfastFindings'];
  const problem = await watchRules(promtool, [
    { name: 'well', stepMinutes: 1, steps: lasting(well, 30), firing: always },
    {
      name: 'split',
      stepMinutes: 1,
      steps: [...lasting(well, 20), ...lasting(split, 10)],
      firing: [...always, 'HoldfastPeerDead', 'HoldfastServiceIPLedTwice'],
    },
    {
      name: 'dark',
      stepMinutes: 1,
      steps: [...lasting(well, 20), ...lasting(dark, 10)],
      firing: [...always, 'HoldfastPeerDead', 'HoldfastServiceIPUnowned'],
    },
    {
      name: 'healed',
      stepMinutes: 1,
      steps: [...lasting(well, 20), ...lasting(split, 3), ...lasting(dark, 3), ...lasting(healed, 20)],
      firing: always,
    },
  ]);
  assert.equal(problem, null);
});

// sanderling deploy, releases, rollouts, devices: from a version to the devices.
import type { Device, Release, Rollout } from '@sanderling/wire';
import { facts, moment, table } from '../output.ts';
import type { CommandGroup } from './command.ts';
import { wholeNumber } from './numbers.ts';

export const releaseCommands: CommandGroup = (program, run) => {
  program
    .command('deploy')
    .argument('<project>')
    .option('--version-number <n>', 'which version; the champion or candidate otherwise', wholeNumber())
    .option('--force', 'even if a gate said no (admin)')
    .description('release a version and roll it out')
    .action((project: string, flags: { versionNumber?: number; force?: boolean }, command) =>
      run(command, async ({ hub }) => {
        const rollout = await hub.deploy(project, {
          ...(flags.versionNumber === undefined ? {} : { version: flags.versionNumber }),
          force: flags.force ?? false,
        });
        return { data: rollout, text: describeRollout(rollout) };
      }),
    );

  program
    .command('releases')
    .argument('<project>')
    .description('signed bundles')
    .action((project: string, _flags, command) =>
      run(command, async ({ hub }) => {
        const { items } = await hub.releases(project);
        const columns = [
          { title: 'release', of: (r: Release) => r.digest.slice(0, 12) },
          { title: 'version', of: (r: Release) => r.version },
          { title: 'target', of: (r: Release) => r.target },
          { title: 'kB', of: (r: Release) => Math.round(r.sizeBytes / 1024) },
          { title: 'made', of: (r: Release) => moment(r.createdAt) },
        ];
        return { data: items, text: table(items, columns, 'no release yet') };
      }),
    );
};

export const rolloutCommands: CommandGroup = (program, run) => {
  const rollouts = program.command('rollouts').description('releases on their way to devices');
  rollouts
    .command('list')
    .argument('<project>')
    .description('newest first')
    .action((project: string, _flags, command) =>
      run(command, async ({ hub }) => {
        const { items } = await hub.rollouts(project);
        const columns = [
          { title: 'id', of: (r: Rollout) => r.id },
          { title: 'version', of: (r: Rollout) => r.version },
          { title: 'state', of: (r: Rollout) => r.state },
          {
            title: 'active',
            of: (r: Rollout) => `${r.devices.filter((d) => d.state === 'active').length}/${r.devices.length}`,
          },
          { title: 'why', of: (r: Rollout) => r.reason },
        ];
        return { data: items, text: table(items, columns, 'nothing was rolled out yet') };
      }),
    );
  rollouts
    .command('show')
    .argument('<id>')
    .description('one roll-out, device by device')
    .action((id: string, _flags, command) =>
      run(command, async ({ hub }) => {
        const rollout = await hub.rollout(id);
        return { data: rollout, text: describeRollout(rollout) };
      }),
    );
  rollouts
    .command('cancel')
    .argument('<id>')
    .description('offer it to no further device')
    .action((id: string, _flags, command) =>
      run(command, async ({ hub }) => {
        const rollout = await hub.cancelRollout(id);
        return { data: rollout, text: `${rollout.id} is ${rollout.state}` };
      }),
    );
};

export const deviceCommands: CommandGroup = (program, run) => {
  const devices = program.command('devices').description('enrolled devices');
  devices
    .command('list')
    .option('--project <name>')
    .description('devices and how they do')
    .action((flags: { project?: string }, command) =>
      run(command, async ({ hub }) => {
        const { items } = await hub.devices(flags);
        const columns = [
          { title: 'id', of: (d: Device) => d.id },
          { title: 'name', of: (d: Device) => d.name },
          { title: 'target', of: (d: Device) => d.target },
          { title: 'online', of: (d: Device) => (d.online ? 'yes' : 'no') },
          { title: 'runs', of: (d: Device) => d.active?.slice(0, 12) },
          { title: 'update', of: (d: Device) => d.update?.stage },
          { title: 'drift', of: (d: Device) => d.report?.['driftScore'] as number | undefined },
          { title: 'last seen', of: (d: Device) => moment(d.lastSeenAt) },
        ];
        return {
          data: items,
          text: table(items, columns, 'no device yet; enrol one with the token of: sanderling devices token PROJECT'),
        };
      }),
    );
  devices
    .command('show')
    .argument('<id>')
    .description('one device')
    .action((id: string, _flags, command) =>
      run(command, async ({ hub }) => {
        const device = await hub.device(id);
        return { data: device, text: describeDevice(device) };
      }),
    );
  devices
    .command('token')
    .argument('<project>')
    .option('--expires-in <time>', 'how long it may be used', '1h')
    .description('make a one-time enrolment token')
    .action((project: string, flags: { expiresIn: string }, command) =>
      run(command, async ({ hub }) => {
        const token = await hub.createToken(project, flags);
        return { data: token, text: token.token ?? '' };
      }),
    );
  devices
    .command('tag')
    .argument('<id>')
    .argument('<tags...>', 'name=value …; replaces all tags')
    .description('say what groups a device belongs to')
    .action((id: string, tags: string[], _flags, command) =>
      run(command, async ({ hub }) => {
        const device = await hub.tagDevice(id, Object.fromEntries(tags.map((tag) => splitTag(tag))));
        return { data: device, text: describeDevice(device) };
      }),
    );
  devices
    .command('remove')
    .argument('<id>')
    .description('forget a device; its key is refused from now on')
    .action((id: string, _flags, command) =>
      run(command, async ({ hub }) => {
        await hub.removeDevice(id);
        return { data: { removed: id }, text: `removed ${id}` };
      }),
    );
};

function splitTag(tag: string): [string, string] {
  const at = tag.indexOf('=');
  return at < 0 ? [tag, ''] : [tag.slice(0, at), tag.slice(at + 1)];
}

function describeDevice(device: Device): string {
  return facts([
    ['device', `${device.name} (${device.id})`],
    ['project', device.project],
    ['target', device.target],
    [
      'tags',
      Object.entries(device.tags)
        .map(([name, value]) => `${name}=${value}`)
        .join(' '),
    ],
    ['online', device.online ? 'yes' : 'no'],
    ['last seen', moment(device.lastSeenAt)],
    ['runs', device.active],
    ['should run', device.desired],
    [
      'update',
      device.update === null
        ? null
        : `${device.update.stage}${device.update.reason === null ? '' : `: ${device.update.reason}`}`,
    ],
    ['report', device.report === null ? null : JSON.stringify(device.report)],
  ]);
}

function describeRollout(rollout: Rollout): string {
  type Row = Rollout['devices'][number];
  const columns = [
    { title: 'device', of: (d: Row) => d.name },
    { title: 'state', of: (d: Row) => d.state },
    { title: 'why', of: (d: Row) => d.reason },
    { title: 'since', of: (d: Row) => moment(d.updatedAt) },
  ];
  const head = facts([
    ['roll-out', rollout.id],
    ['version', rollout.version],
    ['state', rollout.reason === null ? rollout.state : `${rollout.state}: ${rollout.reason}`],
    ['wave', `${rollout.wave + 1} of ${rollout.waves.length}`],
  ]);
  return `${head}\n\n${table(rollout.devices, columns, 'no device matches; it waits for the first one')}`;
}

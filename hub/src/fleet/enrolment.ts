// Enrolment: a one-time token and a device's own public key become a device. The same key again is the same device.
import { newId, SanderlingError } from '@sanderling/kit';
import type { EnrolAnswer, EnrolRequest } from '@sanderling/wire';
import type { Kysely } from 'kysely';
import { tables, type Database } from '../store/index.ts';
import type { FleetPorts } from './ports.ts';
import type { FleetTables } from './tables.ts';
import type { Tokens } from './tokens.ts';

/** Longest name. */
const nameLength = 63;

/**
 * Makes a device known.
 * @throws UNAUTHENTICATED for a token that is none; TOKEN_EXPIRED; TOKEN_USED when another key used it; CONFLICT when the key belongs to another project's device.
 */
export async function enrol(
  database: Database,
  request: EnrolRequest,
  parts: {
    readonly tokens: Tokens;
    readonly ports: FleetPorts /** Id of a token whose secret has been proved already. @default the one in the request */;
    readonly proved?: string;
  },
): Promise<EnrolAnswer> {
  const { tokens, ports, proved } = parts;
  const device = await tables<FleetTables>(database)
    .transaction()
    .execute(async (tx) => {
      const token = proved === undefined ? await tokens.recognise(request.token, tx) : await tokens.find(proved, tx);
      if (token === undefined) throw new SanderlingError('UNAUTHENTICATED', 'this enrolment token is not valid here');
      const known = await tx
        .selectFrom('device')
        .select(['id', 'name', 'project'])
        .where('public_key', '=', request.publicKey)
        .executeTakeFirst();
      if (known !== undefined && token.used_by === known.id) return known;
      if (token.used_by !== null) throw used();
      if (token.expires_at <= ports.clock.now()) throw expired();
      if (known !== undefined && known.project !== token.project) throw elsewhere(known.project);
      const device = known ?? (await insert(tx, request, { project: token.project, ports }));
      await tx.updateTable('enrolment_token').set({ used_by: device.id }).where('id', '=', token.id).execute();
      return device;
    });
  return {
    device: device.id,
    name: device.name,
    project: device.project,
    hubPublicKey: ports.releaseKey.publicKey,
  };
}

async function insert(
  tx: Kysely<FleetTables>,
  request: EnrolRequest,
  { project, ports }: { readonly project: string; readonly ports: FleetPorts },
): Promise<{ readonly id: string; readonly name: string; readonly project: string }> {
  const id = newId('dev', ports.clock);
  const name = await freeName(tx, request.name);
  const { target, tags, publicKey, agentVersion } = request;
  const now = ports.clock.now();
  await tx
    .insertInto('device')
    .values({
      id,
      name,
      project,
      target,
      tags: JSON.stringify(tags),
      public_key: publicKey,
      agent_version: agentVersion,
      enrolled_at: now,
      last_seen_at: now,
      desired: null,
      counter: 0,
      status: null,
    })
    .execute();
  await ports.events.append({ type: 'device.enrolled', project, subject: id, data: { name, target, tags } }, tx);
  return { id, name, project };
}

/** The wanted name, or with a number behind it, or with something random. */
async function freeName(tx: Kysely<FleetTables>, wanted: string): Promise<string> {
  for (let number = 1; number < 20; number++) {
    const name = number === 1 ? wanted : suffixed(wanted, String(number));
    const taken = await tx.selectFrom('device').select('id').where('name', '=', name).executeTakeFirst();
    if (taken === undefined) return name;
  }
  return suffixed(wanted, newId('x').slice(-10));
}

function suffixed(name: string, suffix: string): string {
  return `${name.slice(0, nameLength - suffix.length - 1)}-${suffix}`;
}

function used(): SanderlingError {
  return new SanderlingError('TOKEN_USED', 'this enrolment token has been used by another device', {
    fix: anotherToken,
  });
}

function expired(): SanderlingError {
  return new SanderlingError('TOKEN_EXPIRED', 'this enrolment token has expired', { fix: anotherToken });
}

function elsewhere(project: string): SanderlingError {
  return new SanderlingError('CONFLICT', `this device belongs to the project "${project}"`, {
    fix: 'remove it there first, or give it a new data folder',
  });
}

const anotherToken = 'make another with: sanderling devices token';

// Named places where a test may end the process as a power cut would. In production every one of them does nothing.
import { SanderlingError } from '@sanderling/kit';

/** Every step of enrolment, delivery and update after which the process may die, in their order. */
export const crashPoints = [
  'key-written',
  'enrol-sent',
  'identity-written',
  'desired-verified',
  'desired-persisted',
  'download-started',
  'download-halfway',
  'download-complete',
  'bundle-verified',
  'release-stored',
  'self-test-passed',
  'switch-begun',
  'pointer-written',
  'switch-done',
  'probation-prediction',
  'commit-begun',
  'commit-done',
  'collect-done',
  'rollback-begun',
  'rollback-written',
  'rollback-done',
  'deliver-answered',
] as const;

/** One of {@link crashPoints}. */
export type CrashPoint = (typeof crashPoints)[number];

/** Called at every crash point. */
export type CrashHook = (point: CrashPoint) => void;

/** What production uses. */
export const noCrash: CrashHook = () => undefined;

/**
 * A hook that kills this process with SIGKILL at one point.
 * @throws INVALID_CONFIG for a name that is not in {@link crashPoints}.
 */
export function crashAt(name: string): CrashHook {
  if (!crashPoints.some((point) => point === name))
    throw new SanderlingError('INVALID_CONFIG', `there is no crash point ${name}`, {
      where: 'SANDERLING_AGENT_CRASH_AT',
    });
  return (point) => {
    if (point === name) process.kill(process.pid, 'SIGKILL');
  };
}

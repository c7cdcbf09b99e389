// The classes of device that a release can be made for.

/** Every target. Linux targets run ONNX Runtime; the others run C that the hub generates. */
export const targets = ['linux-x64', 'linux-arm64', 'darwin-x64', 'win-x64', 'zynq7020', 'stm32h745'] as const;

/** A class of device with its runtime. */
export type Target = (typeof targets)[number];

/** Which targets have an agent today (ONNX Runtime inside a Node process). */
export const agentTargets = ['linux-x64', 'linux-arm64', 'darwin-x64', 'win-x64'] as const satisfies readonly Target[];

/** Which targets run C that the hub generates, as images for the slots of a board. */
export const microTargets = ['stm32h745'] as const satisfies readonly Target[];
export type MicroTarget = (typeof microTargets)[number];

/** Which targets a release can be made for. */
export const releaseTargets: readonly Target[] = [...agentTargets, ...microTargets];

/** The target of the machine this runs on. @throws never; an unknown platform counts as linux-x64. */
export function localTarget(platform: string = process.platform, arch: string = process.arch): Target {
  const name = `${platform === 'win32' ? 'win' : platform}-${arch}`;
  return targets.find((target) => target === name) ?? 'linux-x64';
}

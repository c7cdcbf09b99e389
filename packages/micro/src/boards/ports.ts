// The bytes of a call's inputs and outputs, in the order of the generated function's parameters; little-endian as boards and this machine are.
import { SanderlingError } from '@sanderling/kit';
import { dataTypes, type TensorArray } from '@sanderling/onnx';
import type { Port } from '../emit/interface.ts';
import { elementTypes } from '../ir.ts';
import type { Elements } from '../options.ts';

/** Bytes of all ports together. */
export function bytesOfPorts(ports: readonly Port[]): number {
  return ports.reduce((sum, { dtype, count }) => sum + count * elementTypes[dtype].bytes, 0);
}

/** @throws INVALID_ARGUMENT for an input that is missing or has another size. */
export function portsToBytes(ports: readonly Port[], values: Elements): Buffer {
  return Buffer.concat(
    ports.map((port) => {
      const data = Object.hasOwn(values, port.name) ? values[port.name] : undefined;
      if (data?.byteLength !== bytesOfPorts([port]))
        throw new SanderlingError('INVALID_ARGUMENT', `"${port.name}" takes ${port.count} elements of ${port.dtype}`, {
          where: port.name,
        });
      return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    }),
  );
}

/** Typed arrays by name from bytes that are as long as the ports say. */
export function portsFromBytes(ports: readonly Port[], bytes: Uint8Array): Elements {
  let at = 0;
  return Object.fromEntries(
    ports.map((port): readonly [string, TensorArray] => {
      const copy = Uint8Array.from(bytes.subarray(at, (at += bytesOfPorts([port]))));
      const { array } = dataTypes[port.dtype] as { array: new (buffer: ArrayBufferLike) => TensorArray };
      return [port.name, new array(copy.buffer)];
    }),
  );
}

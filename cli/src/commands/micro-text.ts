// What `sanderling micro` prints for people.
import {
  flashLayout,
  targets,
  type Budget,
  type DetectorReport,
  type Generated,
  type LayerCost,
  type Measurement,
  type Report,
  type TargetName,
} from '@sanderling/micro';
import type { QuantisationReport } from '@sanderling/onnx';
import { table } from '../output.ts';

/** How much of a slot the model takes when it is sent to a device as an update. */
export function slotText({ flash }: Measurement): string {
  const bytes = flash.code + flash.constants;
  const { imageBytes, slotBytes } = flashLayout;
  if (bytes > imageBytes) return `too large to be sent as an update (${bytes} of ${imageBytes} B)`;
  return `${((100 * bytes) / slotBytes).toFixed(1)} % of the ${slotBytes / 1024} KiB for an update`;
}

/** Instructions for each multiply-accumulate, to two digits; undefined for layers without any. */
export const perMac = (instructions: number, macs: number): number | undefined =>
  macs === 0 ? undefined : Number((instructions / macs).toFixed(2));

/** The first numbers of an output. */
export const shown = (values: readonly number[]): string =>
  values
    .slice(0, 12)
    .map((value) => Number(value.toPrecision(7)))
    .join(' ') + (values.length > 12 ? ` … (${values.length})` : '');

/** What each layer costs. */
export function layerTable({ report }: Generated, costs: readonly LayerCost[]): string {
  const found = new Map(costs.map(({ index, instructions }) => [index, instructions]));
  type Row = (typeof report.layers)[number];
  const columns = [
    { title: '#', of: (row: Row) => row.index },
    { title: 'layer', of: (row: Row) => row.name.slice(0, 40) },
    { title: 'operator', of: (row: Row) => row.operator },
    { title: 'output', of: (row: Row) => row.output.join('×') || 'scalar' },
    { title: 'MACs', of: (row: Row) => row.macs },
    { title: 'instructions', of: (row: Row) => found.get(row.index) ?? 0 },
    { title: 'per MAC', of: (row: Row) => perMac(found.get(row.index) ?? 0, row.macs) },
    { title: 'constants', of: (row: Row) => row.constantBytes },
    { title: 'live', of: (row: Row) => row.liveBytes },
  ];
  return table(report.layers, columns, 'the model has no layers');
}

/** What of each bank the report alone accounts for; code, stack and the rest of a firmware come on top. */
export function shareText(report: Report, target: TargetName): string {
  const { title, banks } = targets[target];
  const needs: Readonly<Record<string, number>> = {
    FLASH: report.constantBytes,
    DTCM: report.stateBytes,
    AXI: report.arenaBytes,
    D2: report.inputBytes + report.outputBytes,
  };
  const shares = banks.map(({ name, bytes }) => {
    const need = needs[name] ?? 0;
    return `${name} ${((100 * need) / bytes).toFixed(1)} %${need > bytes ? ' (too small)' : ''}`;
  });
  return `Of the ${title}, without code and stack: ${shares.join(', ')}.`;
}

/** What quantisation did to each layer; nothing if there was none. */
export function quantisationText(report: QuantisationReport | undefined): readonly string[] {
  if (report === undefined) return [];
  type Row = (typeof report.layers)[number];
  const decibels = (value: number): string => (value === Infinity ? 'exact' : `${value.toFixed(1)} dB`);
  const columns = [
    { title: 'quantised layer', of: (row: Row) => row.name || row.value },
    { title: 'operator', of: (row: Row) => row.operator },
    { title: 'alone', of: (row: Row) => decibels(row.aloneDecibels) },
    { title: 'together', of: (row: Row) => decibels(row.cumulativeDecibels) },
    { title: 'stays', of: (row: Row) => (row.float ? 'float' : 'int8') },
  ];
  const error = `Error of the outputs by quantisation: ${(100 * report.relativeError).toFixed(2)} % of their size.`;
  return ['', table(report.layers, columns, 'no layer can be quantised'), error];
}

/** What a drift detector takes; nothing if there is none. */
export function detectorText(report: DetectorReport | undefined): readonly string[] {
  if (report === undefined) return [];
  const libm = report.libm === '' ? '' : `, ${report.libm} of libm`;
  return [
    `Drift detector ${report.detector}: ${report.stateBytes} B of state, ${report.constantBytes} B of constants${libm}.`,
  ];
}

/** How full the banks of the part are. */
export function budgetText({ target, banks }: Budget): string {
  type Row = (typeof banks)[number];
  const columns = [
    { title: targets[target].title, of: (row: Row) => row.bank },
    { title: 'used', of: (row: Row) => row.used },
    { title: 'of', of: (row: Row) => row.bytes },
    { title: 'share', of: (row: Row) => `${((100 * row.used) / row.bytes).toFixed(1)} %` },
    { title: 'holds', of: (row: Row) => row.holds },
  ];
  return table(banks, columns, 'no memory');
}

// The cells of a search: what projects may say is what the trainer has, and every one of them trains and forecasts.
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeModel } from '@sanderling/onnx';
import { forecasterCells as trainable } from '@sanderling/train';
import { forecasterCells } from '@sanderling/wire';
import { expect, test } from 'vitest';
import { ended, feed, openHouse, roomReadings, smallProject } from '../../learning.suite.ts';
import type { SearchResult } from './search-driver.ts';

test('projects know the cells of the trainer and no others', () => {
  expect(forecasterCells).toEqual(trainable);
});

test.each(forecasterCells)('a search over %s alone ends in a model with the operators of that cell', async (cell) => {
  await using house = await openHouse(await mkdtemp(join(tmpdir(), 'house-')));
  const space = { cell: { type: 'choice', options: [cell] }, hidden: 8, window: 12, batch: 64 };
  await house.projects.put({ ...smallProject, search: { ...smallProject.search, trials: 1, space } });
  await feed(house, 'room', roomReadings(900));
  const execution = await ended(house, (await house.pipelines.begin('room', { actions: ['retrain'] })).id);
  expect([execution.state, execution.reason]).toEqual(['succeeded', null]);
  const { best } = execution.steps.find(({ name }) => name === 'search')!.outputs as unknown as SearchResult;
  expect(best.params.cell).toBe(cell);
  const { model } = await house.registry.modelInput(await house.registry.get('room', 1));
  const operators = decodeModel(model).graph.nodes.map(({ opType }) => opType);
  const recurrent = operators.filter((operator) => ['GRU', 'LSTM', 'RNN'].includes(operator));
  expect(recurrent).toEqual(cell === 'dense' ? [] : [cell.toUpperCase()]);
});

// Where the live view goes: redrawn in place on a terminal, line by line where there is none (CI, pipes).
import { stripVTControlCharacters } from 'node:util';
import { costText, drawScreen, hubText, seconds, stageTitles, type Scene } from './screen.ts';
import { stages, type Story } from './story.ts';

/** Shows a story as it goes on. */
export interface View {
  show(story: Story, scene: Omit<Scene, 'width'>): void;
  /** Leaves the last picture standing. */
  end(): void;
}

/** The right view for an output stream. */
export function createView(output: NodeJS.WriteStream): View {
  return output.isTTY ? new ScreenView(output) : new LineView(output);
}

class ScreenView implements View {
  readonly #output: NodeJS.WriteStream;
  #height = 0;

  constructor(output: NodeJS.WriteStream) {
    this.#output = output;
    output.write('\u001B[?25l');
  }

  show(story: Story, scene: Omit<Scene, 'width'>): void {
    const lines = drawScreen(story, { ...scene, width: this.#output.columns }).slice(
      0,
      Math.max(1, this.#output.rows - 1),
    );
    const up = this.#height === 0 ? '' : `\u001B[${this.#height}A`;
    const gone = '\n\u001B[K'.repeat(Math.max(0, this.#height - lines.length));
    this.#output.write(`${up}\r${lines.map((line) => `${line}\u001B[K`).join('\n')}${gone}\n`);
    this.#height = Math.max(lines.length, this.#height);
  }

  end(): void {
    this.#output.write('\u001B[?25h');
  }
}

/** Between two lines about the same stage, milliseconds. */
const quietMs = 3000;

class LineView implements View {
  readonly #output: NodeJS.WriteStream;
  readonly #told = new Set<string>();
  #last = '';
  #lastAt = 0;

  constructor(output: NodeJS.WriteStream) {
    this.#output = output;
  }

  show(story: Story, scene: Omit<Scene, 'width'>): void {
    if (this.#told.size === 0) this.#once('title', `Sanderling · ${scene.title}`);
    if (scene.hub !== undefined) this.#once('hub', `  ${hubText(scene.hub)}`);
    for (const stage of stages) {
      const time = story.times[stage];
      if (time?.to !== null && time !== undefined)
        this.#once(
          stage,
          `✔ ${stageTitles[stage]} ${seconds(time.to - time.from)}${time.note === '' ? '' : `  ${time.note}`}`,
        );
    }
    if (story.cost !== null) this.#once(`cost${story.cost.instructions}`, `  on the board: ${costText(story.cost)}`);
    for (const gate of story.gates) this.#once(`gate${gate}`, `  gate: ${gate}`);
    for (const text of story.trouble) this.#once(text, `  ! ${text}`);
    this.#progress(story, scene);
  }

  end(): void {
    this.#told.clear();
  }

  #once(key: string, line: string): void {
    if (this.#told.has(key)) return;
    this.#told.add(key);
    this.#write(line);
  }

  #progress(story: Story, scene: Omit<Scene, 'width'>): void {
    if (story.stage === 'done' || scene.now - this.#lastAt < quietMs) return;
    const search =
      story.search === null
        ? story.step
        : `trial ${story.search.finished}/${story.search.trials}, best ${story.search.best?.toPrecision(3) ?? '–'}`;
    const isTraining = (story.stage === 'train' || story.stage === 'retrain') && search !== null;
    const error =
      story.rollingError === null
        ? ''
        : `, error ${story.rollingError.toFixed(3)} ${scene.unit}, drift ${story.driftScore.toFixed(2)}`;
    const line = `  ${stageTitles[story.stage]}: ${story.readings} readings${isTraining ? `, ${search}` : ''}${error}`;
    if (line !== this.#last) this.#write(line);
    this.#last = line;
    this.#lastAt = scene.now;
  }

  #write(line: string): void {
    this.#output.write(`${stripVTControlCharacters(line)}\n`);
  }
}

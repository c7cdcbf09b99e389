// Turns what a terminal showed (text with colours, on standard input) into an SVG for the README: node scripts/terminal-picture.ts < screen.txt > docs/loop.svg
import { text } from 'node:stream/consumers';

const charWidth = 8.4;
const lineHeight = 19;
const margin = 18;

/** SGR codes (ECMA-48) that our view uses, as colours on a dark ground. */
const colours: Readonly<Record<string, string>> = {
  '31': '#ff7b72',
  '32': '#7ee787',
  '33': '#e3b341',
  '35': '#d2a8ff',
  '36': '#79c0ff',
  '2': '#8b949e',
};

interface Span {
  readonly text: string;
  readonly colour: string;
  readonly bold: boolean;
}

/** The picture of some lines of terminal output. */
export function terminalPicture(screen: string): string {
  const lines = screen.replace(/\s+$/, '').split('\n').map(spansOf);
  const columns = Math.max(...lines.map((spans) => spans.reduce((sum, span) => sum + span.text.length, 0)));
  const width = Math.ceil(columns * charWidth + 2 * margin);
  const height = lines.length * lineHeight + 2 * margin;
  const body = lines.map((spans, row) => drawLine(spans, margin + (row + 0.8) * lineHeight)).join('\n');
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace" font-size="14">
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
${body}
</svg>
`;
}

function spansOf(line: string): Span[] {
  let colour = '#e6edf3';
  let bold = false;
  const spans: Span[] = [];
  // oxlint-disable-next-line no-control-regex -- the escape character starts every terminal colour
  for (const part of line.split(/(\u001B\[[0-9;?]*[A-Za-z])/)) {
    const code = /^\u001B\[(\d*)m$/.exec(part)?.[1]; // oxlint-disable-line no-control-regex
    if (part.startsWith('\u001B')) {
      bold = code === '1' ? true : code === '22' ? false : bold;
      colour =
        code !== undefined && code in colours
          ? colours[code]!
          : code === '39' || code === '22' || code === '0'
            ? '#e6edf3'
            : colour;
    } else if (part !== '') spans.push({ text: part, colour, bold });
  }
  return spans;
}

function drawLine(spans: readonly Span[], y: number): string {
  let column = 0;
  return spans
    .map((span) => {
      const x = margin + column * charWidth;
      column += span.text.length;
      return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" xml:space="preserve" textLength="${(span.text.length * charWidth).toFixed(1)}" fill="${span.colour}"${span.bold ? ' font-weight="bold"' : ''}>${escape(span.text)}</text>`;
    })
    .join('');
}

function escape(value: string): string {
  return value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

if (import.meta.main) process.stdout.write(terminalPicture(await text(process.stdin)));

"""What was measured: as JSON, as a table, as charts. Figures are medians with the lowest and the
highest; a ratio says how many times better ours is, whichever way better lies."""

import json
import os
import shutil
import statistics
import subprocess

from rows import METRICS, OURS, PEERS, ROWS

TITLES = {'machine': 'machine', OURS: 'ours', 'postfix': 'Postfix', 'exim': 'Exim',
          'opensmtpd': 'OpenSMTPD'}
FIGURE = ('row', 'variant', 'fs', 'metric', 'system')
NOTE = ('row', 'variant', 'fs', 'system')


class Report:
    def __init__(self, head):
        self.head = head
        self.figures = {}  # by FIGURE: values
        self.notes = {}    # by NOTE: why there is none
        self.failed = []

    def add(self, row, variant, fs, system, figures):
        for metric, value in figures.items():
            self.figures.setdefault((row, variant, fs, metric, system), []).append(value)

    def note(self, row, variant, fs, system, why):
        self.notes[row, variant, fs, system] = why

    def fail(self, row, variant, fs, system, why):
        self.note(row, variant, fs, system, 'FAILED')
        self.failed.append(f'{row}, {variant}, {fs}, {system}: {why}')

    def as_json(self):
        figures = [dict(zip(FIGURE, key), values=values, median=statistics.median(values),
                        low=min(values), high=max(values), unit=METRICS[key[3]][1],
                        better=METRICS[key[3]][2])
                   for key, values in self.figures.items()]
        notes = [dict(zip(NOTE, key), why=why) for key, why in self.notes.items()]
        return {**self.head, 'figures': figures, 'skipped': notes, 'failed': self.failed}

    @classmethod
    def load(cls, path):
        with open(path, encoding='utf-8') as f:
            data = json.load(f)
        figures, notes = data.pop('figures'), data.pop('skipped')
        failed = data.pop('failed')
        self = cls(data)
        self.figures = {tuple(f[k] for k in FIGURE): f['values'] for f in figures}
        self.notes = {tuple(n[k] for k in NOTE): n['why'] for n in notes}
        self.failed = failed
        return self

    def merge(self, other):
        """Takes over what another run measured; where both have a figure, the other's holds."""
        self.figures.update(other.figures)
        self.notes.update(other.notes)
        self.failed += other.failed
        self.head['ended'] = other.head['ended']

    def save(self, path):
        os.makedirs(os.path.dirname(path) or '.', exist_ok=True)
        with open(path, 'w', encoding='utf-8') as f:
            json.dump(self.as_json(), f, indent=1)
            f.write('\n')

    def lines(self, row):
        """Each (variant, fs, metric) of a row that has a figure or a note, as they came."""
        seen = dict.fromkeys(key[1:4] for key in self.figures if key[0] == row.name)
        noted = {key[1:3] for key in self.notes if key[0] == row.name} - {key[:2] for key in seen}
        return [*seen, *((*key, row.head) for key in sorted(noted))]

    def cell(self, row, variant, fs, metric, system):
        values = self.figures.get((row.name, variant, fs, metric, system))
        if values:
            return figure_text(values)
        if metric != row.head:
            return ''
        return self.notes.get((row.name, variant, fs, system), '')

    def ratio(self, row, variant, fs, metric, peers):
        """How many times better ours is than the best of these."""
        def median(system):
            values = self.figures.get((row.name, variant, fs, metric, system))
            return statistics.median(values) if values else None
        ours = median(OURS)
        theirs = [m for m in map(median, peers) if m is not None]
        if ours is None or not theirs:
            return ''
        more = METRICS[metric][2] == 'more'
        best = max(theirs) if more else min(theirs)
        over, under = (ours, best) if more else (best, ours)
        return f'{over / under:.1f} x' if under > 0 else ''

    def table(self, row):
        """Header and lines of one row's table, as text."""
        lines = self.lines(row)
        used = [name for name in TITLES if any(self.cell(row, *line, name) for line in lines)]
        compared = [('postfix',), PEERS] if set(used) & set(PEERS) else []
        head = ['work', 'fs', 'measure', *(TITLES[name] for name in used)]
        head += ['to Postfix', 'to the best'] if compared else []
        body = []
        for line in lines:
            body.append([line[0], line[1], measure_text(line[2]),
                         *(self.cell(row, *line, name) for name in used),
                         *(self.ratio(row, *line, peers) for peers in compared)])
        return head, body

    def text(self):
        quick = self.head.get('quick')
        out = ['Quick: these figures say nothing about speed.', ''] if quick else []
        for row in ROWS:
            head, body = self.table(row)
            if body:
                out += [f'== {row.name}: {row.title}', *aligned([head, *body]), '']
        return '\n'.join(out + [f'FAILED {line}' for line in self.failed])

    def source(self):
        """Where and when the figures were taken."""
        m = self.head['machine']
        versions = ', '.join(v for v in self.head['versions'].values() if v)
        return (f'Taken {self.head["began"]} to {self.head["ended"]} on {m["cpu"]}, '
                f'{m["cores"]} cores, {m["memory_mib"]:,} MiB, Linux {m["kernel"]}, '
                f'load {m["load_at_start"]:.1f} at the start; {self.head["runs"]} runs of each '
                f'work. {versions}.')

    def markdown(self):
        out = [self.source(), '']
        for row in ROWS:
            head, body = self.table(row)
            if body:
                lines = [head, ['---'] * len(head), *body]
                out += [f'### {row.title}', '', *(f'| {" | ".join(line)} |' for line in lines), '']
        return '\n'.join(out)


def measure_text(metric):
    what, unit, _ = METRICS[metric]
    return what + unit if unit[0] == '/' else f'{what}, {unit}'


MARKS = ('<!-- figures: written by bench --write -->', '<!-- end of figures -->')


def write_into(report, path):
    """Puts the tables between the two marks of a Markdown file."""
    with open(path, encoding='utf-8') as f:
        text = f.read()
    before, first, rest = text.partition(MARKS[0])
    _, last, after = rest.partition(MARKS[1])
    if not first or not last:
        raise ValueError(f'{path} lacks the lines "{MARKS[0]}" and "{MARKS[1]}"')
    with open(path, 'w', encoding='utf-8') as f:
        f.write(f'{before}{first}\n\n{report.markdown()}\n{last}{after}')


def number(value):
    if value == 0:
        return '0'
    if abs(value) >= 100:
        return f'{value:,.0f}'
    return f'{value:.1f}' if abs(value) >= 10 else f'{value:.3g}'


def figure_text(values):
    text = number(statistics.median(values))
    return text if len(values) == 1 else f'{text} ({number(min(values))}-{number(max(values))})'


def aligned(table):
    width = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
    return ['  '.join(map(str.ljust, line, width)).rstrip() for line in table]


# Charts.

PLOT = """set terminal svg size 900,460 font 'sans-serif,13' background '#ffffff'
set output '{file}'
set title '{title}' font ',15'
set style data histograms
set style histogram clustered gap 1
set style fill solid 0.9 noborder
set boxwidth 0.9
set ylabel '{label}'
set yrange [0:*]
set grid ytics lc rgb '#dddddd'
set key outside top center horizontal
set xtics rotate by 22 right
set lmargin 16
set bmargin 10
set border 3
set tics nomirror
$data << END
{data}
END
plot {plots}
"""
COLOURS = {OURS: '#0b6e4f', 'postfix': '#c98a1b', 'exim': '#6b7fb3', 'opensmtpd': '#b35c5c'}


def chart_input(report, row, fs, file):
    """What gnuplot reads; None when there is nothing to compare."""
    lines = [line for line in report.lines(row) if line[1] == fs and line[2] == row.head]
    names = [name for name in (OURS, *PEERS)
             if any((row.name, *line, name) in report.figures for line in lines)]
    if len(names) < 2:
        return None
    rows = []
    for line in lines:
        values = [report.figures.get((row.name, *line, name)) for name in names]
        words = [str(statistics.median(v)) if v else '?' for v in values]
        rows.append(' '.join([f'"{line[0]}"', *words]))
    plots = ', '.join(
        f"$data using {i + 2}:xtic(1) title '{TITLES[name]}' lc rgb '{COLOURS[name]}'"
        for i, name in enumerate(names))
    on = '' if fs == '-' else f', {fs}'
    return PLOT.format(file=file, title=row.title + on, label=measure_text(row.head),
                       data='\n'.join(rows), plots=plots)


def draw(report, folder):
    """Draws a chart for each row that compares; returns the files."""
    if not shutil.which('gnuplot'):
        print('no charts: gnuplot is not installed')
        return []
    os.makedirs(folder, exist_ok=True)
    drawn = []
    for row in ROWS:
        for fs in dict.fromkeys(line[1] for line in report.lines(row)):
            file = f'{folder}/{row.name}{"" if fs == "-" else "-" + fs}.svg'
            text = chart_input(report, row, fs, file)
            if text:
                subprocess.run(['gnuplot'], input=text, text=True, check=True)
                drawn.append(file)
    return drawn

"""Draws docs/run.svg from a finished run: its training loss and its confusion matrix.

    python docs/make_picture.py outputs/text_classification/bert-lora/…

Plain SVG, so that it needs no drawing library and shows on any page, light or dark.
"""

import csv
import json
import sys
from pathlib import Path
from xml.sax.saxutils import escape

TARGET = Path(__file__).with_name("run.svg")
WIDTH, HEIGHT = 820, 300
BLUE, GREY = "#2f6fdb", "#8a8f98"


def picture(run: Path) -> str:
    """The SVG of a run directory with csv logs and a confusion matrix of its test rows."""
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    with (run / "logs/csv/metrics.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["name"] == "train/loss"]
    points = [(int(row["step"]), float(row["value"])) for row in rows]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="13" fill="{GREY}" role="img" aria-label="training loss and confusion matrix of a run">',
        *_curve(points, left=60, top=45, width=390, height=200),
        *_matrix(metrics["tables"]["test/confusion_matrix"], left=590, top=75, size=170),
        _text(590, 28, f"test accuracy {metrics['test/accuracy']:.4f}", "font-weight='bold'"),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _curve(points: list[tuple[int, float]], left: int, top: int, width: int, height: int) -> list[str]:
    """Loss over optimizer steps, from zero up to the largest value."""
    last, most = points[-1][0], max(value for _, value in points)
    steps = 10 ** (len(str(last)) - 1)

    def line(values: list[float], style: str) -> str:
        places = zip((step for step, _ in points), values, strict=True)
        spots = " ".join(
            f"{left + width * x / last:.1f},{top + height * (1 - y / most):.1f}" for x, y in places
        )
        return f'<polyline points="{spots}" fill="none" stroke="{BLUE}" {style}/>'

    values = [value for _, value in points]
    # A single step's loss is noisy: the thick line is the mean of five logged ones.
    means = [
        sum(values[max(0, i - 4) : i + 1]) / len(values[max(0, i - 4) : i + 1]) for i in range(len(values))
    ]
    axes = f"M{left} {top}V{top + height}H{left + width}"
    return [
        _text(left, 28, "training loss", "font-weight='bold'"),
        f'<path d="{axes}" fill="none" stroke="{GREY}"/>',
        line(values, 'stroke-width="1" stroke-opacity="0.35"'),
        line(means, 'stroke-width="2.5"'),
        *(
            _text(left - 8, top + height * (1 - part) + 4, f"{most * part:.2f}", "text-anchor='end'")
            for part in (0, 0.5, 1)
        ),
        *(
            _text(left + width * step / last, top + height + 20, str(step), "text-anchor='middle'")
            for step in range(0, last + 1, steps)
        ),
        _text(left + width / 2, top + height + 42, "optimizer step", "text-anchor='middle'"),
    ]


def _matrix(table: list[list[object]], left: int, top: int, size: int) -> list[str]:
    """Counts of test rows: true labels down, predicted ones across; darker is more of the row."""
    names = [str(name) for name in table[0][1:]]
    side = size / len(names)
    parts = [
        _text(left + size / 2, top + size + 22, "predicted", "text-anchor='middle'"),
        *(
            _text(left + side * (i + 0.5), top - 10, name, "text-anchor='middle'")
            for i, name in enumerate(names)
        ),
    ]
    for i, (name, *counts) in enumerate(table[1:]):
        total = sum(int(str(count)) for count in counts) or 1
        middle = top + side * (i + 0.5) + 5
        parts.append(_text(left - 10, middle, str(name), "text-anchor='end'"))
        for j, count in enumerate(counts):
            share = int(str(count)) / total
            x, y = left + side * j, top + side * i
            parts.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{side - 2:.1f}" height="{side - 2:.1f}" fill="{BLUE}" '
                f'fill-opacity="{0.08 + 0.92 * share:.2f}"/>'
            )
            style = f"text-anchor='middle' fill='{'#ffffff' if share > 0.45 else GREY}'"
            parts.append(_text(x + side / 2, middle, str(count), style))
    return parts


def _text(x: float, y: float, text: str, style: str) -> str:
    return f"<text x='{x:.1f}' y='{y:.1f}' {style}>{escape(text)}</text>"


if __name__ == "__main__":
    TARGET.write_text(picture(Path(sys.argv[1])), encoding="utf-8")

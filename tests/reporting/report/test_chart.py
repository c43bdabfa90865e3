"""Drawings are well-formed, in their frame, and say in words what they show."""

from xml.etree import ElementTree

from pipeline.reporting.report.chart import HEIGHT, WIDTH, Series, chart, thinned
from pipeline.reporting.report.parallel import Path, parallel


def elements(drawing: str, name: str) -> list[ElementTree.Element]:
    return [node for node in ElementTree.fromstring(drawing).iter() if node.tag == name]


def places(line: ElementTree.Element) -> list[tuple[float, float]]:
    return [tuple(map(float, spot.split(","))) for spot in line.attrib["points"].split()]  # type: ignore[misc]


def test_lines_go_up_where_numbers_do_and_stay_inside():
    falling = Series("train/loss", [(0, 2.0), (10, 1.0), (20, 0.5)])
    rising = Series("val/accuracy", [(0, 0.5), (20, 1.0)], "c1")
    drawing = chart("loss and accuracy", [falling, rising], "optimizer step")
    first, second = (places(line) for line in elements(drawing, "polyline"))
    assert [x for x, _ in first] == sorted(x for x, _ in first) and first[0][1] < first[1][1] < first[2][1]
    assert second[0][1] > second[1][1]
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in first + second)
    # 1.0 is at one height, whichever line it is of.
    assert first[1][1] == second[1][1]
    (svg,) = elements(drawing, "svg")
    assert svg.attrib["role"] == "img" and svg.attrib["aria-label"] == "loss and accuracy"
    assert "train/loss: 0.5 at 20" in [node.text for node in elements(drawing, "title")]


def test_names_are_text():
    name = "<script>alert(1)</script> & \"'"
    drawing = chart(name, [Series(name, [(name, 1.0), ("b", 2.0)], joined=False, trial=3)], name, name)
    assert "<script" not in drawing
    assert elements(drawing, "circle")[0].attrib["data-trial"] == "3"
    assert elements(drawing, "svg")[0].attrib["aria-label"] == name
    across = parallel(name, [name], [Path(name, {name: name}, 1.0, 0)])
    assert "<script" not in across and elements(across, "title")[0].text == name


def test_a_single_point_is_seen_among_many_lines():
    lines = [Series(f"run {number}", [(1, 0.5), (2, 0.75)]) for number in range(9)]
    drawing = chart("runs", [*lines, Series("pruned", [(1, 0.25)])], "step")
    (dot,) = elements(drawing, "circle")
    assert dot.find("title").text == "pruned: 0.25 at 1"  # type: ignore[union-attr]


def test_without_points_nothing_is_drawn():
    assert chart("nothing", [Series("a", [])], "x") == "" == chart("nothing", [], "x")


def test_many_points_become_means_of_neighbours():
    points = [(step, float(step % 2)) for step in range(10_000)]
    few = thinned(points)
    assert len(few) <= 240 and few[-1][0] == 9_999
    assert all(abs(y - 0.5) < 0.02 for _, y in few)
    assert thinned(points[:100]) == points[:100]


def test_a_path_touches_every_axis_at_its_value():
    paths = [
        Path("a", {"lr": 1e-4, "kind": "lora", "f1": 0.5}, 1.0, 0),
        Path("b", {"lr": 1e-2, "kind": "full", "f1": 0.9}, 0.3, 1),
    ]
    low, high = (places(line) for line in elements(parallel("two", ["lr", "kind", "f1"], paths), "polyline"))
    assert len(low) == len(high) == 3 and [x for x, _ in low] == [x for x, _ in high]
    assert low[0][1] > high[0][1] and low[1][1] > high[1][1] and low[2][1] > high[2][1]

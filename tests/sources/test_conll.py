"""CoNLL files, as they are found."""

import pytest

from pipeline.data.origins import without_origins
from pipeline.errors import BadInput
from pipeline.sources.files import Files


def rows(**options):
    return without_origins(Files(**options).load())["train"].to_list()


LINES = [
    "-DOCSTART- -X- O",
    "",
    "EU NNP B-ORG",
    "rejects VBZ O",
    "",
    "",
    "Ü NN O",
    "-DOCSTART- -X- O",
    "x y z",
]
EXPECTED = [
    {"tokens": ["EU", "rejects"], "column_2": ["NNP", "VBZ"], "tags": ["B-ORG", "O"]},
    {"tokens": ["Ü"], "column_2": ["NN"], "tags": ["O"]},
    {"tokens": ["x"], "column_2": ["y"], "tags": ["z"]},
]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("between", [" ", "\t", "   "])
def test_words_and_tags(here, end, mark, between):
    (here / "a.conll").write_bytes(mark + end.join(LINES).replace(" ", between).encode())
    assert rows(train="a.conll") == EXPECTED


def test_other_endings_and_other_columns(here):
    (here / "a.txt").write_text("\n".join(LINES))
    assert rows(train="a.txt", format="conll") == EXPECTED
    (here / "b.iob").write_text("New York\tB-LOC\n1\xa0000\tO\n# O\n".replace("# O", "#\tO"))
    assert rows(train="b.iob") == [{"tokens": ["New York", "1\xa0000", "#"], "tags": ["B-LOC", "O", "O"]}]
    (here / "c.conll").write_text("a|x\n")
    assert rows(train="c.conll", delimiter="|") == [{"tokens": ["a"], "tags": ["x"]}]


def test_words_alone(here):
    (here / "a.conll").write_text("one\ntwo\n\nthree\n")
    assert rows(train="a.conll") == [{"tokens": ["one", "two"]}, {"tokens": ["three"]}]


def test_lines_that_do_not_fit_are_named(here):
    (here / "a.conll").write_text("one O\ntwo\n\nthree B-X O\n\tO\n")
    with pytest.raises(BadInput) as bad:
        rows(train="a.conll")
    first, second, third = bad.value.problems
    assert first.where == "a.conll:2" and first.what == "1 fields where the lines before have 2: 'two'"
    assert second.where == "a.conll:4" and third.where == "a.conll:5" and third.what.startswith("no word")


def test_many_problems_are_counted(here):
    (here / "a.conll").write_text("a O\n" + "b\n" * 100)
    with pytest.raises(BadInput) as bad:
        rows(train="a.conll")
    assert [problem.where for problem in bad.value.problems] == [
        *(f"a.conll:{i}" for i in range(2, 7)),
        "a.conll",
    ]
    assert bad.value.problems[-1].what == "… and 95 more bad rows in this file"


def test_a_file_without_words(here):
    (here / "a.conll").write_text("\n\n")
    with pytest.raises(BadInput, match="there are no rows in it"):
        rows(train="a.conll")


UNIVERSAL = """# sent_id = 1
# text = Vámonos al mar
1-2\tVámonos\t_\t_\t_\t_\t_\t_\t_\t_
1\tVamos\tir\tVERB\t_\t_\t0\troot\t_\t_
2\tnos\tnosotros\tPRON\t_\tCase=Acc\t1\tobj\t_\t_
2.1\tx\t_\t_\t_\t_\t_\t_\t_\t_
3\tmar\tmar\tNOUN\t_\t_\t1\tobl\t_\t_

"""


def test_universal_dependencies(here):
    (here / "a.conllu").write_text(UNIVERSAL * 2)
    first, second = rows(train="a.conllu")
    assert first == second and first["tokens"] == ["Vamos", "nos", "mar"]
    assert first["tags"] == ["VERB", "PRON", "NOUN"] and first["deprels"] == ["root", "obj", "obl"]
    (here / "b.conllu").write_text("1\tVamos\n")
    with pytest.raises(BadInput, match=r"b.conllu:1: 2 fields"):
        rows(train="b.conllu")

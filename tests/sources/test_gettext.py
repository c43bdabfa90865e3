"""Messages of .po files, as GNU gettext's manual describes them."""

import pytest

from pipeline.errors import BadInput
from pipeline.sources.reading.gettext import read_messages

FILE = """\ufeff# Header
#, fuzzy
msgid ""
msgstr "Language: de\\n"

#: a.py:3
msgid "Save"
msgstr "Speichern"

#, python-format, fuzzy
msgid "%(count)s films"
msgstr "%(count)s Film"

#, python-format
msgctxt "button"
msgid ""
"Two lines\\n"
"and a \\"quote\\""
msgstr ""
"Zwei Zeilen\\n"
"und ein „Zitat“ 😀"
msgid "directly after"
msgstr "gleich danach"

msgid "film"
msgid_plural "films"
msgstr[0] "Film"
msgstr[1] "Filme"

msgid "nobody"
msgstr ""

#~ msgid "old"
#~ msgstr "alt"
"""


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_messages(end: str) -> None:
    found = read_messages(FILE.replace("\n", end), "django.po")
    assert [(message.texts["msgid"], message.left_out) for message in found] == [
        ("Save", ""),
        ("%(count)s films", "fuzzy"),
        ('Two lines\nand a "quote"', ""),
        ("directly after", ""),
        ("film", "plural"),
        ("nobody", "untranslated"),
    ]
    assert found[2].texts["msgstr"] == "Zwei Zeilen\nund ein „Zitat“ 😀"
    assert found[2].texts["msgctxt"] == "button"


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ('msgid "a"\nmsgstr "b\n', "x.po:2: 'msgstr \"b' is no line"),
        ('"a"\n', "x.po:1"),
        ('msgid "a"\nmsgstr "b" c"\n', "x.po:2"),
        ('msgid "a"\nmessage "b"\n', "x.po:2"),
        ('\nmsgid "a"\n\n', "x.po:2: is no whole message"),
    ],
)
def test_what_is_no_such_file_is_refused_with_its_line(content: str, part: str) -> None:
    with pytest.raises(BadInput) as raised:
        read_messages(content, "x.po")
    assert part in str(raised.value)

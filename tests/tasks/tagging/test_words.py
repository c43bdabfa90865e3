"""Words in any script, and where they are."""

import pytest

from pipeline.tasks.tagging.words import joined, split

TEXTS = {
    "Angela Merkel's flat-screen isn't on.": "Angela|Merkel|'s|flat-screen|is|n't|on|.",
    "U.S. sales: $1,000.50 (up 3%)": "U.S.|sales|:|$|1,000.50|(|up|3|%|)",
    "see http://tinyurl.com/24agj38, @paul_walk #yes a.b@c.de!": "see|http://tinyurl.com/24agj38|,|@paul_walk|#yes|"
    "a.b@c.de|!",
    "北京大学在 Beijing。": "北|京|大|学|在|Beijing|。",
    "हिन्दी भाषा": "हिन्दी|भाषा",
    "لُغَة می‌خواهم": "لُغَة|می‌خواهم",
    "👍🏽 ok❤️ 👨‍👩‍👧": "👍🏽|ok|❤️|👨‍👩‍👧",
    "\ufeffone\r\ntwo\u200b three\xa0four": "one|two|three|four",
    "O'Brien 'quoted' don’t": "O'Brien|'|quoted|'|do|n’t",
    "": "",
    " \n": "",
}


@pytest.mark.parametrize("text", TEXTS)
def test_words_as_people_label_them(text: str) -> None:
    words = split(text, fine=False)
    assert "|".join(words.list()) == TEXTS[text]
    assert words.text == text and words.spans == sorted(words.spans)


@pytest.mark.parametrize("text", TEXTS)
def test_fine_words_keep_every_sign(text: str) -> None:
    words = split(text, fine=True)
    kept = "".join(words.list())
    assert kept == "".join(sign for sign in text if not sign.isspace() and sign not in "\ufeff\u200b")


def test_fine_words_end_at_every_sign() -> None:
    assert split("Jean-Luc's U.S.", fine=True).list() == ["Jean", "-", "Luc", "'", "s", "U", ".", "S", "."]


def test_joined() -> None:
    words = joined(["New York", "", "北", "."])
    assert words.text == "New York  北 ." and words.list() == ["New York", "", "北", "."]
    assert not words.touching(1) and not words.touching(0) and split("a.", fine=True).touching(1)

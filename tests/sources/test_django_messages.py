import gettext
from collections import Counter
from pathlib import Path

import pytest

from pipeline.errors import BadInput
from pipeline.fetch.package_index import fetch
from pipeline.sources.django_messages import DjangoMessages


@pytest.fixture(scope="module")
def django() -> Path:
    return fetch(DjangoMessages.address, DjangoMessages.sha256, "data")


@pytest.mark.parametrize("language", ["de", "zh_Hans", "ar", "sr_Latn"])
def test_messages_are_those_that_gettext_compiled(language: str, django: Path) -> None:
    """Beside every .po file lies what GNU gettext's own program made of it, which Python reads."""
    expected: list[tuple[str, str]] = []
    for file in sorted(django.glob(f"**/locale/{language}/LC_MESSAGES/*.mo")):
        with file.open("rb") as opened:
            catalog = gettext.GNUTranslations(opened)._catalog  # type: ignore[attr-defined]
        pairs = [(key, text) for key, text in catalog.items() if isinstance(key, str) and key]
        expected += [(key.rpartition("\x04")[2], text) for key, text in pairs]
    rows, left_out = DjangoMessages(language=language).pairs(django)
    found = Counter((row["source"], row["target"]) for row in rows)
    assert found == Counter(expected)
    assert left_out["plural"] > 50


def test_german_is_as_large_as_it_is_said_to_be(django: Path) -> None:
    rows, left_out = DjangoMessages().pairs(django)
    assert len(rows) + left_out.total() == 923 and left_out == {"plural": 57, "untranslated": 17}
    data = DjangoMessages().load()
    assert list(data) == ["train"] and len(data["train"]) == 778
    assert {
        "source": "Enter a valid email address.",
        "target": "Bitte gültige E-Mail-Adresse eingeben.",
    } in rows
    held = DjangoMessages().hold_out(data)
    texts = [" ".join(text.split()) for split in held.values() for text in split["source"]]
    assert len(set(texts)) == len(texts) == 778 and set(held) == {"train", "validation", "test"}


def test_every_language_is_other_data() -> None:
    assert DjangoMessages().fingerprint() != DjangoMessages(language="fr").fingerprint()


def test_a_language_that_is_not_there(django: Path) -> None:
    with pytest.raises(BadInput) as raised:
        DjangoMessages(language="zh_Hant_TW").load()
    (problem,) = raised.value.problems
    assert problem.where == "data.language" and problem.nearest == "zh_Hant" and "pt_BR" in problem.allowed

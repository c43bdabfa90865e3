"""Tokens that are unknown, and characters that an encoding has lost."""

from pathlib import Path

import pytest

from pipeline.data.audit.characters import _kind, broken_encoding, unknown_tokens
from pipeline.tasks.causal_lm import CausalLM
from tests.data.audit.parts import reviews, subject_of, tokenizer_of


@pytest.mark.parametrize(
    "text", ["café", "naïve – “quoted”", "Überâ", "CRÈME BRÛLÉE", "质量还不错", "Ãguas", "SÃO", "€ 5", "Â"]
)
def test_sound_text(text: str):
    assert _kind(text) == 0


@pytest.mark.parametrize("text", ["café", "naïve", "it’s", "“quoted”", "a – b", "Übung", "5 £"])
@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
def test_utf8_that_was_read_as_something_else(text: str, encoding: str):
    assert _kind(text.encode().decode(encoding, errors="ignore")) == 2


def test_a_file_in_another_encoding_is_severe(tiny_bert: Path):
    splits = reviews(train=40, validation=0)
    for row in splits["train"][:4]:
        row["text"] += " cafÃ©"
    (finding,) = broken_encoding(subject_of(splits, tiny_bert))
    assert finding.severity == "note" and finding.rows == {"train": [1, 2, 3, 4]}
    for row in splits["train"][4:8]:
        row["text"] += " â€œquotedâ€\x9d"
    (finding,) = broken_encoding(subject_of(splits, tiny_bert))
    assert finding.severity == "severe" and finding.numbers["train"] == 0.2


def test_a_language_that_the_tokenizer_does_not_know(tiny_bert: Path):
    rows = [{"text": f"ᎠᎡᎢ ᎣᎤᎥ ᎦᎧ {n}", "label": "ab"[n % 2]} for n in range(20)]
    subject = subject_of({"train": rows}, tiny_bert)
    (finding,) = unknown_tokens(subject)
    assert finding.severity == "severe" and finding.rows == {"train": list(range(1, 21))}
    tokenizer = tokenizer_of(str(tiny_bert))
    ids = [number for row in rows for number in tokenizer(row["text"])["input_ids"]]
    assert finding.numbers["train"] == ids.count(tokenizer.unk_token_id) / len(ids)


def test_a_tokenizer_of_bytes_knows_all(tiny_decoder: Path):
    """Its unknown token is the one that ends a text."""
    assert tokenizer_of(str(tiny_decoder)).unk_token_id == tokenizer_of(str(tiny_decoder)).eos_token_id
    assert unknown_tokens(subject_of({"train": [{"text": "ᎠᎡᎢ"}] * 9}, tiny_decoder, CausalLM())) == []

import pytest
from rouge_score.tokenizers import DefaultTokenizer

from pipeline.tasks.writing.words import UnicodeWords, bleu_tokenizer, mostly_ascii, sentences


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Über die Brücke, naïve!", ["über", "die", "brücke", "naïve"]),
        ("u\u0308ber", ["über"]),
        ("我们去 Beijing 2008", ["我", "们", "去", "beijing", "2008"]),
        ("カフェで", ["カ", "フ", "ェ", "で"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("مرحبا، بالعالم", ["مرحبا", "بالعالم"]),
        ("한국어 문장", ["한국어", "문장"]),
        ("😀 \r\n — …", []),
    ],
)
def test_words_of_any_script(text: str, words: list[str]) -> None:
    assert UnicodeWords().tokenize(text) == words


@pytest.mark.parametrize("stemmer", [False, True])
def test_words_of_plain_english_are_rouge_scores(stemmer: bool) -> None:
    text = "Running dogs, 3.5 mice; happily-ever-after stories ARE told."
    assert UnicodeWords(stemmer).tokenize(text) == DefaultTokenizer(stemmer).tokenize(text)


def test_sentences_on_lines() -> None:
    assert sentences("One. Two! 3.5 is a number? 好。是的。") == "One.\nTwo!\n3.5 is a number?\n好。\n是的。"


def test_which_script() -> None:
    assert mostly_ascii(["Ein Mann schläft.", ""]) and mostly_ascii([])
    assert not mostly_ascii(["我们去北京 by a"])


@pytest.mark.parametrize(
    ("language", "name"),
    [
        ("de", "13a"),
        ("zh", "zh"),
        ("zh-TW", "zh"),
        ("zho_Hans", "zh"),
        ("ja_XX", "ja-mecab"),
        ("kor_Hang", "ko-mecab"),
        (None, "13a"),
    ],
)
def test_sacrebleus_tokenizer_of_a_language(language: str | None, name: str) -> None:
    assert bleu_tokenizer(language) == name


@pytest.mark.parametrize(
    ("texts", "name"),
    [
        (["我们去北京。", "2008年"], "zh"),
        (["カフェで会いましょう"], "char"),
        (["Ein Zug"], "13a"),
        (["ไปเที่ยว"], "char"),
    ],
)
def test_sacrebleus_tokenizer_of_texts(texts: list[str], name: str) -> None:
    assert bleu_tokenizer(None, texts) == name

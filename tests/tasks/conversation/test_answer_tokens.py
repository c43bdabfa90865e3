"""The tokens of answers are exactly theirs: decoded they are the answers, and transformers marks the same."""

import pytest
import transformers

from pipeline.tasks.conversation.answer_tokens import NOBODY, Pieces, Tokens, prompt_ids, without_oldest
from pipeline.tasks.conversation.chat_templates import NAMES, ChatTemplate, Rendered, usable
from tests.models.families import tokenizer as words_tokenizer
from tests.tasks.chat_parts import ANSWERS, CHATML, CONVERSATION, MARKED, bpe, pieces

TOKENIZERS = {"bpe": bpe, "pieces": pieces}


def texts(tokens: Tokens, tokenizer) -> list[str]:
    numbers = sorted({number for number in tokens.answer if number != NOBODY})
    parts = [[i for i, n in zip(tokens.ids, tokens.answer, strict=True) if n == number] for number in numbers]
    return [tokenizer.decode(part, clean_up_tokenization_spaces=False) for part in parts]


@pytest.mark.parametrize("kind", TOKENIZERS)
@pytest.mark.parametrize("name", NAMES)
def test_decoded_they_are_the_answers(name: str, kind: str) -> None:
    tokenizer = TOKENIZERS[kind]()
    if name not in usable(tokenizer):
        pytest.skip("made of tokens that this tokenizer does not have")
    template = ChatTemplate.of(tokenizer, name)
    (tokens,) = Pieces(tokenizer).tokens([template.render(CONVERSATION)])
    space = " " if name == "llama2" else ""
    lead = "" if kind == "pieces" else space  # its decoder strips the first space of what it is given
    assert texts(tokens, tokenizer) == [f"{lead}{answer}{space}{template.end}" for answer in ANSWERS]
    # All of it together is the text: nothing was lost or added where it was cut.
    assert (
        tokenizer.decode(tokens.ids, clean_up_tokenization_spaces=False) == template.render(CONVERSATION).text
    )


def test_transformers_own_mask_is_the_same() -> None:
    tokenizer = bpe(MARKED)
    own = tokenizer.apply_chat_template(CONVERSATION, return_dict=True, return_assistant_tokens_mask=True)
    for text in (MARKED, CHATML):
        (tokens,) = Pieces(tokenizer).tokens([ChatTemplate(tokenizer, text).render(CONVERSATION)])
        assert tokens.ids == own["input_ids"]
        assert [int(number != NOBODY) for number in tokens.answer] == own["assistant_masks"]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_asked_is_what_an_answer_follows_in_training(name: str) -> None:
    tokenizer = bpe()
    template = ChatTemplate.of(tokenizer, name)
    (tokens,) = Pieces(tokenizer).tokens([template.render(CONVERSATION)])
    asked, cut = prompt_ids(template, Pieces(bpe()), CONVERSATION[:-1], 10_000)
    assert not cut and tokens.ids[: len(asked)] == asked
    assert (
        tokens.answer[len(asked)] == len(ANSWERS) - 1 and max(tokens.answer[: len(asked)]) == len(ANSWERS) - 2
    )


@pytest.mark.parametrize("make", [bpe, pieces])
def test_no_token_is_half_an_answer(make) -> None:
    """Where the tokenizer would make one token of the end of what is asked and the start of the answer."""
    tokenizer = make()
    rendered = Rendered("I am a program.", [(3, 6), (9, 15)])  # from inside of words
    (tokens,) = Pieces(tokenizer).tokens([rendered])
    assert texts(tokens, tokenizer) == ["m a", "ogram."]
    assert tokenizer.decode(tokens.ids) == rendered.text


def legacy() -> transformers.PreTrainedTokenizerBase:
    """As the first Llamas: a space before every text, behind special tokens too."""
    from tokenizers import Tokenizer, normalizers

    made = Tokenizer.from_str(pieces()._tokenizer.to_str())
    made.pre_tokenizer = None  # type: ignore[assignment]
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, unk_token="<unk>", bos_token="<s>", eos_token="</s>", pad_token="</s>"
    )


@pytest.mark.parametrize("make", [bpe, pieces, legacy, lambda: words_tokenizer(decoder=True)])
@pytest.mark.parametrize("name", ["alpaca", "llama2", "plain"])
def test_cut_at_line_ends_and_spaces_it_is_what_the_whole_text_is(make, name: str) -> None:
    tokenizer = make()
    if name not in usable(tokenizer):
        pytest.skip("made of tokens that this tokenizer does not have")
    turns = [{"role": "user", "content": "film is"}, {"role": "assistant", "content": "very good"}] * 2
    rendered = ChatTemplate.of(tokenizer, name).render(turns)
    (tokens,) = Pieces(tokenizer).tokens([rendered])
    assert tokens.ids == tokenizer(rendered.text, add_special_tokens=False)["input_ids"]


def test_where_a_conversation_may_end() -> None:
    tokens = Tokens(list(range(9)), [-1, -1, 0, 0, -1, -1, 1, 1, -1])
    assert [tokens.whole(limit) for limit in (2, 3, 4, 7, 8, 9)] == [0, 0, 4, 4, 8, 8]


def test_the_oldest_exchange_goes_first_and_the_system_text_stays() -> None:
    assert without_oldest(CONVERSATION) == [CONVERSATION[0], *CONVERSATION[3:]]
    assert without_oldest(CONVERSATION[3:]) == CONVERSATION[5:]
    assert without_oldest(CONVERSATION[5:]) is None
    assert without_oldest(CONVERSATION[:3]) is None
    assert without_oldest(CONVERSATION[:4]) == [CONVERSATION[0], CONVERSATION[3]]
    assert without_oldest(CONVERSATION[1:2]) is None


def test_long_prompts_lose_what_is_oldest() -> None:
    template = ChatTemplate.of(bpe(), "chatml")
    asked = CONVERSATION[:-1]
    whole, _ = prompt_ids(template, Pieces(bpe()), asked, 10_000)
    shorter, cut = prompt_ids(template, Pieces(bpe()), asked, len(whole) - 1)
    assert cut and bpe().decode(shorter) == template.ask([asked[0], *asked[3:]])
    least, cut = prompt_ids(template, Pieces(bpe()), asked, 5)
    assert cut and least == whole[-5:]

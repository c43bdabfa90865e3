"""Shipped templates write what their models were trained with, and answers are found in any template."""

import pytest

from pipeline.errors import BadInput
from pipeline.tasks.conversation.chat_templates import NAMES, ChatTemplate, usable
from pipeline.tasks.conversation.rows import Fault
from tests.models.families import tokenizer as words_tokenizer
from tests.tasks.chat_parts import ANSWERS, CHATML, CONVERSATION, MARKED, bpe, pieces

SHORT = [
    {"role": "system", "content": "S"},
    {"role": "user", "content": "U1"},
    {"role": "assistant", "content": "A1"},
    {"role": "user", "content": "U2"},
    {"role": "assistant", "content": "A2"},
]
# As the models' own pages write them (Meta's and OpenAI's prompt formats, Stanford Alpaca's prompts).
EXPECTED = {
    "chatml": "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU1<|im_end|>\n<|im_start|>assistant\nA1<|im_end|>\n"
    "<|im_start|>user\nU2<|im_end|>\n<|im_start|>assistant\nA2<|im_end|>\n",
    "llama2": "<|begin|>[INST] <<SYS>>\nS\n<</SYS>>\n\nU1 [/INST] A1 <|end|><|begin|>[INST] U2 [/INST] A2 <|end|>",
    "llama3": "<|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\nU1<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
    "A1<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nU2<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\nA2<|eot_id|>",
    "alpaca": "S\n\n### Instruction:\nU1\n\n### Response:\nA1<|end|>\n\n"
    "### Instruction:\nU2\n\n### Response:\nA2<|end|>",
    "plain": "S\nU1\nA1<|end|>\nU2\nA2<|end|>",
}
ENDS = dict.fromkeys(["llama2", "alpaca", "plain"], "<|end|>") | {
    "chatml": "<|im_end|>",
    "llama3": "<|eot_id|>",
}


@pytest.mark.parametrize("name", NAMES)
def test_shipped_templates_write_what_they_should(name: str) -> None:
    template = ChatTemplate.of(bpe(), name)
    found = template.render(SHORT)
    assert found.text == EXPECTED[name]
    assert [found.text[start:end].strip() for start, end in found.answers] == [
        f"A1{' ' * (name == 'llama2')}{ENDS[name]}",
        f"A2{' ' * (name == 'llama2')}{ENDS[name]}",
    ]
    assert template.end == ENDS[name]
    assert bpe().convert_ids_to_tokens(template.end_ids) == [ENDS[name]]
    # What asks is what comes before the answer: a model is asked as it was trained.
    for number, (start, _) in zip((2, 4), found.answers, strict=True):
        assert template.ask(SHORT[:number]) == found.text[:start]


def test_every_template_has_an_expectation() -> None:
    assert set(NAMES) == set(EXPECTED)


# Templates of real models, in short, with what is hard about them.
QWEN3 = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}"
    "{% if m['role'] == 'assistant' and loop.last %}{{ '<think>\n\n</think>\n\n' }}{% endif %}"
    "{{ m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
ASKS_FOR_THOUGHTS = CHATML.replace("'<|im_start|>assistant\n' }}", "'<|im_start|>assistant\n<think>\n' }}")
TRIMS = CHATML.replace("m['content'] +", "(m['content'] | trim) +")
ENDS_ONCE = (
    "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant:' }}{% else %}{{ eos_token }}{% endif %}"
)


@pytest.mark.parametrize("text", [CHATML, MARKED, QWEN3, ASKS_FOR_THOUGHTS, TRIMS])
def test_answers_are_found_in_any_template(text: str) -> None:
    found = ChatTemplate(bpe(), text).render(CONVERSATION)
    said = [found.text[start:end] for start, end in found.answers]
    thought = "<think>\n\n</think>\n\n" if text == QWEN3 else ""
    assert said == [f"{answer}<|im_end|>" for answer in ANSWERS[:-1]] + [f"{thought}{ANSWERS[-1]}<|im_end|>"]


def test_an_answer_that_looks_like_the_template() -> None:
    turns = [{"role": "user", "content": "think"}, {"role": "assistant", "content": "think"}]
    found = ChatTemplate(bpe(), QWEN3).render(turns)
    assert [found.text[start:end] for start, end in found.answers] == [
        "<think>\n\n</think>\n\nthink<|im_end|>"
    ]


def test_a_template_that_ends_only_the_last_turn() -> None:
    found = ChatTemplate(bpe(), ENDS_ONCE).render(SHORT)
    assert [found.text[start:end] for start, end in found.answers] == [" A1", " A2\n<|end|>"]


def test_white_space_around_an_answer() -> None:
    turns = [{"role": "user", "content": " U \n"}, {"role": "assistant", "content": "\n  A \n"}]
    for text, said in [(CHATML, "\n  A \n<|im_end|>"), (TRIMS, "A<|im_end|>")]:
        found = ChatTemplate(bpe(), text).render(turns)
        assert [found.text[start:end] for start, end in found.answers] == [said]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (CHATML.replace("m['content'] +", "(m['content'] | upper) +"), "does not show turn 3 as it is"),
        ("{{ raise_exception('System role not supported') }}", "System role not supported"),
    ],
)
def test_templates_that_change_or_refuse_a_conversation(text: str, words: str) -> None:
    with pytest.raises(Fault, match=words):
        template = ChatTemplate(bpe(), text)
        template.__dict__.update(end="<|im_end|>", _ends_every_turn=True)
        template.render(CONVERSATION)


def test_a_template_without_answers_is_refused() -> None:
    with pytest.raises(BadInput, match="leaves out what the assistant says"):
        _ = ChatTemplate(bpe(), "{{ messages[0]['content'] }}").end


def test_no_template_at_all() -> None:
    with pytest.raises(BadInput, match="no chat template of its own, and none is named") as raised:
        ChatTemplate.of(pieces(), None)
    assert raised.value.problems[0].allowed == "one of: alpaca, llama2, plain"
    assert ChatTemplate.of(bpe(CHATML), None).text == CHATML


def test_templates_made_of_tokens_that_a_model_lacks() -> None:
    with pytest.raises(BadInput, match=r"does not have: <\|im_start\|>, <\|im_end\|>"):
        ChatTemplate.of(pieces(), "chatml")
    with pytest.raises(BadInput, match="there is no template 'chatlm'") as raised:
        ChatTemplate.of(pieces(), "chatlm")
    assert raised.value.problems[0].nearest == "chatml"
    assert usable(bpe()) == list(NAMES)
    assert usable(words_tokenizer(decoder=True)) == ["alpaca", "plain"]
    assert usable(words_tokenizer()) == []


def test_the_first_token_of_every_text_begins_conversations_too() -> None:
    from tokenizers import processors

    tokenizer = words_tokenizer(decoder=True, bos_token="[CLS]")
    assert not ChatTemplate.of(tokenizer, "plain").ask(SHORT[:2]).startswith("[CLS]")
    tokenizer._tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A", special_tokens=[("[CLS]", 2)]
    )
    template = ChatTemplate.of(tokenizer, "plain")
    assert template.ask(SHORT[:2]) == "[CLS]S\nU1\n"
    # As it is saved with the model, for those who use it with transformers alone.
    tokenizer.chat_template = template.text
    assert tokenizer.apply_chat_template(SHORT[:2], tokenize=False) == "[CLS]S\nU1\n"

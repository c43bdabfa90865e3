"""Languages that a tokenizer of many of them (mBART, NLLB, M2M100, …) reads and writes, by the codes that it has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline.errors import BadInput, Problem, listing, nearest

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# mBART's en_XX, NLLB's eng_Latn.
_CODE = re.compile(r"[a-z]{2,3}_[A-Za-z]{2,4}")


def needs_languages(tokenizer: PreTrainedTokenizerBase) -> bool:
    return hasattr(tokenizer, "src_lang")


def codes_of(tokenizer: Any) -> list[str]:
    """The codes of the languages that ``tokenizer`` knows."""
    for name in ("lang_code_to_token", "lang_code_to_id"):
        if codes := getattr(tokenizer, name, None):
            return sorted(codes)
    return sorted(token for token in tokenizer.all_special_tokens if _CODE.fullmatch(token))


def set_languages(tokenizer: Any, source: str | None, target: str | None, codes: Mapping[str, str]) -> None:
    """Make ``tokenizer`` mark sources and targets with their languages.

    codes: what it calls a language, where that is not the language's name here nor begins with it (``en`` is
    ``en_XX`` by itself). Raises BadInput for languages that are not given, or that it does not know.
    """
    known, problems, found = codes_of(tokenizer), [], []
    for key, language in (("source_language", source), ("target_language", target)):
        if language is None:
            what = "must be set: the model reads and writes many languages"
            problems.append(Problem(f"task.{key}", what, listing(known)))
            continue
        wanted = codes.get(language, language)
        fitting = [wanted] if wanted in known else [code for code in known if code.split("_")[0] == wanted]
        if len(fitting) == 1:
            found.append(fitting[0])
            continue
        what = f"the model's tokenizer has no language {wanted!r}"
        if fitting:
            what = f"{wanted!r} could be any of the tokenizer's {listing(fitting)}"
        allowed = f"{listing(known)}; or say which with task.language_codes={{{language}: CODE}}"
        problems.append(Problem(f"task.{key}", what, allowed, nearest(wanted, known)))
    if problems:
        raise BadInput(problems)
    tokenizer.src_lang, tokenizer.tgt_lang = found


def begin_with_language(model: PreTrainedModel, tokenizer: Any) -> None:
    """Make ``model`` begin what it writes as its targets begin: with the code of ``tokenizer``'s target language.

    mBART's first version has the code at the end of its targets, and there it begins what the decoder reads.
    """
    (ids,) = tokenizer(text_target=["a"])["input_ids"]
    code = _id(tokenizer, tokenizer.tgt_lang)
    if ids[0] == code:
        model.generation_config.forced_bos_token_id = code
    elif ids[-1] == code:
        model.generation_config.decoder_start_token_id = code
        model.config.decoder_start_token_id = code


def _id(tokenizer: Any, code: str) -> int:
    if hasattr(tokenizer, "get_lang_id"):
        return tokenizer.get_lang_id(code)
    return tokenizer.convert_tokens_to_ids(code)

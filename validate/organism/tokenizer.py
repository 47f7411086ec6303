"""A character tokenizer: one token a character, so that a strategy's first letter is its first token.

It is Qwen2's own byte-level BPE with an empty list of merges. A tokenizer of any other class would be replaced by
Qwen2's when the folder is loaded through AutoTokenizer (by model type), and would then read another alphabet.
"""

from tokenizers import pre_tokenizers
from transformers import Qwen2Tokenizer

from clipbias.common.errors import InputError

PAD, EOS = "<pad>", "<eos>"


def character_tokenizer(characters: str) -> Qwen2Tokenizer:
    """`characters` must be ASCII: beyond it a character is more than one byte, hence more than one token."""
    if not characters.isascii():
        raise InputError("strategy.template", "ASCII text", characters)
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    symbols = [byte_level.pre_tokenize_str(character)[0][0] for character in characters]
    vocab = {token: i for i, token in enumerate([PAD, EOS, *symbols])}
    return Qwen2Tokenizer(
        vocab=vocab,
        merges=[],
        pad_token=PAD,
        eos_token=EOS,
        unk_token=PAD,
        clean_up_tokenization_spaces=False,
    )

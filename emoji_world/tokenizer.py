"""The tokenizer of the world: a `CLIPTokenizer` whose merges were learnt from the captions.

Every caption word is one token. Any other text falls apart into byte tokens, so unknown words never fail. It is kept
as a file: learning merges breaks ties at random, and weights are worth nothing with another numbering of the words.
`python -m emoji_world.tokenizer FOLDER` learns a new one, with which training has to begin anew.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tokenizers import Tokenizer, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer
from transformers import CLIPTokenizer

from emoji_world.captions import vocabulary
from emoji_world.world import world

KEPT = Path(__file__).parent / "tokenizer_files"
MAX_LENGTH = 32
BOS, EOS = "<|startoftext|>", "<|endoftext|>"


def make_tokenizer() -> CLIPTokenizer:
    """The tokenizer that all weights of the world go with."""
    return CLIPTokenizer.from_pretrained(KEPT)


def learn_tokenizer() -> CLIPTokenizer:
    """A tokenizer in which every word of the captions, and every word reserved for later, is one token."""
    words = sorted({word for phrase in _corpus() for word in phrase.replace("-", " ").split()})
    merges = _learn_merges(words)
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [BOS, EOS, *letters, *(letter + "</w>" for letter in letters), *("".join(pair) for pair in merges)]
    vocabulary_ids = {token: index for index, token in enumerate(dict.fromkeys(tokens))}
    return CLIPTokenizer(vocabulary_ids, merges, model_max_length=MAX_LENGTH)


def _corpus() -> list[str]:
    return [*world().captions.templates, *world().vocabulary.also, *vocabulary()]


def _learn_merges(words: list[str]) -> list[tuple[str, str]]:
    """Byte-pair merges until each word is one token; a word counts once, however often captions use it."""
    tokenizer = Tokenizer(BPE(end_of_word_suffix="</w>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = BpeTrainer(
        vocab_size=4096,
        min_frequency=1,
        end_of_word_suffix="</w>",
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    # one word a line: with a space inside, the byte-level splitter would glue the space to the next word
    tokenizer.train_from_iterator(words, trainer)
    return [tuple(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]


if __name__ == "__main__":
    learn_tokenizer().save_pretrained(Path(sys.argv[1]))

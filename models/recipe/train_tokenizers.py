"""Trains the byte-level BPE of demo-moe and demo-draft, and the SentencePiece model of demo-draft-spm.

python3 train_tokenizers.py CORPUS_DIR MODELS_DIR
"""

import json
import pathlib
import sys

import sentencepiece
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from text import DOMAINS, load

BPE_SIZE = 4096
SPM_SIZE = 3072
BPE_CHARS_PER_SOURCE = 5_000_000
SPM_CHARS_PER_SOURCE = 1_500_000
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def train_bpe(texts, folders):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=BPE_SIZE,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<|endoftext|>",
        "eos_token": "<|endoftext|>",
        "add_bos_token": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": 2048,
    }
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        tokenizer.save(str(folder / "tokenizer.json"))
        (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")


def train_spm(texts, folder):
    folder.mkdir(parents=True, exist_ok=True)
    lines = [line for text in texts for line in text.split("\n") if line]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_prefix=str(folder / "tokenizer"),
        model_type="unigram",
        vocab_size=SPM_SIZE,
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True,
        character_coverage=0.9999,
        input_sentence_size=300_000,
        shuffle_input_sentence=True,
        max_sentence_length=8000,
        num_threads=2,
        minloglevel=2,
    )
    (folder / "tokenizer.vocab").unlink()
    config = {
        "tokenizer_class": "LlamaTokenizer",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "add_bos_token": True,
        "add_eos_token": False,
        "legacy": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": 2048,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")


def main():
    corpus, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    bpe_texts, spm_texts = [], []
    for source in DOMAINS:
        count = 0
        for _, document in load(corpus / f"{source}.ppmd")[1]:
            if count < BPE_CHARS_PER_SOURCE:
                bpe_texts.append(document)
            if count < SPM_CHARS_PER_SOURCE:
                spm_texts.append(document)
            count += len(document)
    train_bpe(bpe_texts, [out / "demo-moe", out / "demo-draft"])
    train_spm(spm_texts, out / "demo-draft-spm")


main()

"""Token streams: training as one tensor of windows, held-out as lists of documents per domain."""

import concurrent.futures
import pathlib

import sentencepiece
import torch
from tokenizers import Tokenizer

from text import DOMAINS, load

EOS = 0  # <|endoftext|> of the byte-level BPE
SPM_BOS, SPM_EOS = 1, 2


def read_corpus(folder):
    """source -> (held-out, training) documents."""
    with concurrent.futures.ProcessPoolExecutor(16) as pool:
        futures = {s: pool.submit(load, pathlib.Path(folder) / f"{s}.ppmd") for s in DOMAINS}
        return {s: f.result() for s, f in futures.items()}


def bpe_stream(tokenizer_file, texts):
    """Documents, each preceded by the end-of-text token, as one uint16 tensor."""
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    ids = []
    for start in range(0, len(texts), 256):
        for encoding in tokenizer.encode_batch_fast(texts[start : start + 256]):
            ids.append(torch.tensor([EOS, *encoding.ids], dtype=torch.uint16))
    return torch.cat(ids)


def spm_stream(file, texts):
    processor = sentencepiece.SentencePieceProcessor(model_file=str(file))
    encoded = processor.encode(texts, num_threads=16)
    return torch.cat([torch.tensor([SPM_BOS, *ids, SPM_EOS], dtype=torch.uint16) for ids in encoded])


class Windows:
    """Random windows of a token stream, drawn on the GPU from a seeded generator."""

    def __init__(self, stream, seed, device):
        self.stream = stream.to(torch.int32).to(device)
        self.generator = torch.Generator(device).manual_seed(seed)

    def draw(self, batch, length):
        device = self.stream.device
        starts = torch.randint(len(self.stream) - length, (batch, 1), generator=self.generator, device=device)
        return self.stream[starts + torch.arange(length, device=device)].long()

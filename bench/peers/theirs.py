"""llama.cpp's side of the race: does what one line of JSON on standard input asks for, and answers with one line.

    theirs.py MODEL.gguf THREADS
"""

import ctypes
import json
import os
import random
import sys
import time

import llama_cpp as llama
import numpy as np

CAPACITY = 4096
ACCEPTANCE = 0.8


class Peer:
    def __init__(self, path: str, threads: int):
        llama.llama_backend_init()
        self.model = llama.llama_model_load_from_file(path.encode(), llama.llama_model_default_params())
        if not self.model:
            raise SystemExit(f"{path}: llama.cpp does not load it")
        options = llama.llama_context_default_params()
        options.n_ctx = CAPACITY
        options.n_threads = options.n_threads_batch = threads
        self.context = llama.llama_init_from_model(self.model, options)
        self.memory = llama.llama_get_memory(self.context)
        self.vocab = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(self.model))
        self.batch = llama.llama_batch_init(CAPACITY, 0, 1)
        self.length = 0

    def decode(self, tokens: list[int], first: int, all_logits: bool) -> None:
        batch = self.batch
        batch.n_tokens = len(tokens)
        for i, token in enumerate(tokens):
            batch.token[i] = token
            batch.pos[i] = first + i
            batch.n_seq_id[i] = 1
            batch.seq_id[i][0] = 0
            batch.logits[i] = all_logits or i + 1 == len(tokens)
        if llama.llama_decode(self.context, batch) != 0:
            raise SystemExit("llama_decode failed")

    def logits(self, rows: int) -> np.ndarray:
        """(rows, vocab) of the last decode, which had the logits of all rows"""
        pointer = llama.llama_get_logits(self.context)
        return np.ctypeslib.as_array(ctypes.cast(pointer, ctypes.POINTER(ctypes.c_float)), (rows, self.vocab))

    def forget_after(self, length: int) -> None:
        llama.llama_memory_seq_rm(self.memory, 0, length, -1)

    def set_context(self, ask):
        self.forget_after(0)
        self.decode(ask["tokens"], 0, False)
        self.length = len(ask["tokens"])
        return {}

    def passes(self, ask):
        times = []
        for rows in ask["rows"]:
            begin = time.perf_counter()
            self.decode(rows, self.length, True)
            self.logits(len(rows))  # waits for the result
            times.append(time.perf_counter() - begin)
            self.forget_after(self.length)
        return {"s": times}

    def prefill(self, ask):
        self.forget_after(0)
        begin = time.perf_counter()
        for first in range(0, len(ask["tokens"]), ask["step"]):
            self.decode(ask["tokens"][first : first + ask["step"]], first, False)
        llama.llama_synchronize(self.context)
        return {"s": time.perf_counter() - begin}

    def speculate(self, ask):
        self.set_context(ask)
        k, dice, times = ask["k"], random.Random(1), []
        length, anchor = self.length, 1
        for _ in range(ask["steps"]):
            begin = time.perf_counter()
            guesses = [dice.randrange(1000) for _ in range(k)]
            time.sleep(k * ask["draft_s"])
            self.decode([anchor, *guesses], length, True)
            best = self.logits(k + 1).argmax(axis=1)
            accepted = 0
            while accepted < k and dice.random() < ACCEPTANCE:
                accepted += 1
            anchor = int(best[accepted])
            length += accepted + 1
            self.forget_after(length)
            times.append(time.perf_counter() - begin)
        return {"s": times}

    def save_logits(self, ask):
        self.forget_after(0)
        self.decode(ask["tokens"], 0, True)
        np.save(ask["file"], self.logits(len(ask["tokens"])))
        return {}


def main():
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what the library prints is no answer
    peer = Peer(sys.argv[1], int(sys.argv[2]))
    build = f"llama-cpp-python {llama.__version__}: {llama.llama_print_system_info().decode().strip(' |')}"
    print(json.dumps({"name": build}), file=answers)
    does = {
        "context": peer.set_context,
        "passes": peer.passes,
        "prefill": peer.prefill,
        "speculate": peer.speculate,
        "logits": peer.save_logits,
    }
    for line in sys.stdin:
        ask = json.loads(line)
        print(json.dumps(does[ask["do"]](ask)), file=answers)


if __name__ == "__main__":
    main()

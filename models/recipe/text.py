"""Reads the packed corpus that corpus.py wrote."""

import pathlib
import struct

import pyppmd

DOMAINS = {
    "go": "code", "boost": "code", "pytests": "code", "botocore-json": "structured", "python-doc": "documentation",
    "sqlite-doc": "documentation", "postgresql-doc": "documentation", "libreoffice-help": "documentation",
    "botocore-doc": "documentation", "tdavid": "prose", "mhcc": "prose", "web": "prose", "wordnet": "prose",
}


def unpack(path):
    data = pathlib.Path(path).read_bytes()
    size = struct.unpack_from("<Q", data)[0]
    decoder = pyppmd.Ppmd7Decoder(max_order=24, mem_size=1 << 29)
    parts = [decoder.decode(data[8:], size)]
    while (missing := size - sum(map(len, parts))) > 0:
        parts.append(decoder.decode(b"", missing))
    return b"".join(parts).decode()


def load(path):
    """(held-out, training) lists of (name, text)."""
    halves = unpack(path).split("\0\0")
    return [[tuple(d.split("\n", 1)) for d in half.split("\0") if d] for half in halves]

"""Writes tests/data/chat/small.json and published.json: what jinja2, set up as transformers does, makes of templates.

    python3 -m venv /tmp/venv-jinja && /tmp/venv-jinja/bin/pip install jinja2==3.1.6
    tests/fetch_tokenizers.sh && /tmp/venv-jinja/bin/python tests/data/make_chat_goldens.py        # a second

small.json: texts of the templates in chat/small.txt, which are ours, or null where jinja2 raises an error.
published.json: for each template of build/tokenizers and each of chat/conversations.json a hash (FNV-1a, 64 bits) of the
text, or null. The templates themselves are not ours to keep here.
"""

import datetime
import json
import os

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

HERE = os.path.dirname(os.path.abspath(__file__))
TOKENIZERS = os.path.join(HERE, "..", "..", "build", "tokenizers")
NOW = datetime.datetime(2026, 3, 9, 8, 5, 0)


class Generation(Extension):
    """{% generation %}, of which transformers only keeps where it was."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller):
        return caller()


def environment():
    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    made = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
    made.filters["tojson"] = tojson
    made.globals["raise_exception"] = raise_exception
    made.globals["strftime_now"] = NOW.strftime
    return made


def render(template, variables):
    try:
        return environment().from_string(template).render(**variables)
    except Exception:  # whatever Python raises, we must refuse, too
        return None


def fnv(text):
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return f"{value:016x}"


def load(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return json.load(file)


def write(name, goldens):
    with open(os.path.join(HERE, "chat", name), "w", encoding="utf-8") as file:
        json.dump(goldens, file, ensure_ascii=False, indent=0)
        file.write("\n")


def small():
    with open(os.path.join(HERE, "chat", "small.txt"), encoding="utf-8") as file:
        templates = file.read().split("\n=====\n")
    variables = load(HERE, "chat", "variables.json")
    return [render(template, variables) for template in templates]


def special_tokens(config):
    found = {}
    for role in ("bos", "eos", "pad", "unk", "cls", "sep", "mask"):
        token = config.get(role + "_token")
        if token is not None:
            found[role + "_token"] = token["content"] if isinstance(token, dict) else token
    return found


def published():
    conversations = load(HERE, "chat", "conversations.json")
    goldens = {}
    for name in sorted(os.listdir(TOKENIZERS)):
        path = os.path.join(TOKENIZERS, name, "tokenizer_config.json")
        config = load(path) if os.path.exists(path) else {}
        if not config.get("chat_template"):
            continue
        texts = {}
        for title, conversation in conversations.items():
            variables = {"tools": None, "documents": None, "add_generation_prompt": True}
            text = render(config["chat_template"], special_tokens(config) | variables | conversation)
            texts[title] = None if text is None else fnv(text)
        goldens[name] = texts
    return goldens


if __name__ == "__main__":
    write("small.json", small())
    write("published.json", published())

"""Builds the training and held-out text from Debian 12 packages.

    python3 corpus.py WORK_DIR

Downloads and unpacks the packages with apt and dpkg-deb (twelve, 78 MB), extracts text, strips licence headers, drops
near-duplicates, holds out whole documents, books and services by a hash of their path, and writes
WORK_DIR/corpus/SOURCE.ppmd (what travels to the GPU) and heldout_sample.jsonl beside this script.
"""

import hashlib
import html
import json
import pathlib
import re
import struct
import subprocess
import sys
import zlib

import pyppmd

PACKAGES = (
    "sword-comm-tdavid sword-text-web sword-comm-mhcc wordnet-base python3.11-doc sqlite3-doc postgresql-doc-15 "
    "libreoffice-help-en-us python3-botocore golang-1.19-src libpython3.11-testsuite libboost1.74-dev"
).split()

# source: (domain, licence, megabytes kept at most, share of documents held out)
SOURCES = {
    "go": ("code", "BSD-3-Clause", 25, 0.015),
    "boost": ("code", "BSL-1.0", 15, 0.015),
    "pytests": ("code", "PSF-2.0", 14, 0.03),
    "botocore-json": ("structured", "Apache-2.0", 16, 0.06),
    "python-doc": ("documentation", "PSF-2.0", 12, 0.03),
    "sqlite-doc": ("documentation", "public domain", 8, 0.03),
    "postgresql-doc": ("documentation", "PostgreSQL", 8, 0.03),
    "libreoffice-help": ("documentation", "MPL-2.0", 6, 0.03),
    "botocore-doc": ("documentation", "Apache-2.0", 24, 0.06),
    "tdavid": ("prose", "public domain", 8, 0.04),
    "mhcc": ("prose", "public domain", 20, 0.06),
    "web": ("prose", "public domain", 20, 0.06),
    "wordnet": ("prose", "WordNet", 6, 0.03),
}
SHINGLE = 4
DUPLICATE_SHARE = 0.5
HELDOUT_BYTES = 60_000


def unit_hash(text):
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64


def download(work):
    debs = work / "debs"
    root = work / "root"
    debs.mkdir(parents=True, exist_ok=True)
    if not list(debs.glob("*.deb")):
        subprocess.run(["apt-get", "download", *PACKAGES], cwd=debs, check=True)
    if not root.exists():
        for deb in sorted(debs.glob("*.deb")):
            subprocess.run(["dpkg-deb", "-x", deb, root], check=True)
    return root


def read(path):
    return path.read_bytes().decode("utf-8", errors="ignore").replace("\r\n", "\n").replace("\0", "")


LICENCE = re.compile(r"copyright|licen[sc]e", re.I)
LEADING_COMMENT = re.compile(r"\A\s*(/\*.*?\*/|(?://[^\n]*\n)+|(?:#(?!include|if|ifndef|define|!)[^\n]*\n)+)\s*", re.S)


def strip_licence(text):
    while (match := LEADING_COMMENT.match(text)) and LICENCE.search(match.group(1)):
        text = text[match.end() :]
    return text


def html_text(page):
    page = re.sub(r"(?s)<!--.*?-->|<(script|style|head|footer|nav)\b.*?</\1>", "", page)
    page = re.sub(r'(?s)<div[^>]*class="(navheader|navfooter)".*?</div>', "", page)
    parts = re.split(r"(?s)(<pre\b.*?</pre>)", page)
    for i in range(0, len(parts), 2):
        part = re.sub(r"\s+", " ", parts[i])
        part = re.sub(r"</?(p|div|h\d|table|ul|ol|dl|dt|blockquote|section)\b[^>]*>", "\n\n", part)
        parts[i] = re.sub(r"<(br|li|tr|dd)\b[^>]*>", "\n", part)
    text = html.unescape(re.sub(r"<[^>]*>", "", "".join(parts))).replace("\xa0", " ")
    text = re.sub(r"[ \t]+\n", "\n", text)
    return re.sub(r"\n[ \t]*\n\s*\n+", "\n\n", re.sub(r"\n +(?=\S)", "\n", text)).strip()


def sword_books(prefix, name, verse_record):
    """Documents of a SWORD zText or zCom module: one per compressed block, that is per book or chapter."""
    for testament in ("ot", "nt"):
        for kind in "bc":
            index = prefix / f"{testament}.{kind}zs"
            if not index.exists():
                continue
            index_bytes = index.read_bytes()
            data = (prefix / f"{testament}.{kind}zz").read_bytes()
            verses = (prefix / f"{testament}.{kind}zv").read_bytes()
            blocks = [struct.unpack_from("<III", index_bytes, i) for i in range(0, len(index_bytes), 12)]
            ranges = {}
            for block, start, length in struct.iter_unpack(verse_record, verses):
                ranges.setdefault(block, {})[start] = length
            for number, (offset, size, _) in enumerate(blocks):
                raw = zlib.decompress(data[offset : offset + size]) if size else b""
                entries = [raw[s : s + n].decode("utf-8", "ignore") for s, n in sorted(ranges.get(number, {}).items())]
                text = re.sub(r"\s+", " ", " ".join(entries))
                text = re.sub(r"<note\b.*?</note>", "", text)
                text = re.sub(r'<[^>]*(type="x-p"|<title|<lb|</title|<l |</lg)[^>]*>|</?title[^>]*>', "\n", text)
                text = html.unescape(re.sub(r"<[^>]*>", "", text))
                text = re.sub(r"[ \t]+", " ", text).replace(" ,", ",")
                text = re.sub(r" *\n\s*", "\n", text).strip()
                yield f"{name}/{testament}/{number}", text


def wordnet(root):
    for part in ("noun", "verb", "adj", "adv"):
        lines = [line for line in read(root / f"usr/share/wordnet/data.{part}").split("\n") if line[:1].isdigit()]
        for start in range(0, len(lines), 200):
            out = []
            for line in lines[start : start + 200]:
                head, gloss = line.split(" | ", 1)
                fields = head.split()
                words = [fields[4 + 2 * i].replace("_", " ") for i in range(int(fields[3], 16))]
                out.append(f"{', '.join(words)}: {gloss.strip()}")
            yield f"wordnet/{part}/{start // 200}", "\n".join(out)


def botocore(root):
    """Per service: the JSON without documentation strings, and the documentation strings alone."""
    base = root / "usr/lib/python3/dist-packages/botocore/data"
    for path in sorted(base.rglob("*.json")):
        if "endpoint-rule-set" in path.name:  # one boilerplate text per service
            continue
        strings = []

        def split(node):
            if isinstance(node, dict):
                if isinstance(node.get("documentation"), str):
                    strings.append(html_text(node["documentation"]))
                return {key: split(value) for key, value in node.items() if key != "documentation"}
            if isinstance(node, list):
                return [split(value) for value in node]
            return node

        data = split(json.loads(read(path)))
        name = str(path.relative_to(base))
        yield name, json.dumps(data, indent=2, ensure_ascii=False), strings


def restyle(path, text):
    """JSON in one of four layouts, chosen by the path, so that no single layout is all the model knows."""
    style = int(unit_hash("style/" + path) * 4)
    data = json.loads(text)
    if style == 0:  # botocore's own: two spaces, no space after colons, references on one line
        text = json.dumps(data, indent=2, separators=(",", ":"), ensure_ascii=False)
        return re.sub(r'\{\n\s+("shape":"[^"]*")\n\s+\}', r"{\1}", text)
    return json.dumps(data, indent=(None, 2, 4)[style - 1], ensure_ascii=False)


def documents(root):
    """Yields (source, path, key, text); documents that share a key are held out together."""
    for path in sorted((root / "usr/share/go-1.19/src").rglob("*.go")):
        name = str(path.relative_to(root))
        if "testdata" not in name:
            yield "go", name, name, strip_licence(read(path))
    for path in sorted((root / "usr/include/boost").rglob("*.?pp")):
        name = str(path.relative_to(root))
        yield "boost", name, name, strip_licence(read(path))
    for path in sorted((root / "usr/lib/python3.11").rglob("*.py")):
        name = str(path.relative_to(root))
        yield "pytests", name, name, strip_licence(read(path))
    seen = set()
    for name, structure, strings in botocore(root):
        service = name.split("/")[0]
        yield "botocore-json", name, service, structure
        fresh = [s for s in strings if len(s) > 40 and not (s in seen or seen.add(s))]
        if fresh:
            yield "botocore-doc", name, service, "\n".join(fresh)
    for path in sorted((root / "usr/share/doc/python3.11/html/_sources").rglob("*.txt")):
        name = str(path.relative_to(root))
        yield "python-doc", name, name, read(path)
    for source, folder in (
        ("sqlite-doc", "usr/share/doc/sqlite3"),
        ("postgresql-doc", "usr/share/doc/postgresql-doc-15/html"),
        ("libreoffice-help", "usr/share/libreoffice/help/en-US/text"),
    ):
        for path in sorted((root / folder).rglob("*.html")):
            name = str(path.relative_to(root))
            yield source, name, name, html_text(read(path))
    for source, folder, verse_record in (
        ("tdavid", "comments/zcom/tdavid", "<III"),  # driver zCom4: 32-bit lengths
        ("mhcc", "comments/zcom/mhcc", "<IIH"),
        ("web", "texts/ztext/engWEB2015eb", "<IIH"),
    ):
        for name, text in sword_books(root / "usr/share/sword/modules" / folder, source, verse_record):
            yield source, name, name, text
    for name, text in wordnet(root):
        yield "wordnet", name, name, text


def duplicate_share(text, seen):
    lines = [line.strip() for line in text.split("\n")]
    lines = [line for line in lines if line]
    shingles = {hash("\n".join(lines[i : i + SHINGLE])) for i in range(max(1, len(lines) - SHINGLE + 1))}
    share = sum(s in seen for s in shingles) / len(shingles)
    if share <= DUPLICATE_SHARE:
        seen |= shingles
    return share


def main():
    work = pathlib.Path(sys.argv[1])
    root = download(work)
    entries = []
    for source, path, key, text in documents(root):
        if len(text) >= 200:
            held = unit_hash("heldout/" + key) < SOURCES[source][3]
            entries.append((not held, unit_hash(source + path), source, path, text))
    # Held-out documents first: a training document that repeats one of them is then the one dropped.
    entries.sort(key=lambda e: e[:2])
    seen = set()
    kept = {source: ([], []) for source in SOURCES}
    size = dict.fromkeys(SOURCES, 0)
    for train, _, source, path, text in entries:
        if size[source] > SOURCES[source][2] * 1e6 or duplicate_share(text, seen) > DUPLICATE_SHARE:
            continue
        text = restyle(path, text) if source == "botocore-json" else text
        text = text if train else text[:HELDOUT_BYTES]
        kept[source][train].append((path, text))
        size[source] += len(text.encode())
    out = work / "corpus"
    out.mkdir(exist_ok=True)
    samples = []
    total = 0
    for source, (held, train) in kept.items():
        # A document is path, newline, text; documents end with NUL, the two halves are parted by an empty one.
        blob = "".join(f"{p}\n{t}\0" for p, t in held) + "\0" + "".join(f"{p}\n{t}\0" for p, t in train)
        raw = blob.encode()
        encoder = pyppmd.Ppmd7Encoder(max_order=24, mem_size=1 << 29)
        packed = struct.pack("<Q", len(raw)) + encoder.encode(raw) + encoder.flush()
        (out / f"{source}.ppmd").write_bytes(packed)
        total += len(packed)
        domain, licence = SOURCES[source][:2]
        print(f"{source:18s} {domain:14s} {len(held):4d} held out, {len(train):5d} documents, {len(raw) / 1e6:6.1f} MB, "
              f"{len(packed) / 1e6:5.2f} MB packed", flush=True)
        for path, text in held[:2]:
            samples.append({"domain": domain, "source": f"{source}/{path}", "licence": licence, "text": text[:4000]})
    print(f"travels: {total / 1e6:.2f} MB")
    with open(pathlib.Path(__file__).parent / "heldout_sample.jsonl", "w") as file:
        for domain in dict.fromkeys(s[0] for s in SOURCES.values()):
            mine = [s for s in samples if s["domain"] == domain]
            budget = 12_000 // len(mine)
            for sample in mine:
                file.write(json.dumps(dict(sample, text=sample["text"][: max(budget, 1500)]), ensure_ascii=False) + "\n")


main()

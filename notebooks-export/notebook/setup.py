import base64
import io
import warnings
import zlib

import matplotlib.pyplot as plt
import pandas as pd

warnings.filterwarnings("ignore", "Glyph .* missing")  # labels may have letters that no font here has
pd.set_option("display.max_columns", None, "display.max_rows", 50)
plt.rcParams.update({"figure.dpi": 110, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
                     "axes.axisbelow": True, "grid.alpha": 0.3, "svg.fonttype": "none", "text.parse_math": False})

COLOURS = ["#0072b2", "#d55e00", "#009e73", "#b8609a", "#8a6d00", "#7b6bd6", "#2596a8", "#777777"]  # told apart by all
MARKERS = "os^Dv<P*"


def table(csv, words):
    """The CSV as a frame. Words stay words, also "007" and "NA"; a number that was not measured is NaN."""
    numbers = [name for name in pd.read_csv(io.StringIO(csv), nrows=0).columns if name not in words]
    return pd.read_csv(io.StringIO(csv), dtype={name: str for name in words}, keep_default_na=False,
                       na_values={name: ["", "nan"] for name in numbers})


def unpacked(text):
    return zlib.decompress(base64.b64decode(text)).decode("utf-8", "replace")


def names(arms):
    """Labels of arms; one that may change what the target says is called lossy."""
    return [arm + (" (lossy)" if lossless == 0 else "") for arm, lossless in zip(arms["arm"], arms["lossless"])]


def families(arms):
    """What an arm has in common with those that differ from it in k alone."""
    found = [""] * len(arms)
    for axis in AXES:
        values = list(arms[axis])
        if axis == "k" or len(set(map(str, values))) < 2:
            continue
        for row, value in enumerate(values):
            if not pd.isna(value) and value != "":
                found[row] += " " + (value if isinstance(value, str) else f"{axis}={value:g}")
    return [family.strip() or EXPERIMENT for family in found]


def bars(rows, column):
    """95 % intervals as matplotlib wants them: how far down and up."""
    low, high = rows[column] - rows[column + "_low"], rows[column + "_high"] - rows[column]
    return [low.clip(lower=0).fillna(0), high.clip(lower=0).fillna(0)]


def row_figure(count):
    return plt.subplots(figsize=(8, 1.2 + 0.3 * count), layout="constrained")

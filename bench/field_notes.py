#!/usr/bin/env python3
"""docs/field-notes.md out of what bench/field_notes.sh ran.  python3 bench/field_notes.py DIRECTORY"""
import json
import pathlib
import sys

work = pathlib.Path(sys.argv[1])
found = {path.stem: json.loads(path.read_text()) for path in work.glob("*.json")}


def command(name):
    return "```\n" + (work / f"{name}.command").read_text() + "```\n"


def ms(seconds):
    return f"{1e3 * seconds:.1f} ms"


def terms(name, rows=1):
    costs = found[name]["passes"][rows - 1]["terms_s"]
    return ", ".join(f"{term} {ms(s)}" for term, s in sorted(costs.items(), key=lambda item: -item[1]) if s >= 5e-5)


def one_row(name):
    return found[name]["passes"][0]["seconds"]


def alpha(cost):
    return "never" if cost["break_even_alpha"] is None else f"{cost['break_even_alpha']:.2f}"


def break_even(name):
    text = "| rows | experts of a layer | a step takes | tokens per pass that break even | even chance of a guess |\n|---|---|---|---|---|\n"
    for cost in found[name]["guesses"]:
        rows = cost["k"] + 1
        woken = found[name]["passes"][rows - 1]["experts_of_a_layer"]
        text += (f"| {rows} | {woken:.1f} of {found[name]['target']['experts']} | {ms(cost['step_s'])} | "
                 f"{cost['break_even_tokens_per_pass']:.2f} | {alpha(cost)} |\n")
    return text


def verdict(name):
    best = found[name]["best"]
    return (f"{best['speed_up']:.2f} times plain decoding at k = {best['k']} ({found[name]['result_low']:.2f} to "
            f"{found[name]['result_high']:.2f} two times in three, {100 * found[name]['chance_that_it_pays']:.0f} % that it "
            f"pays): *{found[name]['sign']}*")


def with_one(name):
    return f"{found[name]['guesses'][0]['speed_up']:.2f} times"


def per_second(name):
    return f"{1 / one_row(name):.1f} tokens/s"


def roofline(name):
    return 100 * found[name]["plain_at_peak_s"] / found[name]["measured_plain_s"]


def drivers(name, count=3):
    return "; ".join(f"{one['assumption']} ({one['result_at_low']:.2f} … {one['result_at_high']:.2f})"
                     for one in found[name]["sensitivities"][:count])


slow, pipeline, good = found["glm51"], found["glm51_pipeline"], found["glm51_one"]
read = slow["passes"][0]["bytes"]
peak = slow["hardware"]["peak_bytes_per_s"]["value"]
moved = slow["measured_plain_s"] * peak * slow["machines"]
unexplained = slow["measured_plain_s"] - one_row("glm51")
dead = found["glm52_dead"]
published = found["glm52_mtp86"]
nemotron = found["nemotron"]

print(f"""# What specdec predicts of five described systems

Written by `bench/field_notes.sh`: every number below is of the commands shown. Times that are *priced* come from
`specdec predict` alone ([predict.md](predict.md)), times that were *observed* from the people who run these systems.

## GLM-5.1 MXFP4-Q8 on two M3 Ultra: 0.26 to 0.27 tokens/s

{command('glm51')}
A token reads {read / 1e9:.1f} GB. Priced at {per_second('glm51')} with tensor parallelism ({terms('glm51')}) and
{per_second('glm51_pipeline')} as a pipeline. At the peak bandwidth of both machines {slow['measured_plain_s']:.2f} s move
{moved / 1e12:.1f} TB: {moved / read:.0f} times what a token reads, {moved / slow['target']['total_bytes']:.0f} times the model.

- **Weight bandwidth cannot explain it**, nor can kernels that are slow by a factor: one machine with another engine was observed at
  15.5 tokens/s, {roofline('glm51_one'):.0f} % of the roofline with the same bytes; priced {per_second('glm51_one')}.
- Links cannot: their price is {ms(slow['passes'][0]['terms_s']['links'])} per token with tensor parallelism and
  {ms(pipeline['passes'][0]['terms_s']['links'])} as a pipeline, and the rate did not depend on which of them was used.
- Dispatch would have to cost {1e3 * unexplained / slow['target']['layers']:.0f} ms per layer,
  {unexplained / slow['target']['layers'] / slow['hardware']['dispatch_s']['value']:.0f} times its price; a small model runs at 329
  tokens/s on the same pair, so it does not.
- What is left of {unexplained:.2f} s is something per pass that grows with the size of the model and not with the link: weights that
  are paged, copied or unpacked again. The model takes {slow['target']['total_bytes'] / 2e9:.0f} GB of each machine of 256 GB, of
  which macOS wires 75 % by default ({0.75 * 256 * 2**30 / 1e9:.0f} GB): above that limit it pages. That is the first thing to check.

## Kimi-K2.7-Code on two M3 Ultra, tensor parallel over RDMA: about 20 tokens/s

{command('kimi')}
A token reads {found['kimi']['passes'][0]['bytes'] / 1e9:.1f} GB. Priced at {per_second('kimi')} ({terms('kimi')}); observed 20.
Tokens per pass that an EAGLE-3 head must reach, by the length of its guess:

{break_even('kimi')}
Two times in three the lowest of them is {found['kimi']['result_low']:.2f} to {found['kimi']['result_high']:.2f}; most rests on
{drivers('kimi')}. A long guess asks for more than a short one. To see the matching rate of a head that was trained for K2.6:
`specdec vocab --target K2.7 --draft HEAD` says whether it fits at all; then run the engine greedily with always one guess, and
count how often it is accepted: that share is the even chance of the table's first row. Reading a prompt is priced at
{found['kimi']['prefill'][2]['tokens_per_s']:.0f} tokens/s at steps of 2048 (observed 286).

## GLM-5.2, 3 to 4 bits, Apple silicon: "speculative decode stays dead on this MoE: any multi-token verify reloads ~all experts"

{command('glm52_dead')}
**The reason is wrong.** Even if rows routed evenly and independently, four rows would wake {dead['passes'][3]['experts_of_a_layer']:.1f}
of 256 experts of a layer, {100 * dead['passes'][3]['experts_of_a_layer'] / 256:.0f} %; measured unions are smaller, about
{published['passes'][3]['experts_of_a_layer']:.1f}. With MLX it does not even matter: there a pass costs the same whether its rows share
experts or not.

{break_even('glm52_dead')}
**The verdict depends on acceptance and on the kernels.** On M3 Ultra in MXFP4 (plain decoding 19.7 tokens/s) with its own MTP layer:

{command('glm52_mtp86')}
| acceptance of a guess | with one guess | at best |
|---|---|---|
| 0.80 | {with_one('glm52_mtp80')} | {verdict('glm52_mtp80')} |
| 0.86 | {with_one('glm52_mtp86')} | {verdict('glm52_mtp86')} |
| 0.92 | {with_one('glm52_mtp92')} | {verdict('glm52_mtp92')} |

Observed: 15.7 to 16.4 of 19.7 tokens/s with one guess, 0.82 times; priced for one guess at 0.86:
{published['guesses'][0]['speed_up']:.2f}. What two rows cost there is not their union but
{terms('glm52_mtp86', 2)}.
With an engine whose sparse attention has kernels for several rows (`--engine omlx`): {verdict('glm52_omlx')};
its users observed 1.24 to 1.31 times (omlx PR 2113). The same model on four H200, whose kernels read each expert once for all rows
(`--hardware h200 --machines 4`): {verdict('glm52_h200')}.

## Nemotron-3-Super-120B-A12B, 8 bits, M3 Ultra: 7 tokens/s

{command('nemotron')}
A token reads {nemotron['passes'][0]['bytes'] / 1e9:.2f} GB; 7 tokens/s are {roofline('nemotron'):.0f} % of the roofline, the 33.7 of
another engine {roofline('nemotron_other'):.0f} %. Priced at {per_second('nemotron')} ({terms('nemotron')}), so
{ms(nemotron['measured_plain_s'] - one_row('nemotron'))} of 143 ms are neither bytes nor usual dispatch. The notes' own split, 93 ms in 40 MoE layers with 22 experts each,
is {93 / 40 / 22 * 1e3:.0f} us for each expert that a row chose, where reading it takes
{1e6 * nemotron['target']['expert_bytes_all_layers'] / 40 / nemotron['hardware']['effective_bytes_per_s']['value']:.0f} us: **slots, not
bytes**. Fusing the six kernels of a layer pays before any speculation does.

With one MTP layer accepted at 0.8: {verdict('nemotron')}. It rests on whether that time is paid once for a pass or by each
row: `unexplained_grows` moves the result from
{next(one for one in nemotron['sensitivities'] if one['assumption'] == 'unexplained_grows')['result_at_low']:.2f} (once) to
{next(one for one in nemotron['sensitivities'] if one['assumption'] == 'unexplained_grows')['result_at_high']:.2f} (by row), and slots
are paid by each row. For the fast engine: {verdict('nemotron_other')}.

## GLM-5.2 MXFP4 on M3 Ultra 512 GB, mlx_lm.server

{command('glm52')}
A token reads {found['glm52']['passes'][0]['bytes'] / 1e9:.1f} GB: priced {per_second('glm52')}, observed 18; 3 to 5, later, is
something else than the model. {found['glm52']['target']['total_bytes'] / 1e9:.0f} GB of weights are more than a guess:
{'they fit' if found['glm52']['memory']['fits'] else 'they do not fit'} the {found['glm52']['memory']['usable_bytes'] / 1e9:.0f} GB that
macOS wires by default, with {(found['glm52']['memory']['usable_bytes'] - found['glm52']['memory']['weight_bytes'] - found['glm52']['memory']['cache_bytes']) / 1e9:.0f} GB
left for buffers. Prefill by step: {', '.join(f"{one['step']}: {one['tokens_per_s']:.0f} tokens/s" for one in found['glm52']['prefill'])}
(observed 36 at 256, 179 at 2048; the machine's arithmetic was fitted to these two).

"No small model shares the vocabulary" does not settle it: the checkpoint has an MTP layer (layer 78), which MLX conversions leave out. In
MXFP4 it is {found['glm52']['drafter']['bytes'] / 1e9:.2f} GB. What it must reach:

{break_even('glm52')}
GLM-4.7-Flash in 4 bits as a small model of the same vocabulary size ({found['glm52_flash']['drafter']['bytes'] / 1e9:.1f} GB more, a guess
takes {ms(found['glm52_flash']['guesses'][0]['draft_s'])}):

{command('glm52_flash')}
{break_even('glm52_flash')}
Nemotron-3-Nano-30B-A3B, which the notes name at 62.5 tokens/s, is priced {per_second('nano')}.""")

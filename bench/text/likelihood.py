"""Language models trained by PyTorch and by Trueness with the same settings on the same data: how likely text is.

    pip install torch==2.15.0 safetensors==0.8.0
    trueness text train TRAIN --valid VALID --seed 1 --out runs/1      (and so on for more seeds)
    python likelihood.py captions --train TRAIN --valid VALID --ours runs/* [--threads 2] [--out FILE]
    trueness text train --oracle seqgan --model lstm --seed 1 --out oracles/1
    python likelihood.py oracle --ours oracles/* [--threads 2] [--out FILE]

Sizes and settings are read from the folders that `trueness text train` wrote, one training for each seed
in them, and PyTorch trains the same network by the same rules from initial weights, batches and masks of
its own. `captions` compares the best pass's nats per token of the validation sentences (words that no
training sentence has are left out of the sum, as Trueness does), `oracle` what an oracle that made the
training sentences thinks of the generators' samples. Runs of equal settings are averaged: the intervals
are Student's for the mean of the seeds' differences (PyTorch less Trueness), at 90 %. The standard errors
of single differences come from the spread of PyTorch's samples, for both sides, and know nothing of the
spread between trainings. `check` are Trueness's weights in PyTorch's network: its validation loss has to
be the one that Trueness wrote down.

FILE is written anew after every seed, and the seeds that are in it already are not trained again.
"""

import argparse
import gzip
import json
import math
import os
import pathlib
import sys
import time
import tomllib

import torch
from safetensors import safe_open
from torch import nn
from torch.nn import functional as F

POSITIONS = 1 << 13
SIDE_BY_SIDE = 500
# Student's 95 % quantiles for 1, 2, 3, ... degrees of freedom.
STUDENT = [6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812]
STUDENT += [1.796, 1.782, 1.771, 1.761, 1.753, 1.746, 1.740, 1.734, 1.729, 1.725]


class Lstm(nn.Module):
    """One bias a gate: PyTorch's second one stays 0, or Adam would move their sum twice as far."""

    def __init__(self, sizes):
        super().__init__()
        self.drop = 1 - sizes["keep"]
        self.layers = sizes["layers"]
        self.embedding = nn.Embedding(sizes["vocabulary"], sizes["embedding"])
        between = self.drop if self.layers > 1 else 0.0
        self.lstm = nn.LSTM(sizes["embedding"], sizes["hidden"], self.layers, batch_first=True, dropout=between)
        self.output = nn.Linear(sizes["hidden"], sizes["vocabulary"])
        for name, p in self.named_parameters():
            if "bias_hh" in name:
                nn.init.zeros_(p).requires_grad_(False)
            elif sizes["init"] == "uniform":
                nn.init.uniform_(p, -0.05, 0.05)
            else:
                nn.init.normal_(p, std=0.1)

    def features(self, ids, state=None):
        x = F.dropout(self.embedding(ids), self.drop, self.training)
        x, state = self.lstm(x, state)
        return F.dropout(x, self.drop, self.training), state

    def head(self, x):
        return self.output(x)

    @torch.no_grad()
    def take(self, arrays):
        """Trueness's weights."""
        self.embedding.weight.copy_(arrays["embedding"])
        self.output.weight.copy_(arrays["output.weight"].T)
        self.output.bias.copy_(arrays["output.bias"])
        for i in range(self.layers):
            getattr(self.lstm, f"weight_ih_l{i}").copy_(arrays[f"layers.{i}.weight"].T)
            getattr(self.lstm, f"weight_hh_l{i}").copy_(arrays[f"layers.{i}.recurrent"].T)
            getattr(self.lstm, f"bias_ih_l{i}").copy_(arrays[f"layers.{i}.bias"])


class Block(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        size, inner, epsilon = sizes["size"], sizes["inner"], sizes["epsilon"]
        self.heads, self.drop = sizes["heads"], 1 - sizes["keep"]
        self.ln_1, self.ln_2 = nn.LayerNorm(size, epsilon), nn.LayerNorm(size, epsilon)
        self.attn = nn.ModuleDict({"c_attn": nn.Linear(size, 3 * size), "c_proj": nn.Linear(size, size)})
        self.mlp = nn.ModuleDict({"c_fc": nn.Linear(size, inner), "c_proj": nn.Linear(inner, size)})

    def forward(self, x):
        b, t, d = x.shape
        drop = self.drop if self.training else 0.0
        parts = self.attn["c_attn"](self.ln_1(x)).chunk(3, -1)
        q, k, v = (part.view(b, t, self.heads, d // self.heads).transpose(1, 2) for part in parts)
        seen = F.scaled_dot_product_attention(q, k, v, dropout_p=drop, is_causal=True)
        x = x + F.dropout(self.attn["c_proj"](seen.transpose(1, 2).reshape(b, t, d)), drop)
        inner = F.gelu(self.mlp["c_fc"](self.ln_2(x)), approximate="tanh")
        return x + F.dropout(self.mlp["c_proj"](inner), drop)


class Gpt2(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.drop = 1 - sizes["keep"]
        self.wte = nn.Embedding(sizes["vocabulary"], sizes["size"])
        self.wpe = nn.Embedding(sizes["context"], sizes["size"])
        self.h = nn.ModuleList(Block(sizes) for _ in range(sizes["layers"]))
        self.ln_f = nn.LayerNorm(sizes["size"], sizes["epsilon"])
        back = 0.02 / math.sqrt(2 * sizes["layers"])
        for name, p in self.named_parameters():
            if "ln_" in name:
                continue
            if name.endswith("bias"):
                nn.init.zeros_(p)
            else:
                nn.init.normal_(p, std=back if "c_proj" in name else 0.02)

    def features(self, ids, before=None):
        if before is not None:
            ids = torch.cat([before, ids], 1)
        x = self.wte(ids) + self.wpe(torch.arange(ids.shape[1]))
        x = F.dropout(x, self.drop, self.training)
        for block in self.h:
            x = block(x)
        return self.ln_f(x), ids

    def head(self, x):
        return x @ self.wte.weight.T

    @torch.no_grad()
    def take(self, arrays):
        """Trueness's weights, whose linear layers multiply from the right."""
        for name, p in self.named_parameters():
            array = arrays[f"transformer.{name}"]
            turned = name.startswith("h.") and array.dim() == 2
            p.copy_(array.T if turned else array)


class Oracle:
    """SeqGAN's: token 0 goes in first, x·W + h·U + b for each gate, no end."""

    def __init__(self, path):
        arrays, metadata = load(path)
        self.length = int(metadata.get("length", 20))
        self.embedding = arrays["embedding"]
        gates = ["input_gate", "forget_gate", "output_gate", "candidate"]
        self.input, self.recurrent, self.bias = (
            torch.cat([arrays[f"{gate}.{part}"] for gate in gates], -1) for part in ["input", "recurrent", "bias"]
        )
        self.weight, self.output_bias = arrays["output.weight"], arrays["output.bias"]

    def step(self, ids, h, c):
        gates = self.embedding[ids] @ self.input + h @ self.recurrent + self.bias
        i, f, o, candidate = gates.chunk(4, -1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(candidate)
        h = torch.sigmoid(o) * torch.tanh(c)
        return h @ self.weight + self.output_bias, h, c

    @torch.no_grad()
    def nats(self, sentences):
        """−log p of each sentence, per token."""
        found = []
        for part in sentences.split(SIDE_BY_SIDE):
            h = c = torch.zeros(len(part), len(self.recurrent))
            before, total = torch.zeros(len(part), dtype=torch.long), torch.zeros(len(part), dtype=torch.double)
            for ids in part.T:
                logits, h, c = self.step(before, h, c)
                total += F.cross_entropy(logits, ids, reduction="none")
                before = ids
            found.append(total / part.shape[1])
        return torch.cat(found)


def load(path):
    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}


def log(*what):
    print(*what, file=sys.stderr, flush=True)


def sequences(sentences, ends):
    """What goes in, what is to be predicted, and which of it is no padding."""
    start, end = ends
    last = [] if end is None else [end]
    wide = max(len(sentence) for sentence in sentences) + len(last)
    inputs, targets, real = [], [], []
    for sentence in sentences:
        target = sentence + last
        padding = [0] * (wide - len(target))
        inputs.append(([start] + sentence)[: len(target)] + padding)
        targets.append(target + padding)
        real.append([True] * len(target) + [False] * len(padding))
    return torch.tensor(inputs), torch.tensor(targets), torch.tensor(real)


@torch.no_grad()
def validate(model, sentences, ends, unknown):
    model.eval()
    total, tokens, rest = 0.0, 0, sorted(sentences, key=len, reverse=True)
    while rest:
        n = max(1, POSITIONS // (len(rest[0]) + 1))
        inputs, targets, real = sequences(rest[:n], ends)
        if unknown is not None:
            real &= targets != unknown
        logits = model.head(model.features(inputs)[0][real])
        total += F.cross_entropy(logits, targets[real], reduction="none").double().sum().item()
        tokens += int(real.sum())
        rest = rest[n:]
    return total / max(1, tokens)


def share(schedule, step, total):
    if schedule == "constant":
        return 1.0
    rise = max(1, total // 20)
    if step < rise:
        return (step + 1) / rise
    done = min(1.0, (step - rise) / max(1, total - rise))
    return 0.1 + 0.45 * (1 + math.cos(math.pi * done))


def train(model, data, knobs, passes, label, observe=None):
    """The history of a training, and its best pass. With `passes`, so many of them, else until patience runs out."""
    sentences, valid, ends, unknown = data
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, betas=(0.9, 0.999), eps=1e-8, weight_decay=knobs["weight-decay"])
    n, size, rate, most = len(sentences), knobs["batch"], knobs["learning-rate"], passes or knobs["epochs"]
    total, step, history, best = knobs["epochs"] * math.ceil(n / size), 0, [], None
    while len(history) < most and (passes or not history or len(history) - best < knobs["patience"]):
        begun = time.perf_counter()
        model.train()
        losses = 0.0
        for batch in torch.randperm(n).split(size):
            inputs, targets, real = sequences([sentences[i] for i in batch], ends)
            loss = F.cross_entropy(model.head(model.features(inputs)[0][real]), targets[real])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, knobs["clip"])
            for group in optimizer.param_groups:
                group["lr"] = rate * share(knobs["schedule"], step, total)
            optimizer.step()
            losses += loss.item() * len(batch)
            step += 1
        now = {"train_loss": losses / n, "metric": validate(model, valid, ends, unknown)}
        if not math.isfinite(now["metric"]):
            raise SystemExit(f"{label}: the validation loss is {now['metric']}")
        if observe:
            now["observed"] = observe(model)
        history.append(now)
        if best is None or now["metric"] < history[best - 1]["metric"]:
            best = len(history)
        said = "".join(f" {name} {value:.4f}" for name, value in now.get("observed", {}).items())
        seconds = time.perf_counter() - begun
        log(f"{label} pass {len(history)}/{most}: {now['train_loss']:.4f} {now['metric']:.4f}{said} ({seconds:.1f} s)")
    return history, best


@torch.no_grad()
def sample(model, n, length, start, generator):
    """Ids drawn one after another at temperature 1."""
    model.eval()
    found = []
    for first in range(0, n, SIDE_BY_SIDE):
        ids, state, drawn = torch.full((min(SIDE_BY_SIDE, n - first), 1), start), None, []
        for _ in range(length):
            x, state = model.features(ids, state)
            cumulative = torch.softmax(model.head(x[:, -1]).double(), -1).cumsum(-1)
            u = torch.rand(len(ids), 1, dtype=torch.double, generator=generator) * cumulative[:, -1:]
            ids = torch.searchsorted(cumulative, u, right=True).clamp(max=cumulative.shape[1] - 1)
            drawn.append(ids)
        found.append(torch.cat(drawn, 1))
    return torch.cat(found)


def runs(folders):
    """The trainings in run folders."""
    read = lambda path: json.loads(path.read_text(encoding="utf-8"))
    for folder in folders:
        if not (folder / "run.json").exists():
            raise SystemExit(f"{folder} is no run's folder")
        preset = read(folder / "run.json")["preset"]
        knobs = tomllib.loads((folder / "study.toml").read_text(encoding="utf-8"))["preset"][preset]["knobs"]
        for seed in sorted(folder.glob("seed-*"), key=lambda path: int(path.name[5:])):
            stages = [path.parent.parent for path in seed.glob("stages/train*/model/trueness.json")]
            if len(stages) != 1 or not (seed / "units/train.json").exists():
                raise SystemExit(f"{seed} holds no finished training")
            about = read(stages[0] / "model/trueness.json")
            kept = read(seed / "units/train.json")["kept"]["trained"]
            yield {
                "name": folder.resolve().name,
                "seed": int(seed.name[5:]),
                "knobs": knobs,
                "about": about,
                "words": read(stages[0] / "model/vocabulary.json"),
                "stage": stages[0],
                "kept": kept,
            }


def network(run):
    """A new network for a run, and the same with the run's weights."""
    sizes = run["about"]["sizes"]
    kind = {"lstm": Lstm, "gpt2": Gpt2}[sizes["kind"]]
    torch.manual_seed(run["seed"])
    model = kind(sizes)
    with torch.random.fork_rng():
        ours = kind(sizes)
    ours.take(load(run["stage"] / "model/model.safetensors")[0])
    return model, ours


def lines(path):
    data = path.read_bytes()
    data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    return [words for line in data.decode("utf-8-sig").split("\n") if (words := line.split())]


def curve(history, best):
    nats = history[best - 1]["metric"]
    return {"best_pass": best, "nats": nats, "perplexity": math.exp(nats), "history": history}


def common(run, history, best, check):
    ours = curve(run["kept"]["history"], run["kept"]["best"]["epoch"])
    if abs(check - ours["nats"]) > 1e-4:
        log(f"{run['name']}: Trueness's weights have {check:.5f} nats here and {ours['nats']:.5f} there")
    return {
        "run": run["name"],
        "seed": run["seed"],
        "origin": run["about"]["origin"],
        "sizes": run["about"]["sizes"],
        "knobs": {key: value for key, value in run["knobs"].items() if key not in ["corpus", "valid", "device"]},
        "ours": ours,
        "pytorch": curve(history, best),
        "check": {"nats": check},
    }


def captions(run, options):
    about = run["about"]
    if about["tokenizer"] != "whitespace":
        raise SystemExit(f"{run['name']}: expected the tokenizer whitespace, got {about['tokenizer']}")
    ids = {word: i + 1 for i, word in enumerate(run["words"])}
    sentences, valid = (
        [[ids.get(word, 1) for word in words] for words in lines(path) if len(words) <= about["longest"]]
        for path in [options.train, options.valid]
    )
    tokens = sum(map(len, sentences))
    said = f"{len(sentences)} sentences ({tokens} tokens, {len(ids) - 1} words)"
    if said not in run["kept"]["lead"]:
        raise SystemExit(f"{run['name']} has other training sentences than {said}: {run['kept']['lead']}")
    data = sentences, valid, (about["start"], about["end"]), 1
    model, ours = network(run)
    check = validate(ours, *data[1:])
    history, best = train(model, data, run["knobs"], None, f"{run['name']} seed {run['seed']}")
    return common(run, history, best, check)


def oracle(run, options):
    about, stage, n = run["about"], run["stage"], run["knobs"].get("oracle-samples", 2000)
    if not (stage / "oracle.safetensors").exists():
        raise SystemExit(f"{run['name']}: expected an LSTM oracle, {stage / 'oracle.safetensors'}")
    law = Oracle(stage / "oracle.safetensors")
    ids = {f"w{i}": i for i in range(len(law.embedding))}
    sentences, valid = (
        [[ids[word] for word in words] for words in lines(stage / f"oracle-{part}.txt")] for part in ["train", "valid"]
    )
    data = sentences, valid, (about["start"], about["end"]), None
    measures = {measure["name"]: measure["value"] for measure in run["kept"]["measures"]}
    generator = torch.Generator().manual_seed(run["seed"])

    def observe(model):
        nats = law.nats(sample(model, n, law.length, about["start"], generator))
        return {"nll-oracle": nats.mean().item(), "se": nats.std().item() / math.sqrt(n)}

    model, ours = network(run)
    check, seen = validate(ours, *data[1:]), observe(ours)
    entropy = law.nats(torch.tensor(valid))
    start = observe(model)
    label = f"{run['name']} seed {run['seed']}"
    log(f"{label} at the start: nll-oracle {start['nll-oracle']:.4f}")
    history, best = train(model, data, run["knobs"], len(run["kept"]["history"]), label, observe)
    row = common(run, history, best, check)
    of = lambda now: now["observed"]["nll-oracle"]

    def place(now, value):
        # The spread of PyTorch's samples stands for that of both.
        found = {"pytorch": now["nll-oracle"], "ours": value, "se": math.sqrt(2) * now["se"]}
        if value is not None:
            found["difference"] = now["nll-oracle"] - value
        return found

    past = run["kept"]["history"]
    row["check"]["nll-oracle"] = seen | {"ours": measures.get("nll-oracle")}
    row["nll-oracle"] = {
        "n": n,
        "start": place(start, measures.get("nll-oracle-start")),
        "passes": [place(now["observed"], of(was)) for now, was in zip(history, past)],
        "best": place(history[best - 1]["observed"], of(past[run["kept"]["best"]["epoch"] - 1])),
        "last": place(history[-1]["observed"], of(past[-1])),
    }
    row["entropy"] = {
        "ours": measures.get("oracle-entropy"),
        "pytorch": entropy.mean().item(),
        "se": entropy.std().item() / math.sqrt(len(entropy)),
    }
    return row


def interval(differences):
    """Their mean with Student's 90 % interval; none of a single one."""
    n = len(differences)
    mean = sum(differences) / n
    if n < 2:
        return {"n": n, "mean": mean, "low": None, "high": None}
    if n - 1 <= len(STUDENT):
        t = STUDENT[n - 2]
    else:
        # Cornish and Fisher's expansion: right to .001 from here on.
        t = 1.64485 + 1.5238 / (n - 1) + 1.42 / (n - 1) ** 2
    half = t * math.sqrt(sum((x - mean) ** 2 for x in differences) / (n - 1) / n)
    return {"n": n, "mean": mean, "low": mean - half, "high": mean + half}


def compare(pairs):
    ours, theirs = zip(*pairs)
    return {
        "ours": sum(ours) / len(ours),
        "pytorch": sum(theirs) / len(theirs),
        "difference": interval([b - a for a, b in pairs]),
    }


def summary(rows):
    groups = {}
    for row in rows:
        # The vocabulary of a share of the corpus differs from seed to seed.
        sizes = {key: value for key, value in row["sizes"].items() if key not in ["vocabulary", "context"]}
        groups.setdefault(json.dumps([sizes, row["knobs"]]), []).append(row)
    found = []
    for key, group in groups.items():
        sizes, knobs = json.loads(key)
        now = {"sizes": sizes, "knobs": knobs, "seeds": [row["seed"] for row in group]}
        for name in ["nats", "perplexity"]:
            now[name] = compare([(row["ours"][name], row["pytorch"][name]) for row in group])
        for name in ["start", "best", "last"]:
            places = [row["nll-oracle"][name] for row in group if "nll-oracle" in row]
            if places and all(place["ours"] is not None for place in places):
                now[f"nll-oracle-{name}"] = compare([(place["ours"], place["pytorch"]) for place in places])
        found.append(now)
    return found


def show(rows, groups):
    number = lambda x: "-" if x is None else f"{x:.4f}"
    line = lambda cells: print("| " + " | ".join(cells) + " |")

    def head(*cells):
        print()
        line(cells)
        line(["---"] * len(cells))

    head("run", "seed", "best nats, PyTorch", "ours", "difference", "perplexity, PyTorch", "ours", "best pass", "check")
    for row in rows:
        a, b = row["pytorch"], row["ours"]
        of = [a["nats"], b["nats"], a["nats"] - b["nats"]]
        perplexities = [f"{x['perplexity']:.2f}" for x in (a, b)]
        passes = f"{a['best_pass']}, {b['best_pass']}"
        check = number(row["check"]["nats"])
        line([row["run"], str(row["seed"]), *map(number, of), *perplexities, passes, check])
    oracles = [row for row in rows if "nll-oracle" in row]
    if oracles:
        head("run", "seed", "NLL-oracle", "PyTorch", "ours", "difference", "its standard error")
        for row in oracles:
            for name in ["start", "best", "last"]:
                at = row["nll-oracle"][name]
                of = [at["pytorch"], at["ours"], at.get("difference"), at["se"]]
                line([row["run"], str(row["seed"]), name, *map(number, of)])
            check, entropy = row["check"]["nll-oracle"], row["entropy"]
            of = [check["nll-oracle"], check["ours"], None, check["se"]]
            line([row["run"], str(row["seed"]), "check", *map(number, of)])
            of = [entropy["pytorch"], entropy["ours"], None, entropy["se"]]
            line([row["run"], str(row["seed"]), "entropy", *map(number, of)])
    head("mean of", "seeds", "PyTorch", "ours", "difference", "90 %")
    for group in groups:
        for name in ["nats", "perplexity", "nll-oracle-start", "nll-oracle-best", "nll-oracle-last"]:
            if name in group:
                of, d = group[name], group[name]["difference"]
                within = f"[{number(d['low'])}, {number(d['high'])}]"
                line([name, str(d["n"]), number(of["pytorch"]), number(of["ours"]), number(d["mean"]), within])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    modes = parser.add_subparsers(dest="mode", required=True)
    for name in ["captions", "oracle"]:
        mode = modes.add_parser(name)
        if name == "captions":
            mode.add_argument("--train", type=pathlib.Path, required=True)
            mode.add_argument("--valid", type=pathlib.Path, required=True)
        mode.add_argument("--ours", type=pathlib.Path, nargs="+", required=True)
        mode.add_argument("--threads", type=int, default=2)
        mode.add_argument("--out", type=pathlib.Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    about = {"mode": options.mode, "torch": torch.__version__, "threads": options.threads}
    rows, groups, old = [], [], []
    if options.out and options.out.exists():
        before = json.loads(options.out.read_text(encoding="utf-8"))
        if before["about"] != about:
            raise SystemExit(f"{options.out} is of other settings: {before['about']}, not {about}")
        old = before["rows"]
    for run in runs(options.ours):
        key = [run["name"], run["seed"], run["about"]["origin"]]
        row = next((row for row in old if [row["run"], row["seed"], row["origin"]] == key), None)
        if row:
            log(f"{run['name']} seed {run['seed']} is in {options.out} already")
        else:
            begun = time.perf_counter()
            row = {"captions": captions, "oracle": oracle}[options.mode](run, options)
            row["seconds"] = time.perf_counter() - begun
        rows.append(row)
        groups = summary(rows)
        if options.out:
            # Rows of an earlier call that are still to come are not lost if this one ends early.
            later = [row for row in old if (row["run"], row["seed"]) not in {(r["run"], r["seed"]) for r in rows}]
            partial = options.out.with_name(options.out.name + ".partial")
            text = json.dumps({"about": about, "rows": rows + later, "summary": groups}, indent=1)
            partial.write_text(text + "\n", encoding="utf-8")
            os.replace(partial, options.out)
    show(rows, groups)


if __name__ == "__main__":
    main()

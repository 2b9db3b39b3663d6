"""Training steps and sampling by PyTorch and by Trueness: the same networks, the same work, taking turns.

    pip install -r requirements.txt
    cargo build --release -p trueness-nn --example train_step
    python train.py [--ours PATH of the example] [--rounds 5] [--steps 12] [--out FILE]

Each measurement is a process of its own with two threads; PyTorch and Trueness take turns, so that a busy
machine slows both alike. A training step is forward, loss, backward and Adam. Sampling is 64 sequences of
20 tokens: PyTorch by the inverse of the cumulative distribution, which is what Trueness does and many times
faster there than `torch.multinomial` at this vocabulary. The check is the loss after the last step (both
begin at the logarithm of 5,000, and end within a few thousandths of each other, since the initial weights
are other draws of one law), or the number of tokens.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

VOCABULARY = 5000


def sentences(batch, length):
    x, rows = 1, []
    for _ in range(batch):
        row = []
        for _ in range(length):
            x = (x * 1103515245 + 12345) % 2**31
            row.append(x // 65536 % VOCABULARY)
        rows.append(row)
    return rows


def peer(work, steps):
    import torch
    from torch import nn
    from torch.nn import functional as F

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    torch.manual_seed(0)

    class Lstm(nn.Module):
        def __init__(self, size):
            super().__init__()
            self.embedding = nn.Embedding(VOCABULARY, size)
            self.lstm = nn.LSTM(size, size, batch_first=True)
            self.output = nn.Linear(size, VOCABULARY)
            for p in self.parameters():
                nn.init.uniform_(p, -0.05, 0.05)

        def forward(self, ids):
            return self.output(self.lstm(self.embedding(ids))[0])

    class Block(nn.Module):
        def __init__(self, size, heads):
            super().__init__()
            self.heads = heads
            self.ln_1, self.ln_2 = nn.LayerNorm(size), nn.LayerNorm(size)
            self.qkv, self.proj = nn.Linear(size, 3 * size), nn.Linear(size, size)
            self.fc, self.back = nn.Linear(size, 4 * size), nn.Linear(4 * size, size)

        def forward(self, x, past=None):
            b, t, d = x.shape
            q, k, v = (
                part.view(b, t, self.heads, d // self.heads).transpose(1, 2)
                for part in self.qkv(self.ln_1(x)).chunk(3, -1)
            )
            if past is not None:
                k, v = torch.cat([past[0], k], 2), torch.cat([past[1], v], 2)
            seen = F.scaled_dot_product_attention(q, k, v, is_causal=past is None)
            x = x + self.proj(seen.transpose(1, 2).reshape(b, t, d))
            return x + self.back(F.gelu(self.fc(self.ln_2(x)), approximate="tanh")), (k, v)

    class Gpt(nn.Module):
        def __init__(self, size=128, layers=4, heads=4, context=64):
            super().__init__()
            self.wte, self.wpe = nn.Embedding(VOCABULARY, size), nn.Embedding(context, size)
            self.h = nn.ModuleList(Block(size, heads) for _ in range(layers))
            self.ln_f = nn.LayerNorm(size)
            for module in self.modules():
                if isinstance(module, (nn.Linear, nn.Embedding)):
                    nn.init.normal_(module.weight, std=0.02)
                if isinstance(module, nn.Linear):
                    nn.init.zeros_(module.bias)
            # GPT-2 begins the layers that lead back into the residual stream smaller.
            for block in self.h:
                for back in (block.proj, block.back):
                    nn.init.normal_(back.weight, std=0.02 / (2 * layers) ** 0.5)

        def forward(self, ids):
            x = self.wte(ids) + self.wpe(torch.arange(ids.shape[1]))
            for block in self.h:
                x, _ = block(x)
            return self.ln_f(x) @ self.wte.weight.T

    class Cnn(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(VOCABULARY, 512)
            self.convolutions = nn.ModuleList([nn.Conv1d(512, 100, 2), nn.Conv1d(512, 200, 3)])
            self.transform, self.gate = nn.Linear(300, 300), nn.Linear(300, 300)
            self.output = nn.Linear(300, 2)

        def forward(self, ids):
            x = self.embedding(ids).transpose(1, 2)
            x = torch.cat([F.relu(c(x)).amax(2) for c in self.convolutions], 1)
            t = torch.sigmoid(self.gate(x))
            return self.output(t * F.relu(self.transform(x)) + (1 - t) * x)

    def train(model, inputs, targets):
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
        seconds = []
        for step in range(steps + 2):
            start = time.perf_counter()
            logits = model(inputs)
            loss = F.cross_entropy(logits.flatten(0, -2), targets.flatten())
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            value = loss.item()
            if step >= 2:
                seconds.append(time.perf_counter() - start)
        return seconds, value

    def language(model, batch, length):
        targets = torch.tensor(sentences(batch, length))
        inputs = torch.cat([torch.zeros(batch, 1, dtype=torch.long), targets[:, :-1]], 1)
        return train(model, inputs, targets)

    def draw(logits):
        cumulative = torch.softmax(logits, -1).cumsum(-1)
        u = torch.rand(len(logits), 1) * cumulative[:, -1:]
        return torch.searchsorted(cumulative, u).clamp(max=VOCABULARY - 1)

    @torch.no_grad()
    def sample(model):
        seconds = []
        for step in range(steps + 2):
            start = time.perf_counter()
            ids, state, tokens = torch.zeros(64, 1, dtype=torch.long), None, 0
            if isinstance(model, Gpt):
                state = [None] * len(model.h)
            for t in range(20):
                if isinstance(model, Gpt):
                    x = model.wte(ids) + model.wpe(torch.tensor([t]))
                    for i, block in enumerate(model.h):
                        x, state[i] = block(x, state[i])
                    logits = (model.ln_f(x) @ model.wte.weight.T)[:, -1]
                else:
                    x, state = model.lstm(model.embedding(ids), state)
                    logits = model.output(x[:, -1])
                ids = draw(logits)
                tokens += len(ids)
            if step >= 2:
                seconds.append(time.perf_counter() - start)
        return seconds, tokens

    if work.startswith("lstm"):
        seconds, check = language(Lstm(int(work[5:])), 64, 20)
    elif work == "gpt":
        seconds, check = language(Gpt(), 16, 64)
    elif work == "cnn":
        padded = torch.tensor([row + [0] * 3 for row in sentences(64, 20)])
        seconds, check = train(Cnn(), padded, torch.arange(64) % 2)
    elif work == "sample-gpt":
        seconds, check = sample(Gpt())
    else:
        seconds, check = sample(Lstm(int(work.split("-")[1])))
    print(json.dumps({"seconds": seconds, "check": check}))


def run(command, threads):
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "RAYON_NUM_THREADS": str(threads)}
    done = subprocess.run(command, stdout=subprocess.PIPE, env=environment, check=True)
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ours", default="target/release/examples/train_step")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--out", type=pathlib.Path)
    options = parser.parse_args()
    found = []
    for work in ["lstm-32", "lstm-512", "gpt", "cnn", "sample-32", "sample-512", "sample-gpt"]:
        if options.only and work not in options.only:
            continue
        times, checks = {"pytorch": [], "trueness": []}, {}
        for _ in range(options.rounds):
            for name, command in [
                ("pytorch", [sys.executable, __file__, "--peer", work, str(options.steps)]),
                ("trueness", [options.ours, work, str(options.steps)]),
            ]:
                result = run(command, options.threads)
                times[name] += result["seconds"]
                checks[name] = result["check"]
        row = {"work": work, "check": checks}
        for name, seconds in times.items():
            row[name] = {"median_ms": 1e3 * statistics.median(seconds), "min_ms": 1e3 * min(seconds), "n": len(seconds)}
        row["ratio_of_medians"] = row["trueness"]["median_ms"] / row["pytorch"]["median_ms"]
        row["ratio_of_minima"] = row["trueness"]["min_ms"] / row["pytorch"]["min_ms"]
        found.append(row)
        print(json.dumps(row), flush=True)
    if options.out:
        import torch

        about = {"torch": torch.__version__, "threads": options.threads, "rounds": options.rounds}
        options.out.write_text(json.dumps({"about": about, "rows": found}, indent=1) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peer"]:
        peer(sys.argv[2], int(sys.argv[3]))
    else:
        main()

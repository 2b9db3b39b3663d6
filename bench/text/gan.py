"""Adversarial rounds by PyTorch and by Trueness: the same networks, the same work, taking turns.

    pip install -r requirements.txt
    cargo build --release -p trueness-text --example gan_round
    python gan.py [--ours PATH of the example] [--rounds 3] [--out FILE]

A round of SeqGAN: 64 sentences of 20 tokens from an LSTM of 32 and 32 over 5,000 ids; each prefix of 1 to 19 tokens completed 16
times; the discriminator's answer on all of these; one step of Adam by policy gradient; then 960 new sentences, and 45 steps of the
discriminator on 64 real and 64 of these. A step of RelGAN: one of the generator through 20 softened tokens of 64 sentences and the
discriminator, and five of the discriminator, each with new samples. Sizes are `small` (this workspace's for a CPU) or `authors`
(SeqGAN's discriminator on real text; RelGAN's own, a memory of 2 x 256 and 64 representations).

PyTorch draws by the inverse of the cumulative distribution, completes all 1,024 copies of a prefix at once, and runs in eager mode.
Real ids are independent, floor(5000 u^2) of uniform u. The check is both losses in the last round, generator and then discriminator,
of each turn: the rules are the same, data and initial weights are other draws of the same laws.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

VOCABULARY, LONGEST, BATCH, ROLLOUTS = 5000, 20, 64, 16

# What logits with noise are multiplied by. RelGAN's grows over the rounds, which the work does not depend on.
BETA = 1.0


def peer(method, size, rounds, seed):
    import torch
    from torch import nn
    from torch.nn import functional as F

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    torch.manual_seed(seed)
    authors = size == "authors"
    real = (VOCABULARY * torch.rand(2000, LONGEST) ** 2).long()

    def draw(logits):
        cumulative = torch.softmax(logits, -1).cumsum(-1)
        u = torch.rand(len(logits), 1) * cumulative[:, -1:]
        return torch.searchsorted(cumulative, u).clamp(max=VOCABULARY - 1)[:, 0]

    def truncated(*layers, sd=None, bias=0.0):
        """Weights as TensorFlow's `truncated_normal` draws them, by default with 1/sqrt(inputs)."""
        for layer in layers:
            scale = sd or layer.weight[0].numel() ** -0.5
            nn.init.trunc_normal_(layer.weight, std=scale, a=-2 * scale, b=2 * scale)
            if layer.bias is not None:
                nn.init.constant_(layer.bias, bias)

    class Highway(nn.Module):
        def __init__(self, features):
            super().__init__()
            self.transform, self.gate = nn.Linear(features, features), nn.Linear(features, features)
            for layer in (self.transform, self.gate):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)

        def forward(self, x):
            t = torch.sigmoid(self.gate(x))
            return t * F.relu(self.transform(x)) + (1 - t) * x

    def clipped(parameters, optimizer, loss):
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 5.0)
        optimizer.step()
        return loss.item()

    class Cnn(nn.Module):
        def __init__(self):
            super().__init__()
            wide, widths, filters = (32, [2, 3], [100, 200]) if authors else (64, [2, 3], [64, 64])
            self.embedding = nn.Embedding(VOCABULARY + 1, wide)
            self.convolutions = nn.ModuleList(nn.Conv1d(wide, f, w) for w, f in zip(widths, filters))
            self.highway, self.output = Highway(sum(filters)), nn.Linear(sum(filters), 2)
            nn.init.uniform_(self.embedding.weight, -1, 1)
            truncated(*self.convolutions, self.output, sd=0.1, bias=0.1)

        def forward(self, ids, keep=1.0):
            x = self.embedding(F.pad(ids + 1, (0, 3))).transpose(1, 2)
            x = self.highway(torch.cat([F.relu(c(x)).amax(2) for c in self.convolutions], 1))
            logits = self.output(F.dropout(x, 1 - keep, keep < 1))
            return logits[:, 1] - logits[:, 0]

    class Lstm(nn.Module):
        def __init__(self, wide=32):
            super().__init__()
            self.embedding, self.cell = nn.Embedding(VOCABULARY, wide), nn.LSTM(wide, wide, batch_first=True)
            self.output = nn.Linear(wide, VOCABULARY)
            for p in self.parameters():
                nn.init.normal_(p, std=0.1)

        def step(self, tokens, state):
            x, state = self.cell(self.embedding(tokens)[:, None], state)
            return self.output(x[:, 0]), state

        @torch.no_grad()
        def complete(self, tokens, state, done, total):
            found = []
            for _ in range(done, total):
                logits, state = self.step(tokens, state)
                tokens = draw(logits)
                found.append(tokens)
            return torch.stack(found, 1)

        def sample(self, n):
            return self.complete(torch.zeros(n, dtype=torch.long), None, 0, LONGEST)

    def seqgan():
        generator, rolling, judge = Lstm(), Lstm(), Cnn()
        rolling.load_state_dict(generator.state_dict())
        adam, critic = torch.optim.Adam(generator.parameters(), 1e-2), torch.optim.Adam(judge.parameters(), 1e-4)

        def once():
            with torch.no_grad():
                sentences = generator.sample(BATCH)
                values = torch.empty(BATCH, LONGEST)
                state, tokens = None, torch.zeros(BATCH, dtype=torch.long)
                completed = []
                for t in range(1, LONGEST):
                    _, state = rolling.step(tokens, state)
                    tokens = sentences[:, t - 1]
                    copied = tuple(s.repeat_interleave(ROLLOUTS, 1) for s in state)
                    rest = rolling.complete(tokens.repeat_interleave(ROLLOUTS), copied, t, LONGEST)
                    completed.append(torch.cat([sentences[:, :t].repeat_interleave(ROLLOUTS, 0), rest], 1))
                scores = torch.cat([torch.sigmoid(judge(part)) for part in completed])
                values[:, :-1] = scores.view(LONGEST - 1, BATCH, ROLLOUTS).mean(2).t()
                values[:, -1] = torch.sigmoid(judge(sentences))
            inputs = torch.cat([torch.zeros(BATCH, 1, dtype=torch.long), sentences[:, :-1]], 1)
            logits = generator.output(generator.cell(generator.embedding(inputs))[0])
            nll = F.cross_entropy(logits.flatten(0, 1), sentences.flatten(), reduction="none")
            theirs = clipped(list(generator.parameters()), adam, (nll * values.flatten()).sum()) / BATCH
            with torch.no_grad():
                for (name, old), new in zip(rolling.named_parameters(), generator.parameters()):
                    share = 0.0 if name.startswith("embedding") else 0.8
                    old.mul_(share).add_(new, alpha=1 - share)
            fresh, total = generator.sample(15 * BATCH), 0.0
            for step in range(45):
                drawn = real[torch.randint(len(real), (BATCH,))]
                generated = fresh[step % 15 * BATCH : (step % 15 + 1) * BATCH]
                odds = judge(torch.cat([drawn, generated]), 0.75)
                signs = torch.cat([-torch.ones(BATCH), torch.ones(BATCH)])
                penalty = (judge.output.weight.square().sum() + judge.output.bias.square().sum()) / 2
                loss = F.softplus(odds * signs).mean() + 0.2 * penalty
                total += clipped(list(judge.parameters()), critic, loss)
            return theirs, total / 45

        return once

    class Memory(nn.Module):
        def __init__(self, heads, width, wide=32):
            super().__init__()
            self.heads, self.width, self.size = heads, width, heads * width
            d = self.size
            self.embedding, self.input = nn.Embedding(VOCABULARY, wide), nn.Linear(wide, d)
            self.qkv, self.qkv_norm = nn.Linear(d, 3 * d, bias=False), nn.LayerNorm(3 * d)
            self.norm_1, self.norm_2 = nn.LayerNorm(d), nn.LayerNorm(d)
            self.inner_1, self.inner_2 = nn.Linear(d, d), nn.Linear(d, d)
            self.by_input, self.by_memory = nn.Linear(d, 2 * d), nn.Linear(d, 2 * d)
            self.output = nn.Linear(d, VOCABULARY)
            truncated(*(layer for layer in self.children() if isinstance(layer, nn.Linear)))
            sd = VOCABULARY**-0.5
            nn.init.trunc_normal_(self.embedding.weight, std=sd, a=-2 * sd, b=2 * sd)

        def step(self, tokens, memory):
            x = self.input(self.embedding(tokens))
            rows = torch.stack([memory, x], 1)
            parts = self.qkv_norm(self.qkv(rows)).unflatten(-1, (self.heads, 3, self.width))
            query, key, value = (parts[:, :, :, i].transpose(1, 2) for i in range(3))
            weights = (query[:, :, :1] / (3 * self.width) ** 0.5 @ key.transpose(2, 3)).softmax(-1)
            kept = self.norm_1(memory + (weights @ value).flatten(1))
            new = self.norm_2(kept + self.inner_2(F.relu(self.inner_1(kept))))
            let_in, keep = (self.by_input(x) + self.by_memory(memory.tanh())).chunk(2, -1)
            return let_in.sigmoid() * new.tanh() + (keep + 1).sigmoid() * memory

        def softened(self, n):
            memory = torch.eye(1, self.size).expand(n, -1)
            tokens, found = torch.zeros(n, dtype=torch.long), []
            for _ in range(LONGEST):
                memory = self.step(tokens, memory)
                noisy = self.output(memory) - (-torch.rand(n, VOCABULARY).clamp(1e-9, 1 - 1e-7).log()).log()
                found.append((BETA * noisy).softmax(-1))
                tokens = noisy.detach().argmax(-1)
            return torch.stack(found, 1)

    class Representations(nn.Module):
        def __init__(self):
            super().__init__()
            count, widths, filters, inner = (64, [2, 3, 4, 5], 300, 100) if authors else (16, [2, 3], 64, 50)
            sd = VOCABULARY**-0.5
            self.embedding = nn.Parameter(nn.init.trunc_normal_(torch.empty(VOCABULARY, count), std=sd, a=-2 * sd, b=2 * sd))
            self.convolutions = nn.ModuleList(nn.Conv1d(1, filters, w) for w in widths)
            self.highway = Highway(filters * len(widths))
            self.inner, self.output = nn.Linear(filters * len(widths), inner), nn.Linear(inner, 1)
            truncated(*self.convolutions, self.inner, self.output)

        def forward(self, x):
            x = x.transpose(1, 2).flatten(0, 1)[:, None]
            x = self.highway(torch.cat([F.relu(c(x)).amax(2) for c in self.convolutions], 1))
            return self.output(self.inner(F.dropout(x, 0.25)))[:, 0]

    def relgan():
        generator, judge = Memory(2, 256 if authors else 32), Representations()
        adam, critic = torch.optim.Adam(generator.parameters(), 1e-4), torch.optim.Adam(judge.parameters(), 1e-4)
        drawn = lambda: judge.embedding[real[torch.randint(len(real), (BATCH,))]]

        def once():
            judge.requires_grad_(False)
            fake = judge(generator.softened(BATCH) @ judge.embedding)
            theirs = clipped(list(generator.parameters()), adam, F.softplus(judge(drawn()) - fake).mean())
            judge.requires_grad_(True)
            for _ in range(5):
                with torch.no_grad():
                    soft = generator.softened(BATCH)
                loss = F.softplus(judge(soft @ judge.embedding) - judge(drawn())).mean()
                value = clipped(list(judge.parameters()), critic, loss)
            return theirs, value

        return once

    once = {"seqgan": seqgan, "relgan": relgan}[method]()
    seconds = []
    for _ in range(rounds + 2):
        start = time.perf_counter()
        check = once()
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"seconds": seconds[1:-1], "check": check}))


def run(command, threads):
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "RAYON_NUM_THREADS": str(threads)}
    done = subprocess.run(command, stdout=subprocess.PIPE, env=environment, check=True)
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ours", default="target/release/examples/gan_round")
    parser.add_argument("--rounds", type=int, default=3, help="turns that each takes")
    parser.add_argument("--steps", type=int, default=5, help="adversarial rounds a turn")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--out", type=pathlib.Path)
    options = parser.parse_args()
    found = []
    for method, size in [("seqgan", "small"), ("seqgan", "authors"), ("relgan", "small"), ("relgan", "authors")]:
        work = f"{method}-{size}"
        if options.only and work not in options.only:
            continue
        # RelGAN's own sizes take seconds a step.
        steps = 2 if work == "relgan-authors" else options.steps
        times, checks = {"pytorch": [], "trueness": []}, {"pytorch": [], "trueness": []}
        for turn in range(options.rounds):
            arguments = [method, size, str(steps), str(turn)]
            for name, command in [
                ("pytorch", [sys.executable, __file__, "--peer", *arguments]),
                ("trueness", [options.ours, *arguments]),
            ]:
                result = run(command, options.threads)
                times[name] += result["seconds"]
                checks[name].append(result["check"])
        row = {"work": work, "losses": checks}
        for name, seconds in times.items():
            row[name] = {"median_s": statistics.median(seconds), "min_s": min(seconds), "n": len(seconds)}
        row["ratio_of_medians"] = row["trueness"]["median_s"] / row["pytorch"]["median_s"]
        row["ratio_of_minima"] = row["trueness"]["min_s"] / row["pytorch"]["min_s"]
        found.append(row)
        print(json.dumps(row), flush=True)
    if options.out:
        import torch

        about = {"torch": torch.__version__, "threads": options.threads, "turns": options.rounds}
        options.out.write_text(json.dumps({"about": about, "rows": found}, indent=1) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peer"]:
        peer(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
    else:
        main()

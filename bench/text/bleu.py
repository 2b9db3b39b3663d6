"""BLEU by fast-bleu, sacreBLEU and Trueness on the same files: times, values, peak memory.

    pip install -r requirements.txt
    cargo build --release -p trueness-text --example bleu
    python bleu.py --data FOLDER [--ours PATH of the example] [--rounds 7] [--threads 2] [--out FILE]

FOLDER has text/{coco_test,coco_train,news_test,news_valid,coco_test_raw,coco_train_raw}.txt, one
sentence to a line. Every measurement is a process of its own, and the tools take turns, so that a busy
machine slows both alike. Seconds go from the text in memory to the values; for the peers that leaves
the start of Python out, and for both the reading of the files. fast-bleu gets lists of tokens, since
that is its interface; splitting the lines is counted for both. Peak memory is the largest resident set
of the process.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

ORDERS = [2, 3, 4, 5]


def peer(task, first, second):
    """Runs in a process of its own: prints the values and the seconds."""
    lines = lambda path: pathlib.Path(path).read_text().splitlines()
    if task == "corpus":
        from sacrebleu.metrics import BLEU

        hypotheses, references = lines(first), lines(second)
        start = time.perf_counter()
        values = [BLEU(force=True).corpus_score(hypotheses, [references]).score]
    else:
        import fast_bleu

        weights = {n: tuple(1 / n for _ in range(n)) for n in ORDERS}
        if task == "bleu":
            hypotheses, references = lines(first), lines(second)
            start = time.perf_counter()
            hypotheses, references = [[line.split() for line in text] for text in (hypotheses, references)]
            scores = fast_bleu.BLEU(references, weights).get_score(hypotheses)
        else:
            sentences = lines(first)[: int(second)]
            start = time.perf_counter()
            scores = fast_bleu.SelfBLEU([line.split() for line in sentences], weights).get_score()
        values = [sum(scores[n]) / len(scores[n]) for n in ORDERS]
    print(json.dumps({"values": values, "seconds": time.perf_counter() - start}))


def measure(command, threads):
    """The command's JSON and its peak memory in MiB."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "RAYON_NUM_THREADS": str(threads)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise SystemExit(f"{command} ended with status {status}")
    result = json.loads(output)
    values = [v[0] if isinstance(v, list) else v for v in result["values"]]
    return values, result["seconds"], usage.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--ours", default="target/release/examples/bleu")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=pathlib.Path)
    options = parser.parse_args()
    text = lambda name: str(options.data / "text" / f"{name}.txt")
    work = [
        ("BLEU-2..5, 10,000 captions, 10,000 references", "bleu", text("coco_test"), text("coco_train"), "fast-bleu"),
        ("BLEU-2..5, 10,000 news sentences, 10,000 references", "bleu", text("news_test"), text("news_valid"), "fast-bleu"),
        ("self-BLEU-2..5, 1,000 captions", "self", text("coco_test"), "1000", "fast-bleu"),
        ("self-BLEU-2..5, 10,000 captions", "self", text("coco_test"), "10000", "fast-bleu"),
        ("corpus BLEU, 13a, 9,999 captions, 1 reference", "corpus", text("coco_test_raw"), text("coco_train_raw"), "sacrebleu"),
    ]
    results = []
    for what, task, first, second, name in work:
        commands = {name: [sys.executable, __file__, "--peer", task, first, second],
                    "trueness": [options.ours, task, first, second]}
        runs = {tool: [] for tool in commands}
        for _ in range(options.rounds):
            for tool, command in commands.items():
                runs[tool].append(measure(command, options.threads))
        row = {"work": what}
        for tool, measured in runs.items():
            row[tool] = {
                "seconds": statistics.median(seconds for _, seconds, _ in measured),
                "seconds_min_max": [min(s for _, s, _ in measured), max(s for _, s, _ in measured)],
                "mib": max(mib for _, _, mib in measured),
                "values": measured[0][0],
            }
        row["times_faster"] = row[name]["seconds"] / row["trueness"]["seconds"]
        row["largest_difference"] = max(abs(a - b) for a, b in zip(row[name]["values"], row["trueness"]["values"]))
        results.append(row)
        print(json.dumps(row), file=sys.stderr)
    made = json.dumps({"rounds": options.rounds, "threads": options.threads, "results": results}, indent=1)
    if options.out:
        options.out.write_text(made + "\n")
    else:
        print(made)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peer"]:
        peer(*sys.argv[2:])
    else:
        main()

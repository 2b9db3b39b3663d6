"""A random forest and boosted trees by scikit-learn, XGBoost, LightGBM and Trueness, on the features of simulated sites.

    pip install -r requirements.txt
    cargo build --release -p trueness-flux --example trees
    python trees.py [--ours PATH of the example] [--sites 60] [--rounds 5] [--out FILE]

All see the same rows and the same settings (100 trees with leaves of 5 and a third of the columns; 300 trees of depth
5, learning rate .05, .8 of the rows, .5 of the columns), two threads, and are measured on 30 other sites. Seconds are those of the fit
alone. The tools take turns; each round has another seed.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile
import time

import numpy as np


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ours", default="target/release/examples/trees")
    parser.add_argument("--sites", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=pathlib.Path)
    given = parser.parse_args()
    from lightgbm import LGBMRegressor
    from sklearn.ensemble import RandomForestRegressor
    from xgboost import XGBRegressor

    with tempfile.TemporaryDirectory() as folder:
        paths = [str(pathlib.Path(folder) / f"{part}.csv") for part in ("train", "test")]
        for path, sites, seed in zip(paths, (given.sites, 30), (1, 2)):
            subprocess.run([given.ours, "table", str(sites), str(seed), path], check=True)
        train, test = (np.loadtxt(path, delimiter=",") for path in paths)

        def peer(make):
            def run(seed):
                model = make(seed)
                begin = time.perf_counter()
                model.fit(train[:, :-1], train[:, -1])
                seconds = time.perf_counter() - begin
                wrong = model.predict(test[:, :-1]) - test[:, -1]
                return seconds, 1 - np.mean(wrong**2) / np.var(test[:, -1])
            return run

        def ours(learner):
            def run(seed):
                command = [given.ours, "fit", *paths, learner, str(seed)]
                told = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
                return told["seconds"], told["nse"]
            return run

        tools = {
            "forest": {
                "scikit-learn": peer(lambda seed: RandomForestRegressor(
                    100, min_samples_leaf=5, max_features=1 / 3, n_jobs=2, random_state=seed)),
                "Trueness": ours("forest"),
            },
            "boosting": {
                "XGBoost": peer(lambda seed: XGBRegressor(
                    n_estimators=300, max_depth=5, learning_rate=0.05, subsample=0.8, colsample_bytree=0.5, n_jobs=2,
                    random_state=seed)),
                "LightGBM": peer(lambda seed: LGBMRegressor(
                    n_estimators=300, max_depth=5, num_leaves=32, learning_rate=0.05, subsample=0.8, subsample_freq=1,
                    colsample_bytree=0.5, n_jobs=2, random_state=seed, verbose=-1)),
                "Trueness": ours("boosting"),
            },
        }
        report = {"rows": len(train), "columns": train.shape[1] - 1, "test_rows": len(test), "rounds": given.rounds}
        for kind, of in tools.items():
            told = {name: [] for name in of}
            for seed in range(given.rounds):
                for name, tool in of.items():
                    told[name].append([float(x) for x in tool(seed)])
            mine = statistics.median(seconds for seconds, _ in told["Trueness"])
            report[kind] = {
                name: {
                    "seconds": statistics.median(seconds for seconds, _ in runs),
                    "nse": statistics.median(nse for _, nse in runs),
                    "nse_lowest_and_highest": [min(nse for _, nse in runs), max(nse for _, nse in runs)],
                    "ours_by_theirs": mine / statistics.median(seconds for seconds, _ in runs),
                }
                for name, runs in told.items()
            }
    text = json.dumps(report, indent=1)
    print(text)
    if given.out:
        given.out.write_text(text + "\n")


if __name__ == "__main__":
    main()

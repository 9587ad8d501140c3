"""How often does the gate err? Simulated runs, judged by the very functions that judge real ones.

    python benchmarks/error_rates.py null|margin|power|coverage [--runs 10000]
    python benchmarks/error_rates.py table    # docs/explanation/error-rates.md

The runs are drawn from the evidence of real changes: run `python benchmarks/canaries.py measure`
first (coverage needs none). Results go to benchmarks/error_rates/.
"""

import argparse
import json
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from error_rate_tables import tables
from populations import (
    Pair,
    all_pairs,
    cases_with_pairs,
    drawn,
    influence_of,
    interpolated,
    swapped,
    thinned,
)
from scipy.optimize import brentq

from mpq_checks.baselines import write_text_atomically
from mpq_checks.metrics.base import Metric
from mpq_checks.metrics.tally import Array, Proportion, Tally, mean_tally, ratio_tally
from mpq_checks.profiles.mini import profile
from mpq_checks.significance.paired import Comparison, compare, paired_test
from mpq_checks.significance.resampling import Effects, one_sided_p
from mpq_checks.significance.sensitivity import EffectNoise, ShareNoise
from mpq_checks.verdict import FALSE_ALARM_RATE, Verdict, metric_verdict

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "error_rates"
PAGE = ROOT / "docs" / "explanation" / "error-rates.md"

SIGNIFICANCE = FALSE_ALARM_RATE / profile.family_size
UNBOUNDED = (-np.inf, np.inf)


def main() -> None:
    """Run one part, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=[*PARTS, "table"])
    parser.add_argument("--runs", type=int, default=10_000)
    parsed = parser.parse_args()
    if parsed.part == "table":
        write_text_atomically(PAGE, tables(_stored()))
        return
    start = time.perf_counter()
    found = PARTS[parsed.part](parsed.runs)
    print(f"{parsed.part}: {time.perf_counter() - start:.0f} s", flush=True)
    _store(parsed.part, {"runs": parsed.runs, "rows": found})


def _store(part: str, found: dict[str, Any]) -> None:
    write_text_atomically(RESULTS / f"{part}.json", json.dumps(found, indent=1) + "\n")


def _stored() -> dict[str, Any]:
    return {path.stem: json.loads(path.read_text()) for path in RESULTS.glob("*.json")}


# Null: whole suites that are noisy, but not worse.


def null(runs: int) -> list[dict[str, Any]]:
    """Suites in which baseline and candidate change places at random, sample by sample."""
    pairs = {case_id: found for case_id, found in cases_with_pairs().items() if found}
    generator = np.random.default_rng(1)
    alarms: Counter[str] = Counter()
    suites = 0
    for run in range(runs):
        alarmed = set()
        for of_case in pairs.values():
            pair = of_case[generator.integers(len(of_case))]
            alarmed |= _alarms(pair, generator)
        alarms.update(alarmed)
        suites += bool(alarmed)
        if run % 500 == 499:
            print(f"null {run + 1}: {suites} suites with an alarm", flush=True)
    by_metric = [{"metric": name, "alarms": count} for name, count in sorted(alarms.items())]
    return [{"metric": "any", "alarms": suites, "cases": len(pairs)}, *by_metric]


def _alarms(pair: Pair, generator: np.random.Generator) -> set[str]:
    """Metrics that are a REGRESSION in one such run of a case."""
    size = pair.num_samples
    chosen = generator.integers(size, size=size)
    flags = generator.random(size) < 0.5
    found = set()
    for metric in pair.case.metrics:
        one, other = swapped(
            drawn(pair.baseline[metric.name], chosen),
            drawn(pair.candidate[metric.name], chosen),
            flags,
        )
        if one.infinite.any() or other.infinite.any() or not _moved(one, other):
            continue
        verdict = _quick_verdict(metric, one, other, pair.case.margins[metric.name].absolute)
        if verdict is Verdict.REGRESSION:
            found.add(metric.name)
    return found


def _quick_verdict(
    metric: Metric, one: Tally, other: Tally, margin: Callable[[float], float]
) -> Verdict:
    """REGRESSION and IMPROVED as the gate has them; neither depends on the interval."""
    test = paired_test(one, other, range(one.num_samples), higher_is_better=metric.higher_is_better)
    comparison = Comparison(test.drop, UNBOUNDED, test.p_worse(), test.p_better(), None, False, "")
    return metric_verdict(comparison, margin(one.value()), SIGNIFICANCE)


def _moved(one: Tally, other: Tally) -> bool:
    return bool((one.columns != other.columns).any())


# Inconclusive: how often nothing can be said, by n and noise.

_NOISES = (0.5, 1.0, 2.0, 4.0, 8.0)
_FLIPPING = (0.005, 0.02, 0.05, 0.1)
_TOP1_MARGIN = 0.015


def inconclusive(runs: int) -> list[dict[str, Any]]:
    """Rate of INCONCLUSIVE where nothing got worse."""
    kinds = [(f"{noise:g} margins", _means(_normal(noise)), 1.0) for noise in _NOISES]
    kinds += [
        (f"{share:.1%} flip", _flips(share / 2, share / 2), _TOP1_MARGIN) for share in _FLIPPING
    ]
    rows = []
    for noise, draw, allowed in kinds:
        for size in (16, 32, 70, 128, 500, 1000):
            generator = np.random.default_rng(6)
            undecided = 0
            for _ in range(runs):
                one, other, clusters = draw(generator, size)
                comparison = compare(one, other, clusters, higher_is_better=False)
                verdict = metric_verdict(comparison, allowed, SIGNIFICANCE)
                # Without any flip nothing moved, and the gate does not test.
                undecided += verdict is Verdict.INCONCLUSIVE and _moved(one, other)
            kind = "top1" if noise.endswith("flip") else "continuous"
            rows.append({"kind": kind, "noise": noise, "n": size, "inconclusive": undecided / runs})
            print(rows[-1], flush=True)
    return rows


def _normal(noise: float) -> Callable[[np.random.Generator, int], Array]:
    return lambda generator, size: generator.normal(0, noise, size=size)


# At the margin: the true drop is the margin.


def margin(runs: int) -> list[dict[str, Any]]:
    """Verdicts where the population's drop is exactly the margin, for each task and metric.

    The runs of a metric are shared by its tasks.
    """
    rows = []
    chosen = _harmful_pairs()
    tasks = Counter(metric for _, metric in chosen)
    for (task, metric), pair in chosen.items():
        of_task = math.ceil(runs / tasks[metric])
        generator = np.random.default_rng(2)
        counts: Counter[str] = Counter()
        population = _at_margin(pair, metric, generator)
        if population is None:
            continue
        for _ in range(of_task):
            counts[_verdict_at_margin(pair, metric, population, generator)] += 1
        row = {
            "task": task,
            "metric": metric.name,
            "n": pair.num_samples,
            "change": pair.change,
            "runs": of_task,
        }
        rows.append({**row, **{str(verdict): counts[verdict] / of_task for verdict in _VERDICTS}})
        print(rows[-1], flush=True)
    return rows


_VERDICTS = (Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.REGRESSION)

Population = Callable[[np.random.Generator], tuple[Tally, Tally]]


def _harmful_pairs() -> dict[tuple[str, Metric], Pair]:
    """For each task and metric the change that harms it by the least that is above the margin."""
    best: dict[tuple[str, Metric], tuple[float, Pair]] = {}
    for pair in all_pairs(cases_with_pairs()):
        for metric in pair.case.metrics:
            excess = _excess(pair, metric)
            key = (pair.case.task.name, metric)
            if excess >= 1 and (key not in best or excess < best[key][0]):
                best[key] = (excess, pair)
    return {key: pair for key, (_, pair) in best.items()}


def _excess(pair: Pair, metric: Metric) -> float:
    """The drop, in margins."""
    before, after = (side[metric.name] for side in (pair.baseline, pair.candidate))
    if before.infinite.any() or after.infinite.any():
        return 0.0
    allowed = pair.case.margins[metric.name].absolute(before.value())
    drop = metric.drop(before.value(), after.value())
    return drop / allowed if allowed and np.isfinite(drop) else 0.0


def _at_margin(pair: Pair, metric: Metric, generator: np.random.Generator) -> Population | None:
    """Runs of n samples, drawn from a population with a drop of one margin."""
    before, after = pair.baseline[metric.name], pair.candidate[metric.name]
    size = pair.num_samples
    share = 1 / _excess(pair, metric)
    if before.event is not None:

        def draw_events(generator: np.random.Generator) -> tuple[Tally, Tally]:
            chosen = generator.integers(size, size=size)
            one, other = drawn(before, chosen), drawn(after, chosen)
            return one, thinned(one, other, generator.random(size) < share)

        return draw_events
    allowed = pair.case.margins[metric.name].absolute(before.value())

    def beyond(part: float) -> float:
        mixed = interpolated(before, after, part)
        return metric.drop(before.value(), mixed.value()) - allowed

    part = float(brentq(beyond, 0.0, 1.0))
    mixed = interpolated(before, after, part)

    def draw(generator: np.random.Generator) -> tuple[Tally, Tally]:
        chosen = generator.integers(size, size=size)
        return drawn(before, chosen), drawn(mixed, chosen)

    return draw


def _verdict_at_margin(
    pair: Pair, metric: Metric, population: Population, generator: np.random.Generator
) -> Verdict:
    one, other = population(generator)
    comparison = compare(
        one, other, range(one.num_samples), higher_is_better=metric.higher_is_better
    )
    allowed = pair.case.margins[metric.name]
    limit = allowed.absolute(pair.baseline[metric.name].value())
    return metric_verdict(comparison, limit, SIGNIFICANCE)


# Power: how often a true drop is found, against the stated smallest detectable drop.

_MULTIPLES = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5)


def power(runs: int) -> list[dict[str, Any]]:
    """Detection rate at multiples of the stated smallest detectable drop."""
    rows = []
    for name, effects in _real_effects():
        rows.append({"kind": name, "n": effects.size, "rates": _effect_rates(effects, runs)})
        print(rows[-1], flush=True)
    for size in (70, 128, 1000):
        for background in (0.01, 0.05):
            rates = _flip_rates(background, size, runs)
            kind = f"top1, {background:.0%} flip each way by chance"
            rows.append({"kind": kind, "n": size, "rates": rates})
            print(rows[-1], flush=True)
    return rows


def _real_effects() -> Iterator[tuple[str, Array]]:
    """Effects of samples under the mildest real change of each task and metric."""
    for (task, metric), pair in sorted(
        _harmful_pairs().items(), key=lambda item: (item[0][1].name, item[0][0])
    ):
        if not isinstance(pair.baseline[metric.name], Proportion):
            yield (
                f"{metric.name}, {task}, {pair.change.split('.')[-1]}",
                influence_of(pair, metric.name),
            )


def _effect_rates(effects: Array, runs: int) -> list[float]:
    generator = np.random.default_rng(3)
    centred = effects - effects.mean()
    least = EffectNoise(Effects(0.0, centred)).smallest_detectable(SIGNIFICANCE)
    # The samples at hand vary less than the population that they speak for.
    population = centred * math.sqrt(centred.size / (centred.size - 1))
    found = np.zeros(len(_MULTIPLES))
    for _ in range(runs):
        drawn_effects = generator.choice(population, size=centred.size)
        base = Effects(0.0, drawn_effects - drawn_effects.mean())
        for index, multiple in enumerate(_MULTIPLES):
            drop = float(drawn_effects.mean()) + multiple * least
            found[index] += one_sided_p(Effects(drop, base.influence)) <= SIGNIFICANCE
    return [float(rate) for rate in found / runs]


def _flip_rates(background: float, size: int, runs: int) -> list[float]:
    generator = np.random.default_rng(4)
    least = ShareNoise(background, size).smallest_detectable(SIGNIFICANCE)
    rates = []
    for multiple in _MULTIPLES:
        shares = np.array([multiple * least + background, background])
        if shares.sum() > 1:
            rates.append(float("nan"))
            continue
        flips = generator.multinomial(size, [*shares, 1 - shares.sum()], size=runs)
        rates.append(float(np.mean([_flips_found(int(a), int(b), size) for a, b, _ in flips])))
    return [None if np.isnan(rate) else rate for rate in rates]  # type: ignore[misc]


def _flips_found(losses: int, gains: int, size: int) -> bool:
    before, after = np.zeros(size), np.zeros(size)
    before[:losses] = 1
    after[losses : losses + gains] = 1
    test = paired_test(Proportion(before), Proportion(after), range(size), higher_is_better=True)
    return test.p_worse() <= SIGNIFICANCE


# Coverage of the 95% interval.

_SIZES = (8, 32, 128, 1000)


def coverage(runs: int) -> list[dict[str, Any]]:
    """How often the interval holds the true drop, by kind of data and n."""
    rows = []
    for name, draw, truth in _kinds_of_data():
        for size in _SIZES:
            generator = np.random.default_rng(5)
            below = above = 0
            for _ in range(runs):
                one, other, clusters = draw(generator, size)
                low, high = compare(one, other, clusters, higher_is_better=False).interval
                below += truth < low
                above += truth > high
            row = {"kind": name, "n": size, "below": below / runs, "above": above / runs}
            rows.append(row)
            print(row, flush=True)
    return rows


Draw = Callable[[np.random.Generator, int], tuple[Tally, Tally, list[int]]]


def _kinds_of_data() -> Iterator[tuple[str, Draw, float]]:
    yield "normal", _means(lambda g, n: g.normal(size=n)), 0.0
    yield "skewed (gamma 4, skew 1)", _means(lambda g, n: g.gamma(4.0, size=n)), 4.0
    yield "skewed (exponential, skew 2)", _means(lambda g, n: g.exponential(size=n)), 1.0
    yield "skewed the other way", _means(lambda g, n: -g.exponential(size=n)), -1.0
    yield "half of the samples unchanged", _means(_half_unchanged), 0.5
    yield "clusters of 2, skew 2 in common", _clustered, 1.0
    yield "top1, 5% lost, 2% won", _flips(0.05, 0.02), 0.03
    yield "word errors, 3 in 10 clips with one more", _words, 0.3 / 20


def _means(draw: Callable[[np.random.Generator, int], Array]) -> Draw:
    def drawn_run(generator: np.random.Generator, size: int) -> tuple[Tally, Tally, list[int]]:
        before = generator.normal(10, 3, size=size)
        after = before + draw(generator, size)
        return mean_tally(list(before), "x"), mean_tally(list(after), "x"), list(range(size))

    return drawn_run


def _half_unchanged(generator: np.random.Generator, size: int) -> Array:
    return np.asarray(generator.exponential(size=size) * (generator.random(size) < 0.5))


def _clustered(generator: np.random.Generator, size: int) -> tuple[Tally, Tally, list[int]]:
    clusters = np.arange(size) // 2
    common = generator.exponential(size=size // 2)[clusters]
    after = common + generator.normal(0, 0.5, size=size)
    return mean_tally([0.0] * size, "x"), mean_tally(list(after), "x"), clusters.tolist()


def _flips(lost: float, won: float) -> Draw:
    def drawn_run(generator: np.random.Generator, size: int) -> tuple[Tally, Tally, list[int]]:
        kind = generator.choice(3, size=size, p=[lost, won, 1 - lost - won])
        # The direction of better is "lower" here: a success counts as an error.
        before, after = (kind == 1).astype(float), (kind == 0).astype(float)
        return Proportion(before), Proportion(after), list(range(size))

    return drawn_run


def _words(generator: np.random.Generator, size: int) -> tuple[Tally, Tally, list[int]]:
    words = generator.integers(15, 26, size=size)
    errors = generator.poisson(1.0, size=size)
    more = errors + (generator.random(size) < 0.3)
    one = ratio_tally(errors.tolist(), words.tolist(), "wer", events=True)
    return one, ratio_tally(more.tolist(), words.tolist(), "wer", events=True), list(range(size))


PARTS: dict[str, Callable[[int], list[dict[str, Any]]]] = {
    "null": null,
    "inconclusive": inconclusive,
    "margin": margin,
    "power": power,
    "coverage": coverage,
}

if __name__ == "__main__":
    main()

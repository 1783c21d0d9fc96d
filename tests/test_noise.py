"""Which figures stay, by the noise of params.yaml and by hand-made ones."""

import pytest

from clip_onnx.settings import params
from stages.report import cosines, noise

NOISE = params.load().noise
OLD = {"inputs": 100, "size_mb": 1.5, "cosine_min": 0.99, "cosine_mean": 0.999, "snr_db": 30.0}
OLD |= {"top1_agreement": 0.95, "accuracy": 0.9, "logits_error": 0.01, "pixels_off": 0.0}


def settled(old, new):
    return noise.settled({"m": {"g": {"v": old}}}, {"m": {"g": {"v": new}}}, NOISE)["m"]["g"]["v"]


@pytest.mark.parametrize(
    ("name", "stays", "moves"),
    [
        ("cosine_min", [0.98981, 0.99019], [0.98979, 0.99021]),
        ("cosine_mean", [0.99898, 0.99902], [0.99897, 0.99903]),
        ("snr_db", [29.8, 30.2], [29.7, 30.3]),
        ("top1_agreement", [0.94, 0.96], [0.93, 0.97]),
        ("logits_error", [0.009, 0.011], [0.0089, 0.0112]),
        ("accuracy", [], [0.8999, 0.9001]),
        ("pixels_off", [], [1e-7]),
    ],
)
def test_a_figure_stays_within_its_noise_and_moves_beyond(name, stays, moves):
    for value in stays:
        assert settled(OLD, OLD | {name: value}) == OLD
    for value in moves:
        assert settled(OLD, OLD | {name: value}) == OLD | {name: value}


def test_a_cosine_of_one_stays_for_two_units_of_its_last_decimal():
    exact = OLD | {"cosine_min": 1.0}
    assert settled(exact, exact | {"cosine_min": 0.9999998})["cosine_min"] == 1.0
    assert settled(exact, exact | {"cosine_min": 0.9999997})["cosine_min"] == 0.9999997


@pytest.mark.parametrize(("name", "step"), [("cosine_min", 0.6 * 0.02 * 0.01), ("snr_db", 0.12)])
def test_small_steps_do_not_add_up_unseen(name, step):
    """Each is 0.6 of what is forgiven."""
    once, twice = (OLD | {name: round(OLD[name] - n * step, 7)} for n in (1, 2))
    kept = settled(OLD, once)
    assert kept == OLD
    assert settled(kept, twice) == twice


def test_a_share_moves_by_one_input_whatever_its_rounding():
    old = {"inputs": 335, "top1_agreement": 0.997}
    assert settled(old, old | {"top1_agreement": 0.994}) == old
    assert settled(old, old | {"top1_agreement": 0.991}) != old


@pytest.mark.parametrize(("old", "new"), [(0.99, None), (None, 0.99)])
def test_what_is_or_was_no_number_is_taken(old, new):
    assert settled(OLD | {"cosine_min": old}, OLD | {"cosine_min": new})["cosine_min"] == new


@pytest.mark.parametrize("name", noise.SAME_FILE)
def test_of_another_file_every_figure_is_taken(name):
    other = OLD | {name: 77, "cosine_min": 0.98999, "top1_agreement": 0.96}
    assert settled(OLD, other) == other


def test_new_files_and_figures_are_taken_and_removed_ones_go():
    old = {"m": {"g": {"gone": OLD, "stays": OLD}, "gone": {"v": OLD}}}
    more = OLD | {"snr_db": 30.1, "further": 1.0}
    new = {"m": {"g": {"stays": more, "added": OLD}, "added": {"v": OLD}}, "n": {"g": {"v": OLD}}}
    found = noise.settled(old, new, NOISE)
    assert found == new | {"m": new["m"] | {"g": {"stays": OLD | {"further": 1.0}, "added": OLD}}}
    assert noise.kept(old, found) == (len(OLD), 4 * len(OLD) + 1)


def test_published_answers_that_fail_are_taken():
    old = {"agrees": True, "cosine": 0.999999, "largest_difference": 5e-5}
    new = {"agrees": False, "cosine": 0.9999991, "largest_difference": 6e-5}
    answers = [{"m": {"known_answers": {"cat": answer}}} for answer in (old, new)]
    expected = {"m": {"known_answers": {"cat": old | {"agrees": False}}}}
    assert noise.settled(*answers, NOISE) == expected


def table(**files):
    return cosines.frame({f"m.visual.{name}": found for name, found in files.items()})


def test_the_rows_of_cosines_stay_whole_or_not_at_all():
    old = table(a=[0.9, 0.99], b=[0.9, 0.99], c=[0.9, 0.99], gone=[0.9])
    new = table(a=[0.9001, 0.9901], b=[0.9001, 0.9905], c=[0.9001, 0.9901], added=[0.9])
    found = noise.quantiles(old, new, {"m.visual.c"}, NOISE).set_index("variant")
    before, now = old.set_index("variant"), new.set_index("variant")
    assert list(found.index) == ["a", "b", "c", "added"]
    assert found.loc["a"].equals(before.loc["a"]) and not now.loc["a"].equals(before.loc["a"])
    for moved in ("b", "c", "added"):
        assert found.loc[moved].equals(now.loc[moved])


def test_a_table_of_other_columns_is_not_compared_with():
    new = table(a=[0.9])
    assert noise.quantiles(new.drop(columns="most"), new, set(), NOISE).equals(new)

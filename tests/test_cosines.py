import math

import pytest

from stages.report import cosines


@pytest.mark.parametrize(("cosine", "digits"), [(0.9, 1), (0.999, 3), (1 - 1e-6, 6), (0, 0)])
def test_digits_count_nines(cosine, digits):
    assert cosines.digits([cosine])[0] == pytest.approx(digits)


def test_what_prints_as_one_is_as_close_as_its_digits_say():
    assert cosines.digits([1.0, 1 + 1e-9]).tolist() == [-math.log10(0.5e-7)] * 2


def test_no_number_is_further_away_than_any():
    found = cosines.digits([None, -0.99])
    assert found[0] < found[1] < 0


def test_a_row_a_file_with_rising_quantiles():
    files = {"m.visual.int8w": [0.9, 0.99, 0.999, 0.9999, 1.0], "m.image.fp32": [1.0]}
    table = cosines.frame(files)
    assert list(table.columns) == cosines.COLUMNS
    row = table.iloc[0]
    assert (row["file"], row["model"], row["graph"]) == ("m.visual.int8w", "m", "visual")
    found = row[list(cosines.QUANTILES)].tolist()
    assert found == sorted(found)
    assert (row["least"], row["median"]) == (1.0, 3.0)
    assert table.iloc[1]["least"] == table.iloc[1]["most"] == 7.301

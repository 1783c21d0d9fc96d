from stages.report import widths

FILES = {"m.visual.mixed": {"conv1.weight": 6, "transformer.resblocks.0.mlp.c_fc.weight.T": 16}}


def test_a_row_a_tensor_in_order():
    table = widths.frame(FILES)
    assert list(table["bits"]) == [6, 16]
    assert list(table.columns) == ["file", "tensor", "bits"]
    assert list(widths.frame({}).columns) == list(table.columns)


def test_the_picture_is_the_same_again_and_names_what_it_shows(tmp_path):
    for name in ("a", "b"):
        widths.draw(FILES, tmp_path / f"{name}.svg")
    first = (tmp_path / "a.svg").read_text()
    assert first == (tmp_path / "b.svg").read_text()
    for shown in ("m.visual.mixed", "block 0.mlp.c_fc", "16"):
        assert f"<!-- {shown} -->" in first


def test_no_file_gives_a_picture_that_says_so(tmp_path):
    widths.draw({}, tmp_path / "none.svg")
    assert "no file" in (tmp_path / "none.svg").read_text()

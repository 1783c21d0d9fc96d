from web import parts


def test_every_page_has_the_parts_and_marks_its_own_link(tmp_path):
    for name in ("index.html", "text.html"):
        (tmp_path / name).write_text(
            "<head>\n  <!-- head -->\n</head>\n  <!-- model -->\n", "utf-8"
        )
    parts.fill(tmp_path)
    for name in ("index.html", "text.html"):
        page = (tmp_path / name).read_text("utf-8")
        assert "<!--" not in page and 'charset="utf-8"' in page and 'id="variant"' in page
        assert page.count("aria-current") == 1
        assert f'href="{name}" aria-current="page"' in page

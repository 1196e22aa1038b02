"""What the trials of several campaigns share."""

import pytest

from scripts.trials.kept import keep_copy


@pytest.mark.parametrize("place", ["file", "folder", "link"])
def test_a_copy_that_is_kept_takes_the_place_of_nothing(tmp_path, place):
    source, target = tmp_path / "trial", tmp_path / "kept/export-3"
    source.mkdir()
    (source / "story.txt").write_text("new")
    assert keep_copy(source, target) == target
    other = tmp_path / "kept/train-0"
    if place == "file":
        other.write_text("old")
    elif place == "folder":
        other.mkdir()
        (other / "story.txt").write_text("old")
    else:
        other.symlink_to(tmp_path / "nowhere")
    before = other.is_file(), other.is_dir(), other.is_symlink()
    found = [keep_copy(source, other) for _ in range(2)]
    assert [path.name for path in found] == ["train-0-2", "train-0-3"]
    assert all((path / "story.txt").read_text() == "new" for path in found)
    assert (other.is_file(), other.is_dir(), other.is_symlink()) == before
    if place != "link":
        assert (other / "story.txt" if place == "folder" else other).read_text() == "old"

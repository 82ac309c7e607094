"""Names of classes from a file, as a person would read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from limoe_core.config import ConfigError
from limoe_core.data.class_names import readable_names

CASES = Path(__file__).parent / "cases"
CIFAR = "airplane automobile bird cat deer dog frog horse ship truck".split()
CODES = ["n01440764", "n01443537"]


def names(labels: list[str], file: Path) -> list[str]:
    return readable_names(labels, "some_set", Path("nowhere"), str(file))


@pytest.mark.parametrize(
    "case, labels, expected",
    [
        (
            "cn_pets.txt",
            ["Abyssinian", "Bengal", "Birman"],
            ["Abyssinian cat", "Bengal cat", "Birman cat"],
        ),
        ("cn_same.txt", CIFAR, CIFAR),
        ("cn_euro.txt", ["1", "2", "5"], ["1 euro coin", "2 euro coin", "5 euro note"]),
        ("cn_q.csv", CODES, ["tench", "goldfish"]),
        # Labels in another order than the lines
        ("cn_q.csv", CODES[::-1], ["goldfish", "tench"]),
        ("cn_same.txt", CIFAR[::-1], CIFAR[::-1]),
    ],
)
def test_files_as_people_write_them(case: str, labels: list[str], expected: list[str]) -> None:
    assert names(labels, CASES / case) == expected


@pytest.mark.parametrize(
    "text, labels, expected",
    [
        ("n01443537 goldfish, Carassius\nn01440764 tench\n", CODES, ["tench", "goldfish"]),
        ("label,name\ncat,a cat\ndog,a dog\n", ["dog", "cat"], ["a dog", "a cat"]),
        ("cat\ta tame cat\ndog\ta dog", ["dog", "cat"], ["a dog", "a tame cat"]),
        ("cat: a tame cat\ndog: a dog", ["dog", "cat"], ["a dog", "a tame cat"]),
        ('"cat","a cat, tame"\n"dog",dog', ["cat", "dog"], ["a cat", "dog"]),
        ("n1 one\nn2 two\nn3 three", ["n1", "n3"], ["one", "three"]),
        ("cat wild\ndog big\nox old", ["dog", "cat"], ["big", "wild"]),
        ('"a cat, tame"\na_dog', ["c", "d"], ["a cat, tame", "a dog"]),
        ("red apple\nred pear", ["red", "green"], ["red apple", "red pear"]),
        ('an 8" disk\na dog', ["c", "d"], ['an 8" disk', "a dog"]),
        ("American bulldog\ngreat_dane", ["great_dane", "American_bulldog"], None),
    ],
)
def test_labels_before_names_and_names_alone(
    tmp_path: Path, text: str, labels: list[str], expected: list[str] | None
) -> None:
    file = tmp_path / "names.txt"
    file.write_text(text)
    assert names(labels, file) == (expected or [label.replace("_", " ") for label in labels])


def test_equal_names_are_refused_with_their_classes(tmp_path: Path) -> None:
    file = tmp_path / "names.txt"
    file.write_text("n01440764 crane\nn01443537 Crane, machine\n")
    with pytest.raises(ConfigError, match="n01440764 and n01443537 are both 'crane'.*of its own"):
        names(CODES, file)
    with pytest.raises(ConfigError, match="of some_set; name them in .*: a_b and a b are both"):
        readable_names(["a_b", "a b"], "some_set", tmp_path)


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("n01440764\nn01443537 goldfish", "no name for n01440764"),
        ("n01440764 a\nn01440764 b\nn01443537 c", "not exactly one for n01440764"),
        ("tench", "1 lines, which do not fit 2 classes"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    file = tmp_path / "names.txt"
    file.write_text(text)
    with pytest.raises(ConfigError, match=complaint):
        names(CODES, file)

"""What Chalice has packed is looked into, whatever Chalice says of it."""

from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.unit.clouds import project
from tools.shipping.errors import ShippingError
from tools.shipping.packages import check, run_chalice

WHOLE = {
    "app.py": "",
    "pyjwt-2.15.1.dist-info/WHEEL": "Tag: py3-none-any\n",
    "msgspec-0.22.0.dist-info/WHEEL": "Tag: cp311-cp311-manylinux_2_17_aarch64\n",
}


def zipped(folder: Path, files: dict[str, str]) -> Path:
    path = folder / "deployment.zip"
    with ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def test_a_whole_zip_is_good(tmp_path: Path) -> None:
    check(zipped(tmp_path, WHOLE), project(tmp_path, lambda_architecture="arm64"))


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"app.py": ""}, r"could not pack pyjwt==2\.15\.1, msgspec==0\.22\.0"),
        ({**WHOLE, "msgspec-0.21.0.dist-info/WHEEL": ""}, r"could not pack msgspec==0\.22\.0"),
        (
            {**WHOLE, "msgspec-0.22.0.dist-info/WHEEL": "Tag: cp311-cp311-linux_x86_64\n"},
            "msgspec were packed for another processor than aarch64",
        ),
    ],
)
def test_what_lacks_is_named_and_not_taken_from_the_cache_again(
    tmp_path: Path, *, files: dict[str, str], said: str
) -> None:
    stage = project(tmp_path, lambda_architecture="arm64")
    cached = tmp_path / ".chalice" / "deployments" / "abc.zip"
    cached.parent.mkdir()
    cached.write_bytes(b"")

    with pytest.raises(ShippingError, match=said):
        check(zipped(tmp_path, files), stage)

    assert not cached.exists()


def test_no_zip_is_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(ShippingError, match="has left no zip"):
        check(tmp_path / "deployment.zip", project(tmp_path))


def test_what_chalice_says_last_is_why_it_failed(tmp_path: Path) -> None:
    told: list[str] = []

    with pytest.raises(ShippingError, match="chalice package failed"):
        run_chalice(["package", "--no-such-option"], project(tmp_path), "eu-west-1", told.append)

    assert told

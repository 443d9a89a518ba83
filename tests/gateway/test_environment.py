"""Environment variables per function, in a process that runs all of them."""

import os
import threading
from collections.abc import Iterator

import botocore.session
import pytest

from localgateway.environment import FunctionEnviron, replaced


@pytest.fixture
def environ() -> Iterator[FunctionEnviron]:
    environ = FunctionEnviron(os.environ)
    with replaced(environ, {"SHARED": "stage"}):
        yield environ


def test_a_function_sees_its_variables_however_it_looks(environ: FunctionEnviron) -> None:
    with environ.scoped({"GREETING": "hello", "SHARED": "function"}):
        seen = [
            os.environ["GREETING"],
            os.getenv("GREETING"),
            os.environ.get("GREETING"),
            dict(os.environ)["GREETING"],
            os.environ.copy()["GREETING"],
            (os.environ | {"A": "b"})["GREETING"],
            ({"A": "b"} | os.environ)["GREETING"],
            {**os.environ}["GREETING"],
        ]
        present = "GREETING" in os.environ
        shared = os.environ["SHARED"], dict(os.environ)["SHARED"]
        size, count = len(os.environ), len(list(os.environ))

    assert (seen, present) == (["hello"] * 8, True)
    assert shared == ("function", "function")
    assert size == count


def test_afterwards_they_are_gone(environ: FunctionEnviron) -> None:
    with environ.scoped({"GREETING": "hello"}):
        pass

    assert "GREETING" not in os.environ
    assert os.getenv("GREETING") is None
    assert os.environ["SHARED"] == "stage"


def test_no_other_thread_sees_them(environ: FunctionEnviron) -> None:
    inside, looked = threading.Event(), threading.Event()
    seen: list[str | None] = []

    def look() -> None:
        inside.wait(10)
        seen.append(os.getenv("GREETING"))
        with environ.scoped({"GREETING": "other"}):
            seen.append(os.getenv("GREETING"))
        looked.set()

    thread = threading.Thread(target=look)
    thread.start()
    with environ.scoped({"GREETING": "hello"}):
        inside.set()
        assert looked.wait(10)
        seen.append(os.getenv("GREETING"))
    thread.join(10)

    assert seen == [None, "other", "hello"]


def test_invocations_may_be_nested_in_a_thread(environ: FunctionEnviron) -> None:
    with environ.scoped({"NAME": "outer"}):
        with environ.scoped({"NAME": "inner"}):
            inner = os.environ["NAME"]
        outer = os.environ["NAME"]

    assert (inner, outer) == ("inner", "outer")


def test_botocore_sees_them(environ: FunctionEnviron, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with environ.scoped({"AWS_DEFAULT_REGION": "eu-north-1"}):
        region = botocore.session.Session().get_config_variable("region")

    assert region == "eu-north-1"


def test_a_function_reads_back_what_it_has_set(environ: FunctionEnviron) -> None:
    variables = {"GREETING": "hello"}

    with environ.scoped(variables):
        os.environ["GREETING"] = "changed"
        changed = os.environ["GREETING"]
    with environ.scoped(variables):
        again = os.environ["GREETING"]

    assert (changed, again, variables) == ("changed", "hello", {"GREETING": "hello"})


def test_other_writes_go_to_the_process(environ: FunctionEnviron) -> None:
    with environ.scoped({"GREETING": "hello"}):
        os.environ["NEW"] = "1"
        os.environ |= {"NEWER": "2"}

    assert (os.environ["NEW"], os.environ["NEWER"]) == ("1", "2")


def test_variables_can_be_removed(environ: FunctionEnviron) -> None:
    with environ.scoped({"GREETING": "hello", "SHARED": "function"}):
        del os.environ["GREETING"]
        del os.environ["SHARED"]
        left = {"GREETING", "SHARED"} & set(os.environ)

    assert left == set()
    with pytest.raises(KeyError):
        del os.environ["GREETING"]


def test_os_environ_is_put_back_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEPT", "before")
    original, before = os.environ, dict(os.environ)

    with replaced(FunctionEnviron(os.environ), {"KEPT": "changed", "ADDED": "1"}):
        during = os.environ["KEPT"], os.environ["ADDED"]
        os.environ["LEFT_BEHIND"] = "1"
        del os.environ["KEPT"]

    assert during == ("changed", "1")
    assert os.environ is original
    assert dict(os.environ) == before


def test_os_environ_is_put_back_after_an_error() -> None:
    original = os.environ

    with pytest.raises(RuntimeError), replaced(FunctionEnviron(os.environ), {"ADDED": "1"}):
        raise RuntimeError

    assert os.environ is original
    assert "ADDED" not in os.environ

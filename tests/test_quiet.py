"""The libraries are silent while equinoise works with them, and afterwards as loud as the user had them."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Barrier, Thread

import diffusers.utils.logging as diffusers_logging
import pytest
import transformers.utils.logging as transformers_logging
from conftest import Ran
from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
from tiny_pipelines import TINY

from equinoise import EquinoiseWarning, generate, load
from equinoise.quiet import LIBRARIES, quiet_libraries

LONG = " and ".join(["a cat"] * 12)


def state() -> list[object]:
    bars = transformers_logging.is_progress_bar_enabled(), diffusers_logging.is_progress_bar_enabled()
    hub = [are_progress_bars_disabled(name) for name in (None, "some.group")]
    return [*(logging.getLogger(name).level for name in LIBRARIES), *bars, *hub]


@pytest.fixture(params=["default", "loud", "silent"])
def before(request: pytest.FixtureRequest) -> Iterator[list[object]]:
    """How a user may have set the libraries."""
    kept = [logging.getLogger(name).level for name in LIBRARIES]
    if request.param == "loud":
        transformers_logging.set_verbosity_info()
        diffusers_logging.set_verbosity_debug()
        disable_progress_bars("some.group")
    if request.param == "silent":
        diffusers_logging.set_verbosity(logging.CRITICAL)
        diffusers_logging.disable_progress_bar()
        transformers_logging.disable_progress_bar()
    yield state()
    for name, level in zip(LIBRARIES, kept, strict=True):
        logging.getLogger(name).setLevel(level)
    transformers_logging.enable_progress_bar()
    diffusers_logging.enable_progress_bar()
    enable_progress_bars()


def test_everything_is_as_before(before: list[object], tiny: Path) -> None:
    with quiet_libraries():
        assert all(logging.getLogger(name).level == logging.CRITICAL for name in LIBRARIES)
        assert state()[3:] == [False, False, True, True]
        with quiet_libraries(importing=False), contextlib.suppress(KeyError):
            raise KeyError
        assert all(logging.getLogger(name).level == logging.CRITICAL for name in LIBRARIES)
    assert state() == before
    with pytest.raises(KeyboardInterrupt), quiet_libraries():
        raise KeyboardInterrupt
    assert state() == before
    load(tiny, steps=2, detector="emoji")
    assert state() == before


def test_blocks_of_several_threads_overlap(before: list[object]) -> None:
    first, second = Barrier(2, timeout=10), Barrier(2, timeout=10)

    def early() -> None:
        with quiet_libraries():
            first.wait()
        second.wait()

    def late() -> None:
        first.wait()
        with quiet_libraries():
            second.wait()
            assert logging.getLogger("diffusers").level == logging.CRITICAL

    threads = [Thread(target=early), Thread(target=late)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert state() == before


def test_what_the_libraries_warn_of_is_said_once_by_us_and_in_the_users_own_calls_by_them() -> None:
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("diffusers")
    logger.addHandler(handler)
    try:
        pipeline = TINY["sd1"].build()
        model = load(pipeline, steps=2, guidance_scale=3.0, batch_size=1, detector="emoji")
        with pytest.warns(EquinoiseWarning, match=r"the prompt '.*' is too long") as warned:
            generate(model, LONG, n=2, progress=False)
        assert len([one for one in warned if one.category is EquinoiseWarning]) == 1
        assert not said
        pipeline(LONG, num_inference_steps=1)
        assert any("was truncated" in message for message in said)
    finally:
        logger.removeHandler(handler)


def test_a_command_shows_our_lines_alone(tiny: Path, tmp_path: Path, cli: Callable[..., Ran]) -> None:
    few = ("-n", "2", "--steps", "1", "--batch-size", "1", "--workers", "1")
    ran = cli("generate", tiny, "--concept", LONG, *few, "-o", tmp_path / "run")
    assert ran.code == 0
    (warning,) = [line for line in ran.err.splitlines() if not line.startswith("generate") and line.strip()]
    assert warning.startswith("equinoise: warning: the prompt 'a cat and a cat")
    assert "is too long: text_encoder reads 77 tokens and loses 'and a cat'" in warning

"""Keep transformers from drawing progress bars of its own while weights are loaded."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["quiet_transformers"]


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """No progress bars and no warnings inside; the settings come back afterwards.

    What transformers would warn of, missing weights, is an error here.
    """
    from transformers.utils import logging as module

    logging: Any = module  # half of it has no types

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()

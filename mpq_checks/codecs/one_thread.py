"""How the networks of codecs are run, so that the bytes do not depend on the number of threads."""

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["one_thread"]


@contextmanager
def one_thread() -> Iterator[None]:
    """Inference on one thread of torch's.

    Sums in another order differ in their last bits, and now and then another code or symbol is
    the nearest.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            yield
    finally:
        torch.set_num_threads(threads)

"""The mends of the torch stack: active where a build is broken, invisible where none is.

Each test runs in a process of its own, because an import cannot be undone.
"""

import importlib.util
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from mpq_checks import torch_stack

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only Linux wheels link CUDA")

BROKEN_TORCHAUDIO = {
    "__init__.py": """
        from torchaudio._extension import fail_if_no_align
        from . import _extension

        @fail_if_no_align
        def forced_align():
            return 1
    """,
    "_extension/__init__.py": "raise OSError('could not load the library')",
}


def run(source: str, *, path: Path | None = None) -> str:
    """Run Python source with every warning an error; give its output."""
    first = f"import sys; sys.path.insert(0, {str(path)!r})\n" if path else ""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", first + textwrap.dedent(source)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def write_package(root: Path, files: dict[str, str]) -> None:
    for name, source in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(textwrap.dedent(source))


def test_the_stack_imports_without_a_warning() -> None:
    output = run(
        """
        from mpq_checks import torch_stack
        torch_stack.prepare()
        torch_stack.prepare()
        import torch, torchvision, lpips
        from transformers import ViTForImageClassification
        print(torchvision.models.mobilenet_v2(weights=None)(torch.zeros(1, 3, 64, 64)).shape[1])
        """
    )
    assert output.strip() == "1000"


def test_works_after_a_failed_import_and_from_many_threads() -> None:
    run(
        """
        try:
            import torchvision
        except RuntimeError as exc:
            assert "nms" in str(exc)
        from concurrent.futures import ThreadPoolExecutor
        from mpq_checks import torch_stack
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: torch_stack.prepare(), range(32)))
        import torchvision
        """
    )


def test_changes_nothing_where_torchvision_is_imported_already() -> None:
    run(
        """
        import sys, types
        sys.modules["torchvision"] = types.ModuleType("torchvision")
        from mpq_checks import torch_stack
        torch_stack.prepare()
        assert torch_stack._operators == []
        """
    )


@linux_only
def test_changes_nothing_where_the_library_loads(tmp_path: Path) -> None:
    """A real, loadable shared library in the place of torchvision's and torchaudio's."""
    spec = importlib.util.find_spec("_ctypes")
    assert spec is not None
    assert spec.origin is not None
    for library in ("torchvision/_C.so", "torchaudio/lib/libtorchaudio.so"):
        (tmp_path / library).parent.mkdir(parents=True)
        (tmp_path / library).write_bytes(Path(spec.origin).read_bytes())
    write_package(tmp_path, {"torchvision/__init__.py": "", "torchaudio/__init__.py": ""})
    run(
        """
        from mpq_checks import torch_stack
        torch_stack.prepare()
        assert torch_stack._operators == []
        assert "torchaudio._extension" not in sys.modules
        """,
        path=tmp_path,
    )


@linux_only
def test_declares_the_operators_where_the_library_is_broken(tmp_path: Path) -> None:
    write_package(
        tmp_path,
        {
            "torchvision/__init__.py": """
                import torch
                torch.library.register_fake("torchvision::nms")(lambda dets, scores, iou: dets)
                torch.library.register_fake("torchvision::qnms")(lambda dets, scores, iou: dets)
            """,
            "torchvision/_C.so": "no library",
        },
    )
    run(
        """
        from mpq_checks import torch_stack
        torch_stack.prepare()
        import torchvision
        """,
        path=tmp_path,
    )


@linux_only
def test_stubs_a_broken_torchaudio(tmp_path: Path) -> None:
    write_package(tmp_path / "torchaudio", BROKEN_TORCHAUDIO)
    write_package(tmp_path / "torchaudio", {"lib/libtorchaudio.so": "no library"})
    output = run(
        """
        from mpq_checks import torch_stack
        torch_stack.prepare()
        import torchaudio
        assert torchaudio._extension._IS_TORCHAUDIO_EXT_AVAILABLE is False
        try:
            torchaudio.forced_align()
        except RuntimeError as exc:
            print(exc)
        """,
        path=tmp_path,
    )
    assert "forced_align needs its C++ extension" in output


@linux_only
def test_leaves_a_torchaudio_without_libraries_alone(tmp_path: Path) -> None:
    write_package(tmp_path, {"torchaudio/__init__.py": ""})
    run(
        """
        from mpq_checks import torch_stack
        torch_stack.prepare()
        assert "torchaudio._extension" not in sys.modules
        """,
        path=tmp_path,
    )


def test_importing_the_module_imports_no_torch() -> None:
    run("import mpq_checks.torch_stack, sys; assert 'torch' not in sys.modules")


def test_quiets_only_what_lpips_is_known_to_say() -> None:
    import warnings

    with torch_stack.quiet_lpips():
        warnings.warn("The parameter 'pretrained' is deprecated since 0.13", stacklevel=1)
        with pytest.raises(UserWarning, match="anything else"):
            warnings.warn("anything else", stacklevel=1)

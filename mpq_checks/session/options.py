"""The --mpq options, their ini twins, and the settings they make."""

import sys
from pathlib import Path

import pytest

from mpq_checks import assets
from mpq_checks.datasets.location import set_data_folder
from mpq_checks.errors import MpqError
from mpq_checks.gate import GateSettings, Update
from mpq_checks.profiles import Profile, load_profile

__all__ = ["add_options", "profile_was_named", "settings_of"]

_SETTINGS: pytest.StashKey[GateSettings] = pytest.StashKey()

_DEFAULT_PROFILE = "mini"
_DEFAULT_BASELINES = "baselines"


def add_options(parser: pytest.Parser) -> None:
    """Declare the options; one on the command line beats the ini file."""
    group = parser.getgroup("mpq", "machine perceptual quality gate")
    group.addoption(
        "--mpq-profile",
        metavar="NAME",
        help="Which cases: a profile of the package, or your own as package.module:ATTRIBUTE "
        "(ini: mpq_profile; default: mini)",
    )
    group.addoption(
        "--mpq-baselines",
        metavar="DIR",
        help="Folder of the baselines (ini: mpq_baselines; default: baselines in the root folder)",
    )
    group.addoption(
        "--mpq-update",
        action="store_true",
        help="Accept everything measured as the new baselines",
    )
    group.addoption(
        "--mpq-update-new",
        action="store_true",
        help="Accept only cases that have no baseline yet; judge the others",
    )
    group.addoption(
        "--mpq-reason",
        metavar="TEXT",
        help="Why: goes into the history of the baselines; needed to accept a REGRESSION",
    )
    group.addoption(
        "--mpq-samples",
        metavar="N",
        type=_positive,
        help="Measure only the first N samples of each case, against the same ones of its baseline",
    )
    group.addoption(
        "--mpq-device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="Where models run (default: auto)",
    )
    group.addoption(
        "--mpq-data",
        metavar="DIR",
        help="Folder of datasets in their publishers' layouts (as MPQ_DATA_DIR)",
    )
    group.addoption(
        "--mpq-resume",
        metavar="DIR",
        help="Keep what was measured in this folder, and go on from what a run that did not end "
        "by itself left there",
    )
    group.addoption(
        "--mpq-inconclusive",
        choices=("fail", "warn"),
        default="fail",
        help="What an INCONCLUSIVE case does: fail, or pass with a warning (default: fail)",
    )
    group.addoption(
        "--mpq-report",
        metavar="DIR",
        help="Write an HTML report for people, with pictures and sounds, and its results.json",
    )
    group.addoption("--mpq-json", metavar="FILE", help="Write the results as JSON, for programs")
    group.addoption(
        "--mpq-offline",
        action="store_true",
        help="Fetch nothing: a missing asset fails its cases",
    )
    parser.addini("mpq_profile", "Profile, as --mpq-profile")
    parser.addini("mpq_baselines", "Folder of the baselines, relative to the root folder")


def settings_of(config: pytest.Config) -> GateSettings:
    """The settings of this session, read when first asked for.

    Raises:
        pytest.UsageError: options that do not go together, or a profile that cannot be loaded.
    """
    if _SETTINGS not in config.stash:
        config.stash[_SETTINGS] = _read_settings(config)
    return config.stash[_SETTINGS]


def _read_settings(config: pytest.Config) -> GateSettings:
    if config.option.mpq_update and config.option.mpq_update_new:
        raise pytest.UsageError("--mpq-update and --mpq-update-new exclude each other")
    update: Update = "none"
    if config.option.mpq_update:
        update = "all"
    elif config.option.mpq_update_new:
        update = "new"
    reason = config.option.mpq_reason
    if reason is not None and not reason.strip():
        raise pytest.UsageError("--mpq-reason is empty; say why the change is accepted")
    if reason and update == "none":
        raise pytest.UsageError("--mpq-reason goes with --mpq-update or --mpq-update-new")
    if config.option.mpq_offline:
        assets.set_offline(True)  # workers inherit it
    if config.option.mpq_data:
        set_data_folder(Path(config.invocation_params.dir, config.option.mpq_data))
    return GateSettings(
        profile=_load_profile(config),
        baselines=_baselines_folder(config),
        update=update,
        reason=reason,
        num_samples=config.option.mpq_samples,
        device=config.option.mpq_device,
        inconclusive=config.option.mpq_inconclusive,
        resume=_resume_folder(config),
    )


def profile_was_named(config: pytest.Config) -> bool:
    """Whether the user named a profile, by option or ini: then the session is a gate."""
    return bool(config.option.mpq_profile or config.getini("mpq_profile"))


def _load_profile(config: pytest.Config) -> Profile:
    name = config.option.mpq_profile or config.getini("mpq_profile") or _DEFAULT_PROFILE
    for folder in (config.invocation_params.dir, config.rootpath):
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
    try:
        return load_profile(name)
    except MpqError as error:
        raise pytest.UsageError(str(error)) from error


def _baselines_folder(config: pytest.Config) -> Path:
    if config.option.mpq_baselines:
        return Path(config.invocation_params.dir, config.option.mpq_baselines)
    return Path(config.rootpath, config.getini("mpq_baselines") or _DEFAULT_BASELINES)


def _resume_folder(config: pytest.Config) -> Path | None:
    """Made here, so that a folder that cannot be is told before hours of measuring."""
    if config.option.mpq_resume is None:
        return None
    folder = Path(config.invocation_params.dir, config.option.mpq_resume)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise pytest.UsageError(
            f"--mpq-resume {folder}: cannot be made ({error.strerror}); name a folder that can be "
            "written"
        ) from error
    return folder


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(f"{number} is not a number of samples")
    return number

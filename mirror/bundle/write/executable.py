"""Which files can run code on the machine of who opens them: for the approver.

By the name alone, as an approver can check it. Pure.
"""

from __future__ import annotations

from typing import Final

from mirror.names import RepoType

PICKLE: Final = "pickle: loading it can run code"
SCRIPT: Final = "program text"
BINARY: Final = "machine code"
LAYERS: Final = "may hold code of its own layers"
ARCHIVE: Final = "archive: holds files not listed here"
MACROS: Final = "document with macros"

_SUFFIXES: Final[dict[str, str]] = {
    **dict.fromkeys((".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".dill"), PICKLE),
    **dict.fromkeys((".npy", ".npz", ".nemo", ".mar", ".t7", ".pdparams", ".pdopt"), PICKLE),
    **dict.fromkeys((".py", ".pyc", ".pyw", ".ipynb", ".sh", ".bash", ".zsh", ".bat"), SCRIPT),
    **dict.fromkeys((".cmd", ".ps1", ".js", ".mjs", ".ts", ".html", ".htm", ".svg"), SCRIPT),
    **dict.fromkeys((".rb", ".pl", ".php", ".r", ".jl", ".lua", ".vbs", ".jinja"), SCRIPT),
    **dict.fromkeys((".so", ".dll", ".dylib", ".exe", ".msi", ".o", ".a", ".ko"), BINARY),
    **dict.fromkeys((".bc", ".wasm", ".llamafile", ".elf", ".appimage"), BINARY),
    **dict.fromkeys((".jar", ".class", ".whl", ".egg", ".deb", ".rpm", ".apk"), BINARY),
    **dict.fromkeys((".h5", ".hdf5", ".keras", ".pb", ".mlmodel", ".engine", ".plan"), LAYERS),
    **dict.fromkeys((".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".zst"), ARCHIVE),
    **dict.fromkeys((".docm", ".xlsm", ".pptm"), MACROS),
}
_NAMES: Final[dict[str, str]] = dict.fromkeys(("dockerfile", "makefile", "configure"), SCRIPT)


def why_executable(repo_type: RepoType, path: str) -> str | None:
    """Say how a file can run code; ``None`` where its name gives no reason to think so.

    ``.bin`` is a pickle in a model repo, and mostly plain data elsewhere.
    """
    name = path.rpartition("/")[2].lower()
    stem, dot, last = name.rpartition(".")
    suffix = f".{last}" if dot and stem else ""
    if suffix == ".bin" and repo_type is RepoType.MODEL:
        return PICKLE
    return _SUFFIXES.get(suffix) or _NAMES.get(name)

"""The names of things: repo types, repo keys, commits and digests.

Everything here is a plain value without I/O. A name that was built here is safe
to use as part of a path: repo ids follow the Hub's own rules, so no component is
empty, ``..`` or longer than the Hub allows.

File paths inside a repo come from upstream and are untrusted as well; they are
checked by :func:`check_repo_path`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from mirror.errors import BadNameError, UnsafePathError

#: The Hub's rule for each of the two parts of an id (huggingface_hub, ``validate_repo_id``).
_ID_PART: Final = re.compile(r"(?=\w)[\w.-]{1,96}(?<=\w)", re.ASCII)
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")

#: ext4, XFS, NTFS and APFS all refuse a longer component; PATH_MAX is 4096.
MAX_COMPONENT_BYTES: Final = 255
MAX_PATH_BYTES: Final = 2048

#: Most paths: plain ASCII, no part that begins with a dot, short. They need no closer look,
#: which is 12 times as fast (20,000 paths: 14 ms for 170 ms).
_PLAIN_PATH: Final = re.compile(r"(?=.{1,200}\Z)\w[\w.+=@-]*(?:/\w[\w.+=@-]*)*", re.ASCII)

#: The files of a commit together, in bytes: 9 PB. More is a lie, and sums of it overflow.
MAX_REPO_SIZE: Final = 2**53

#: The folder that stands for the missing namespace of a legacy id such as ``gpt2``.
#: The Hub gives no account that name, so it collides with none.
NO_NAMESPACE: Final = "_"


class RepoType(StrEnum):
    """What kind of repo: the Hub has three."""

    MODEL = "model"
    DATASET = "dataset"
    SPACE = "space"

    @property
    def plural(self) -> str:
        """``models``, ``datasets`` or ``spaces``: as in the Hub's API and in our folders."""
        return f"{self.value}s"

    @property
    def url_prefix(self) -> str:
        """What stands before the id in a file's URL: nothing for models."""
        return "" if self is RepoType.MODEL else f"{self.plural}/"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``model`` or ``models`` and so on; raise :class:`BadNameError` otherwise."""
        try:
            return cls(text.lower().removesuffix("s"))
        except ValueError:
            raise BadNameError(
                f"{text!r} is not a repo type", hint="use model, dataset or space"
            ) from None


@dataclass(frozen=True, order=True)
class RepoKey:
    """One repo: its type and its id (``namespace/name``, or a bare legacy ``name``)."""

    repo_type: RepoType
    repo_id: str

    def __post_init__(self) -> None:
        parts = self.repo_id.split("/")
        if (
            len(parts) > 2
            or not all(_ID_PART.fullmatch(part) for part in parts)
            or ".." in self.repo_id
            or "--" in self.repo_id
            or self.repo_id.endswith(".git")
            or (len(parts) == 2 and parts[0] == NO_NAMESPACE)
        ):
            raise BadNameError(
                f"{self.repo_id!r} is not a repo id",
                hint="an id looks like namespace/name, for example klue/klue",
            )

    @property
    def namespace(self) -> str | None:
        """The account that owns the repo, ``None`` for a legacy id such as ``gpt2``."""
        return self.repo_id.split("/")[0] if "/" in self.repo_id else None

    @property
    def name(self) -> str:
        """The last part of the id."""
        return self.repo_id.rsplit("/", 1)[-1]

    @property
    def folder(self) -> str:
        """The path below ``repos/``: ``models/openai-community/gpt2``."""
        return f"{self.repo_type.plural}/{self.namespace or NO_NAMESPACE}/{self.name}"

    @property
    def cache_folder(self) -> str:
        """The folder in a Hugging Face cache: ``models--openai-community--gpt2``."""
        return "--".join([self.repo_type.plural, *self.repo_id.split("/")])

    def __str__(self) -> str:
        return f"{self.repo_type.plural}/{self.repo_id}"

    @classmethod
    def parse(cls, text: str, default: RepoType | None = None) -> Self:
        """Read ``datasets/klue/klue``, or ``klue/klue`` when ``default`` says the type.

        Also reads ``hf://datasets/klue/klue``, the way the Hub's clients write it.

        Raises:
            BadNameError: no type given and none by default, or not an id.
        """
        text = text.removeprefix("hf://").strip("/")
        head, _, tail = text.partition("/")
        if tail and head in {kind.plural for kind in RepoType}:
            return cls(RepoType.parse(head), tail)
        if default is None:
            raise BadNameError(
                f"{text!r} does not say whether it is a model, a dataset or a space",
                hint=_typed(text),
            )
        return cls(default, text)


def _typed(text: str) -> str:
    """Say how to write a name that has no type: also of a page's address, or ``model/…``."""
    scheme, separator, rest = text.partition("://")
    # https://host/datasets/klue/klue/tree/main: a page of the Hub, with what follows the id
    parts = rest.split("/")[1:] if separator and scheme in {"http", "https"} else text.split("/")
    plurals = {name: kind.plural for kind in RepoType for name in (kind.value, kind.plural)}
    if len(parts) > 2 and parts[0] in plurals:
        return f"write {plurals[parts[0]]}/{'/'.join(parts[1:3])}"
    if separator:
        text = "/".join(parts[:2]) or "namespace/name"
    return f"write models/{text}, datasets/{text} or spaces/{text}"


def is_commit(text: str) -> bool:
    """Whether ``text`` is a full commit hash: 40 lower-case hex digits."""
    return _COMMIT.fullmatch(text) is not None


def is_digest(text: str) -> bool:
    """Whether ``text`` is a sha256: 64 lower-case hex digits."""
    return _DIGEST.fullmatch(text) is not None


def check_ref_name(name: str) -> str:
    """Return ``name`` if it can be a ref (``main``, ``v1.0``, ``refs/convert/parquet``).

    A ref becomes a path below ``refs/`` in the cache view, so git's own rules apply.

    Raises:
        BadNameError: git would refuse it as well.
    """
    bad = (
        not name
        or len(name.encode()) > MAX_COMPONENT_BYTES
        or any(part in {"", ".", ".."} or part.endswith(".lock") for part in name.split("/"))
        or re.search(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{", name)
    )
    if bad:
        raise BadNameError(f"{name!r} is not a branch, tag or commit")
    return name


def check_repo_path(path: str) -> str:
    """Return a file's path inside a repo if it is safe to create below a folder.

    ``path`` is POSIX style and relative, as in the Hub's tree listing.

    Raises:
        UnsafePathError: absolute, empty, ``..``, backslash, control characters,
            or too long for the file systems we write to.
    """
    if _PLAIN_PATH.fullmatch(path):
        return path
    parts = path.split("/")
    if not path or path.startswith("/") or any(part in {"", ".", ".."} for part in parts):
        raise UnsafePathError(path, "it leaves the folder of its repo")
    if re.search(r"[\x00-\x1f\x7f\\]", path) or re.match(r"[A-Za-z]:", path):
        raise UnsafePathError(path, "it has a character that no repo of the Hub needs")
    try:
        sizes = [len(part.encode()) for part in parts]
    except UnicodeEncodeError:
        raise UnsafePathError(path, "it is not valid Unicode") from None
    if max(sizes) > MAX_COMPONENT_BYTES:
        raise UnsafePathError(path, f"a name in it is longer than {MAX_COMPONENT_BYTES} bytes")
    if sum(sizes) + len(sizes) > MAX_PATH_BYTES:
        raise UnsafePathError(path, f"it is longer than {MAX_PATH_BYTES} bytes")
    return path

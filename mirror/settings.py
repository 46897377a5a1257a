"""mirror.toml and ``MIRROR_*`` variables, read into frozen settings.

The file is edited by people: every error names the file and the key (or the line,
where TOML itself is broken) and says what was expected; a key we do not know is an
error, because a misspelt ``exlude`` that is ignored costs a night of downloads.

Nothing here reads a file or the environment at import. The token is never a setting:
:func:`read_token` gives it at the moment of use, so that no report can hold it.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from mirror.errors import BadNameError, SettingsError
from mirror.names import RepoKey, RepoType, check_ref_name

SETTINGS_FILE: Final = "mirror.toml"
DEFAULT_ENDPOINT: Final = "https://huggingface.co"

_UNITS: Final[dict[str, int]] = {"": 1, "B": 1} | {
    f"{letter}{suffix}": base**power
    for base, suffix in ((1000, ""), (1000, "B"), (1024, "iB"))
    for power, letter in enumerate("KMGTP", start=1)
}
_SIZE: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*")


def parse_size(value: object) -> int:
    """Read a number of bytes: ``1500``, ``"20 GB"`` or ``20G`` (10⁹), ``"20GiB"`` (2³⁰).

    Raises:
        ValueError: not a size; the message says what one looks like.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    units = {unit.lower(): factor for unit, factor in _UNITS.items()}
    if match is None or match[2].lower() not in units:
        raise ValueError('expected a size such as 500000, "500 MB" or "20 GiB"')
    try:
        return round(float(match[1]) * int(units[match[2].lower()]))
    except OverflowError:
        raise ValueError("no disk has so many bytes") from None


def _is_endpoint(text: str) -> bool:
    """Whether paths can follow it: no credentials, no query; and it is fit for a report."""
    if not text.isprintable() or set(text) & set(" ?#@\\"):
        return False
    try:
        url = urlsplit(text)
        url.port  # noqa: B018  # raises where it is no number, or too large
        (url.hostname or "").encode("idna")  # raises as looking the name up would
    except ValueError:
        return False
    return url.scheme in {"http", "https"} and bool(url.hostname)


def _one_or_many(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Size = Annotated[int, BeforeValidator(parse_size)]
Words = Annotated[tuple[str, ...], BeforeValidator(_one_or_many)]
Positive = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class UpstreamSettings(_Section):
    """``[upstream]``: the Hub that we copy from."""

    endpoint: str = DEFAULT_ENDPOINT
    token_file: Path | None = None
    """A file holding the token alone. Without it HF_TOKEN is used, then HF_TOKEN_PATH."""

    @model_validator(mode="after")
    def _check_endpoint(self) -> UpstreamSettings:
        if not _is_endpoint(self.endpoint):
            raise ValueError("endpoint: expected a URL such as https://huggingface.co")
        # A trailing slash makes clients ask for //datasets/…
        object.__setattr__(self, "endpoint", self.endpoint.rstrip("/"))
        return self


class Entry(_Section):
    """One of ``[[models]]``, ``[[datasets]]``, ``[[spaces]]``: an id, or a query."""

    id: str | None = None
    revision: str | None = None
    revisions: Words = ()

    author: str | None = None
    task: str | None = None
    language: Words = ()
    license: Words = ()
    library: Words = ()
    search: str | None = None
    sort: Literal["downloads", "likes", "lastModified", "createdAt", "trendingScore"] | None = None
    limit: Positive | None = None
    min_downloads: Count | None = None
    min_likes: Count | None = None

    include: Words = ()
    exclude: Words = ()
    max_size: Size | None = None
    """Files larger than this are left out of the snapshot, in bytes."""

    @property
    def wanted_revisions(self) -> tuple[str, ...]:
        """What to follow: ``main`` where nothing is said."""
        return tuple(dict.fromkeys([*filter(None, [self.revision]), *self.revisions])) or ("main",)

    @model_validator(mode="after")
    def _check(self) -> Entry:
        given = [name for name in _QUERY_KEYS if getattr(self, name) not in (None, ())]
        if self.id is not None and given:
            raise ValueError(f"id and {given[0]} exclude each other: name one repo, or a query")
        if self.id is None and not set(given) - {"sort", "limit"}:
            raise ValueError(
                "expected an id, or a query by author, task, language, license, library, "
                "search, min_downloads or min_likes"
            )
        if self.revision is not None and self.revisions:
            raise ValueError("revision and revisions exclude each other")
        for name in self.wanted_revisions:
            try:
                check_ref_name(name)
            except BadNameError as error:
                raise ValueError(str(error)) from None
        return self


_QUERY_KEYS: Final = (
    "author", "task", "language", "license", "library", "search", "sort", "limit",
    "min_downloads", "min_likes",
)  # fmt: skip


class PolicySettings(_Section):
    """``[policy]``: what may not be mirrored, whatever the selection says."""

    allow_licenses: Words = ()
    """Only these licence ids. Empty: every licence that ``deny_licenses`` does not name."""
    deny_licenses: Words = ()
    unknown_license: Literal["allow", "deny"] = "allow"
    """What to do with a repo that states no licence (or ``other`` without a name)."""
    gated: Literal["allow", "deny"] = "allow"
    """``allow`` mirrors gated repos that our token has access to."""
    weights: Literal["all", "prefer_safetensors", "safetensors_only"] = "all"
    """``prefer_safetensors`` drops .bin, .pt, .h5 … only where safetensors are there."""
    max_repo_size: Size | None = None
    max_mirror_size: Size | None = None


class TransferSettings(_Section):
    """``[transfer]``: how hard to pull."""

    workers: Annotated[int, Field(ge=1, le=256)] = 16
    """Files fetched at the same time."""
    connections_per_file: Annotated[int, Field(ge=1, le=64)] = 16
    """Parallel ranges of one large file, at most."""
    bandwidth: Annotated[Size, Field(ge=1)] | None = None
    """All workers together, in bytes a second; none: no limit."""
    connect_timeout: Seconds = 10.0
    read_timeout: Seconds = 30.0
    """No byte for so long is a stalled connection."""
    retries: Count = 5
    max_wait: Seconds = 900.0
    """The longest time that upstream may ask us to wait (429) before we give up."""


class RetentionSettings(_Section):
    """``[retention]``: how much of the past stays."""

    keep: Count = 1
    """Older snapshots kept of every ref, besides the current one."""


class ExchangeSettings(_Section):
    """``[exchange]``: bundles and receipts, across an air gap."""

    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """What this mirror is called in them; the name of the machine where nothing is said."""
    signing_key: Path | None = None
    """An OpenSSH private key (or the public one of a key that an agent has)."""
    allowed_signers: Path | None = None
    """Who may sign what comes in, as ssh-keygen lists them. Set, a signature is required."""


class Settings(_Section):
    """A whole mirror.toml."""

    upstream: UpstreamSettings = UpstreamSettings()
    models: tuple[Entry, ...] = ()
    datasets: tuple[Entry, ...] = ()
    spaces: tuple[Entry, ...] = ()
    policy: PolicySettings = PolicySettings()
    transfer: TransferSettings = TransferSettings()
    retention: RetentionSettings = RetentionSettings()
    exchange: ExchangeSettings = ExchangeSettings()

    @model_validator(mode="after")
    def _check_ids(self) -> Settings:
        for repo_type, index, entry in self.numbered_entries():
            if entry.id is None:
                continue
            try:
                RepoKey(repo_type, entry.id)
            except BadNameError as error:
                raise ValueError(f"{repo_type.plural}.{index}.id: {error}; {error.hint}") from None
        return self

    def numbered_entries(self) -> list[tuple[RepoType, int, Entry]]:
        """Every entry with its type and its place among its kind, counted from 1."""
        return [
            (repo_type, index, entry)
            for repo_type in RepoType
            for index, entry in enumerate(getattr(self, repo_type.plural), start=1)
        ]


def parse_settings(text: str, source: str = SETTINGS_FILE) -> Settings:
    """Read the text of a mirror.toml.

    Raises:
        SettingsError: names ``source`` and the line (broken TOML) or the key.
    """
    try:
        raw = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also numbers and nesting without end
        raise SettingsError(f"{source}: not valid TOML: {error}") from error
    try:
        return Settings.model_validate(raw)
    except ValidationError as error:
        raise SettingsError(
            "\n".join(f"{source}: {_explain(dict(item))}" for item in error.errors()),
            hint="every key is explained in docs/reference/mirror-toml.md",
        ) from error


def load_settings(path: Path) -> Settings:
    """Read ``path``; raise :class:`SettingsError` where it is missing, unreadable or wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SettingsError(
            f"{path} does not exist", hint="mirror init writes one to start from"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from error
    return parse_settings(text, str(path))


def read_token(settings: UpstreamSettings, environ: Mapping[str, str] = os.environ) -> str | None:
    """Give the token: ``token_file``, else HF_TOKEN, else the file HF_TOKEN_PATH, else none.

    Raises:
        SettingsError: ``token_file`` is missing, a file cannot be read, or a token has spaces
            in it.
    """
    if settings.token_file is not None:
        token = _token_in(settings.token_file.expanduser(), "upstream.token_file")
    else:
        token = environ.get("HF_TOKEN", "")
        if not token and (path := environ.get("HF_TOKEN_PATH")) and Path(path).is_file():
            token = _token_in(Path(path), "HF_TOKEN_PATH")
    token = token.strip()
    if any(not (33 <= ord(char) <= 126) for char in token):
        raise SettingsError("the token has a character in it that no token has")
    return token or None


def _token_in(path: Path, named_by: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{named_by} {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{named_by} {path}: this is no text, so no token") from error


def _explain(item: dict[str, Any]) -> str:
    """One pydantic error as a person wants to read it: key, what is wrong, what was expected."""
    place = [str(part + 1) if isinstance(part, int) else str(part) for part in item["loc"]]
    key = ".".join(place)
    if item["type"] == "extra_forbidden":
        known = _known_keys(place[:-1])
        return f"{key}: unknown key; expected one of {', '.join(known)}"
    message = str(item["msg"]).removeprefix("Value error, ")
    given = "" if isinstance(item["input"], dict) else f" (found {item['input']!r})"
    return f"{key}: {message}{given}" if key else message


def _known_keys(place: list[str]) -> list[str]:
    section = next((part for part in place if not part.isdigit()), None)
    if section is None:
        return sorted(Settings.model_fields)
    annotation = Settings.model_fields[section].annotation
    model = Entry if section in {kind.plural for kind in RepoType} else annotation
    return sorted(getattr(model, "model_fields", {}))

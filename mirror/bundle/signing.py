"""OpenSSH signatures, made and checked by ``ssh-keygen`` (docs/adr/0013-openssh-signatures.md).

The keys are those that administrators have, the list of who may sign is the
``allowed_signers`` that ssh-keygen knows, and whoever checks a stick needs nothing of ours.
Nothing here reads a key; nothing goes through a shell.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from mirror.errors import (
    BadSignatureError,
    BundleError,
    MissingSignatureError,
    UnknownSignerError,
    UsageError,
)

#: What the signature is for; a signature for another purpose is refused.
BUNDLE: Final = "hub-mirror-bundle"
RECEIPT: Final = "hub-mirror-receipt"

_SECONDS: Final = 60.0
_KEY: Final = re.compile(r"\bkey (SHA256:[A-Za-z0-9+/]{43})")
_ARMOR: Final = b"-----BEGIN SSH SIGNATURE-----"


@dataclass(frozen=True)
class Signer:
    """Who has signed."""

    name: str = ""
    """As the list of allowed signers calls him; empty where there is no list."""
    key: str = ""
    """Fingerprint; empty where nothing is signed."""


def sign_file(path: Path, key: Path, purpose: str) -> Path:
    """Sign ``path`` into ``path.sig``; ssh-keygen may ask for a passphrase on the terminal.

    ``key`` is a private key, or a public one whose private key an agent has.

    Raises:
        UsageError: the key cannot be used.
    """
    target = path.with_name(f"{path.name}.sig")
    target.unlink(missing_ok=True)
    if not key.is_file():
        raise UsageError(
            f"there is no key {key}",
            hint=f"make one: ssh-keygen -t ed25519 -C bundles@{purpose} -f {key}",
        )
    done = _run(["-Y", "sign", "-q", "-f", str(key), "-n", purpose, str(path)], None, timeout=None)
    if done.returncode != 0 or not target.is_file():
        why = _last_line(done.stderr)
        raise UsageError(
            f"{key} cannot sign: {why}", hint=f"try it: ssh-keygen -Y sign -f {key} -n {purpose}"
        )
    return target


def check_signature(
    path: Path, signature: Path, purpose: str, allowed_signers: Path | None
) -> Signer:
    """Say who has signed ``path``.

    Without a list of allowed signers nobody is known by name: the bytes are checked, and the
    key is told. A missing signature is then nobody's.

    Raises:
        MissingSignatureError: there is a list, and no signature.
        BadSignatureError: not of these bytes, not for this purpose, or no signature at all.
        UnknownSignerError: good, but by nobody on the list, or not at this time.
    """
    if not signature.is_file():
        if allowed_signers is None:
            return Signer()
        raise MissingSignatureError(
            f"{path.parent} is not signed, and a signature is required",
            hint="have it signed where it was made: mirror export … --sign KEY",
        )
    if _ARMOR not in signature.read_bytes()[: 1 << 10]:
        raise BadSignatureError(f"{signature} is not an OpenSSH signature")
    key = _check_bytes(path, signature, purpose)
    if allowed_signers is None:
        return Signer("", key)
    return Signer(_name_of(path, signature, purpose, allowed_signers, key), key)


def _check_bytes(path: Path, signature: Path, purpose: str) -> str:
    """Check the signature itself, and give the fingerprint of its key."""
    done = _run(["-Y", "check-novalidate", "-n", purpose, "-s", str(signature)], path)
    found = _KEY.search(done.stdout + done.stderr)
    if done.returncode != 0 or found is None:
        raise BadSignatureError(
            f"{signature} is not a signature of {path.name} for {purpose}: "
            f"{_last_line(done.stderr or done.stdout)}",
            hint="copy the bundle again from where it was made; do not import this one",
        )
    return found[1]


def _name_of(path: Path, signature: Path, purpose: str, allowed: Path, key: str) -> str:
    if not allowed.is_file():
        raise UsageError(
            f"there is no list of allowed signers at {allowed}",
            hint="a line of it: NAME ssh-ed25519 AAAA… (see ALLOWED SIGNERS in man ssh-keygen)",
        )
    found = _run(["-Y", "find-principals", "-s", str(signature), "-f", str(allowed)], path)
    names = found.stdout.splitlines() if found.returncode == 0 else []
    why = _last_line(found.stderr)
    for name in names:
        arguments = ["-Y", "verify", "-n", purpose, "-f", str(allowed), "-I", name]
        done = _run([*arguments, "-s", str(signature)], path)
        if done.returncode == 0:
            return name
        why = _last_line(done.stderr or done.stdout)
    raise UnknownSignerError(
        f"{path.parent} is signed with the key {key}, which {allowed} does not allow ({why})",
        hint=f"ask who made it for the key's line, compare the fingerprint, add it to {allowed}",
    )


def _run(
    arguments: Sequence[str], stdin: Path | None, *, timeout: float | None = _SECONDS
) -> subprocess.CompletedProcess[str]:
    try:
        with _opened(stdin) as stream:
            return subprocess.run(
                ["ssh-keygen", *arguments],
                stdin=stream,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout,
                check=False,
            )
    except FileNotFoundError as error:
        raise BundleError(
            "ssh-keygen is not on this machine, and signatures need it",
            hint="install OpenSSH's client (Debian: apt install openssh-client)",
        ) from error
    except subprocess.TimeoutExpired as error:
        raise BundleError(f"ssh-keygen gave no answer within {_SECONDS:g} s") from error


@contextlib.contextmanager
def _opened(path: Path | None) -> Iterator[BinaryIO | None]:
    if path is None:
        yield None  # the terminal: for a passphrase
        return
    with path.open("rb") as stream:
        yield stream


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "no reason given"

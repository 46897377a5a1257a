"""OpenSSH signatures, made and checked by ``ssh-keygen`` (docs/adr/0013-openssh-signatures.md).

The keys are those that administrators have, the list of who may sign is the
``allowed_signers`` that ssh-keygen knows, and whoever checks a stick needs nothing of ours.
Nothing here reads a key; nothing goes through a shell.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mirror.bundle.form import MAX_SIGNATURE_BYTES
from mirror.errors import (
    BadSignatureError,
    BundleError,
    MissingSignatureError,
    UnknownSignerError,
    UsageError,
)
from mirror.store.opening import open_regular

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


def require_key(key: Path) -> None:
    """See that there is a key, before hours of work that it shall sign.

    Raises:
        UsageError: there is none.
    """
    if not key.is_file():
        raise UsageError(
            f"there is no key {key}", hint=f"make one: ssh-keygen -t ed25519 -C bundles -f {key}"
        )


def sign_file(path: Path, key: Path, purpose: str) -> Path:
    """Sign ``path`` into ``path.sig``; ssh-keygen may ask for a passphrase on the terminal.

    ``key`` is a private key, or a public one whose private key an agent has.

    Raises:
        UsageError: the key cannot be used.
    """
    require_key(key)
    target = path.with_name(f"{path.name}.sig")
    target.unlink(missing_ok=True)
    done = _run(["-Y", "sign", "-q", "-f", str(key), "-n", purpose, str(path)], None, timeout=None)
    if done.returncode != 0 or not target.is_file():
        why = _last_line(done.stderr)
        raise UsageError(
            f"{key} cannot sign: {why}", hint=f"try it: ssh-keygen -Y sign -f {key} -n {purpose}"
        )
    return target


def read_signature(path: Path) -> bytes | None:
    """Read a signature file; ``None`` where there is none.

    Raises:
        BadSignatureError: larger than any, or not to be read.
    """
    try:
        with open_regular(path) as stream:
            data = stream.read(MAX_SIGNATURE_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BadSignatureError(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > MAX_SIGNATURE_BYTES:
        raise BadSignatureError(f"{path} is larger than any signature")
    return data


def check_signature(
    data: bytes, signature: bytes | None, source: Path, purpose: str, allowed_signers: Path | None
) -> Signer:
    """Say who has signed ``data``.

    It is the bytes that are checked, not a file: a stick may give others when it is asked
    again. Without a list of allowed signers nobody is known by name: the bytes are checked,
    and the key is told. A missing signature is then nobody's.

    Args:
        data: what was read, and will be used.
        signature: of it; none where there is none.
        source: where both came from, for messages.
        purpose: what the signature must be for.
        allowed_signers: who may sign; none asks for no signature.

    Raises:
        MissingSignatureError: there is a list, and no signature.
        BadSignatureError: not of these bytes, not for this purpose, or no signature at all.
        UnknownSignerError: good, but by nobody on the list, or not at this time.
    """
    if signature is None:
        if allowed_signers is None:
            return Signer()
        raise MissingSignatureError(
            f"{source} is not signed, and a signature is required",
            hint="have it signed where it was made: mirror export … --sign KEY",
        )
    if _ARMOR not in signature[: 1 << 10]:
        raise BadSignatureError(f"the signature of {source} is not an OpenSSH signature")
    with tempfile.NamedTemporaryFile(prefix="mirror-", suffix=".sig") as file:
        file.write(signature)
        file.flush()
        check = _Check(data, source, Path(file.name), purpose)
        key = check.bytes_by()
        if allowed_signers is None:
            return Signer("", key)
        return Signer(check.name_of(allowed_signers, key), key)


@dataclass(frozen=True)
class _Check:
    """One signature that is being looked at."""

    data: bytes
    source: Path
    signature: Path
    """A copy of our own."""
    purpose: str

    def bytes_by(self) -> str:
        """Check the signature itself, and give the fingerprint of its key."""
        arguments = ["-Y", "check-novalidate", "-n", self.purpose, "-s", str(self.signature)]
        done = _run(arguments, self.data)
        found = _KEY.search(done.stdout + done.stderr)
        if done.returncode != 0 or found is None:
            raise BadSignatureError(
                f"the signature of {self.source} is not of these bytes for {self.purpose}: "
                f"{_last_line(done.stderr or done.stdout)}",
                hint="copy the bundle again from where it was made; do not import this one",
            )
        return found[1]

    def name_of(self, allowed: Path, key: str) -> str:
        """Find the name that a list of allowed signers has for the signer."""
        if not allowed.is_file():
            raise UsageError(
                f"there is no list of allowed signers at {allowed}",
                hint="a line of it: NAME ssh-ed25519 AAAA… (see ALLOWED SIGNERS in man ssh-keygen)",
            )
        signature = ["-s", str(self.signature), "-f", str(allowed)]
        found = _run(["-Y", "find-principals", *signature], self.data)
        why = _last_line(found.stderr)
        for name in _names_in(found.stdout) if found.returncode == 0 else ():
            done = _run(["-Y", "verify", "-n", self.purpose, "-I", name, *signature], self.data)
            if done.returncode == 0:
                return name
            why = _last_line(done.stderr or done.stdout)
        raise UnknownSignerError(
            f"{self.source} is signed with the key {key}, which {allowed} does not allow ({why})",
            hint="ask who made it for the key's line, compare the fingerprint, and add it to "
            f"{allowed}",
        )


def _names_in(text: str) -> list[str]:
    """Give the names of the lines that a key has: one line may have several, with commas."""
    names = (name.strip() for line in text.splitlines() for name in line.split(","))
    return [name for name in names if name and not name.startswith(("!", "-"))]


def _run(
    arguments: Sequence[str], data: bytes | None, *, timeout: float | None = _SECONDS
) -> subprocess.CompletedProcess[str]:
    """Run ssh-keygen; without ``data`` its input is the terminal, for a passphrase."""
    try:
        done = subprocess.run(
            ["ssh-keygen", *arguments],
            input=data,
            capture_output=True,
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
    out, err = (text.decode(errors="replace") for text in (done.stdout, done.stderr))
    return subprocess.CompletedProcess(done.args, done.returncode, out, err)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "no reason given"

"""``mirror export`` and ``mirror import`` against ``cp -r`` and ``sha256sum`` of the same files.

Whole processes. The plain way copies the snapshot's folder, writes the sha256 of every copy
into a file, and syncs the file system; export and import sync it too, sign and check.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from scripts.benches.bundle_parts import (
    Content,
    bytes_in,
    change,
    export,
    large,
    make_key,
    make_mirror,
    plain,
    receipt,
    small,
    snapshot,
    take_in,
)
from scripts.benches.measure import (
    Pair,
    machine,
    seconds,
    table,
    time_once,
    time_pair,
    write_section,
)
from scripts.benches.transfer import scratch

_AS_FAST: Final = 0.8
_INCREMENT: Final = 0.011
_NOTES: Final = (
    "Small files take longer than the baseline, because more is done. Of an import in memory "
    "about a quarter goes into checking contents and writing them out of the packs, a sixth "
    "into checking the manifest against the head, a fifth into publishing (a second name for "
    "each file in the view, git's index), a tenth into the catalog, and a third into starting "
    "Python and importing libraries, whatever the size. What earlier rounds made is moved aside "
    "and not removed: this file system has no journal, and looks long for a free inode when "
    "many were removed a moment ago. Large files gain by one pass over them, by two at a time, "
    "and by OpenSSL's sha256, which is faster here than that of `sha256sum`."
)


@dataclass(frozen=True)
class Case:
    """One content in one place."""

    name: str
    title: str
    content: Callable[[], Content]
    on_disk: bool


CASES: Final = (
    Case("small", "20,000 files of 4 KB, disk", partial(small, 20_000, 4096), on_disk=True),
    Case("small", "the same, in memory", partial(small, 20_000, 4096), on_disk=False),
    Case("large", "5 GB in 8 files, disk", partial(large, 5 * 10**9), on_disk=True),
    Case("large", "2 GB in 8 files, in memory", partial(large, 2 * 10**9), on_disk=False),
)


@dataclass(frozen=True)
class Sizes:
    """How large things became, in bytes."""

    content: int
    full: int
    """The whole first bundle."""
    second: int
    """The whole bundle after a change of 1 %."""
    receipt: int


def run(rounds: int, only: str | None) -> None:
    """Measure, print, and write the section of docs/benchmarks.md."""
    rows: list[list[str]] = []
    sizes: dict[str, Sizes] = {}
    for case in CASES:
        if only in (None, case.name):
            found, size = measure(case, rounds)
            rows += found
            sizes.setdefault(case.name, size)  # of the first, and largest, case of the name
            print(*found, size, sep="\n", flush=True)
    text = section(rows, sizes, rounds)
    print(text)
    if only is None:
        write_section("bundle", text)


def measure(case: Case, rounds: int) -> tuple[list[list[str]], Sizes]:
    """Export, import, export again after a change; give lines of the table, and the sizes."""
    content = case.content()
    with scratch(on_disk=case.on_disk) as folder:
        signing = make_key(folder)
        store = make_mirror(folder / "mirror", content)
        copy = plain(snapshot(store), folder / "copy")
        bundle, lab, paper = folder / "bundle", folder / "lab", folder / "receipt.json"

        cut = export(store.root, bundle, signing, "--volume-size", "1G")
        rows = []
        if case.name == "large":
            rows.append(row(f"{case.title}: export, volumes of 1 GB", time_pair(cut, copy, rounds)))
        pair = time_pair(export(store.root, bundle, signing), copy, rounds)
        rows.insert(0, row(f"{case.title}: export", pair))
        pair = time_pair(take_in(bundle, lab, signing), copy, rounds)
        rows.insert(1, row(f"{case.title}: import", pair))

        full = bytes_in(bundle)
        time_once(receipt(lab, paper))
        change(store, content)
        time_once(export(store.root, bundle, signing, "--for", str(paper)))
        sizes = Sizes(content.size, full, bytes_in(bundle), paper.stat().st_size)
    return rows, sizes


def row(title: str, pair: Pair) -> list[str]:
    """Give one line of the table."""
    met = "" if pair.ratio >= _AS_FAST else ", **not met**"
    return [
        title,
        seconds(pair.ours),
        seconds(pair.baseline),
        f"**{pair.ratio:.2f}×**",
        f"≥ {_AS_FAST}×{met}",
        f"{pair.peak_mb:.0f} MB",
    ]


def section(rows: list[list[str]], sizes: dict[str, Sizes], rounds: int) -> str:
    """Give the section of docs/benchmarks.md."""
    about = (
        f"`scripts/bench bundle --rounds {rounds}`, {machine()} Baseline, for both directions: "
        "`cp -r` of the snapshot's folder (one file for each file of the repo), `sha256sum` of "
        "every copy into one file, and `sync -f` at the end; export and import sync the file "
        "system as well. Bundles are signed, and the signature is demanded; an import includes "
        "the view and the catalog. What is read lies in the page cache for both. Medians (and "
        "range); the ratio is the median of the ratios pair by pair. Peak memory is the resident "
        "size of `mirror`, of its largest process."
    )
    header = ["what", "`mirror`", "`cp -r`, `sha256sum`, `sync`", "ratio", "target", "peak memory"]
    notes = [_NOTES, *(increment(name, found) for name, found in sizes.items())]
    return "\n\n".join([about, table(header, rows), *notes])


def increment(name: str, sizes: Sizes) -> str:
    """Say how large the next bundle is, and the receipt."""
    ratio = sizes.second / sizes.full
    met = "" if ratio <= _INCREMENT else ", **not met**"
    what = {"small": "20,000 small files, 200 of them changed", "large": "Large files, 1 % changed"}
    return (
        f"{what[name]}: the bundle with everything has {sizes.full:,} bytes for "
        f"{sizes.content:,} of content, that after the change (`--for` the receipt) "
        f"{sizes.second:,}: **{ratio:.2%}** of it (all files of the folder; target: "
        f"≤ {_INCREMENT:.1%}{met}). The receipt has {sizes.receipt:,} bytes."
    )

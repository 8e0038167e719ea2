"""Raw files to two tables: flights to learn from, and those of later months that every version is judged on.

A row holds what is known before departure and whether the flight arrived late. What is only known afterwards
(departure delay, time in the air) never gets in. The weather is that of the hour before.
"""

import re
import tomllib
from pathlib import Path

import pandas as pd

RAW = Path("data/raw")
CLEAN = Path("data/clean")
KEY = ["month", "day", "sched_dep_time", "carrier", "flight"]
WEATHER = ["temp", "humid", "wind_speed", "precip", "pressure", "visib"]
PUERTO_RICO = dict.fromkeys(["BQN", "PSE", "SJU", "STT"], "America/Puerto_Rico")  # airports.csv does not have them
FASTEST_WIND = 200  # miles an hour; weather.csv claims 1,048 once


def read_months(name: str) -> dict[int, pd.DataFrame]:
    """The monthly files of one kind, by month."""
    files = {int(re.findall(r"\d+", path.stem)[-1]): path for path in RAW.glob(f"{name}-2013-*.csv")}
    return {month: pd.read_csv(files[month]) for month in sorted(files)}


def minutes(clock: pd.Series) -> pd.Series:
    """Minutes since midnight of a time written as 1745."""
    return clock // 100 * 60 + clock % 100


def planned_minutes(flights: pd.DataFrame, zones: pd.Series) -> pd.Series:
    """From the time table: departure to arrival, each printed in local time."""
    leaves = pd.to_datetime(flights["time_hour"]) + pd.to_timedelta(flights["minute"], unit="min")
    clock_there = pd.Series(0, index=flights.index)
    for zone, rows in flights.groupby(flights["dest"].map(zones)).groups.items():
        local = leaves[rows].dt.tz_convert(zone)
        clock_there[rows] = local.dt.hour * 60 + local.dt.minute
    return (minutes(flights["sched_arr_time"]) - clock_there) % (24 * 60)


def weather_an_hour_before(weather: pd.DataFrame) -> pd.DataFrame:
    """Weather by airport and the hour after it was measured."""
    found = weather[["origin", "time_hour", *WEATHER]].drop_duplicates(["origin", "time_hour"]).copy()
    found["wind_speed"] = found["wind_speed"].where(found["wind_speed"] < FASTEST_WIND)
    later = pd.to_datetime(found["time_hour"]) + pd.Timedelta(hours=1)
    found["time_hour"] = later.dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    return found


def build(flights: pd.DataFrame, weather: pd.DataFrame, zones: pd.Series, late_after: int) -> pd.DataFrame:
    """One row a flight that arrived: key, answer, and what is known before departure."""
    flights = flights.assign(
        weekday=pd.to_datetime(flights[["year", "month", "day"]]).dt.day_of_week,
        departure=minutes(flights["sched_dep_time"]),
        planned_minutes=planned_minutes(flights, zones),
        departures=flights.groupby(["origin", "time_hour"])["flight"].transform("size"),
        late=(flights["arr_delay"] > late_after).astype(int),
    )
    flights = flights[flights["arr_delay"].notna()].merge(weather, on=["origin", "time_hour"], how="left")
    known = ["weekday", "departure", "planned_minutes", "distance", "departures", *WEATHER]
    return flights[[*KEY, "late", "origin", "dest", *known]]


def choose(there: set[int], test: list[int]) -> dict[str, list[int]]:
    """The months to train on, all before the first one to test on, and those."""
    train = sorted(month for month in there if month < min(test))
    if not train or not there.issuperset(test):
        raise SystemExit(f"fetch the months {test} (to test) and earlier ones (to train): python fetch.py 1-3 9 10")
    return {"train": train, "test": sorted(test)}


def main() -> None:
    params = tomllib.loads(Path("params.toml").read_text(encoding="utf-8"))["prepare"]
    flights = read_months("flights")
    months = choose(set(flights), params["test_months"])
    weather = weather_an_hour_before(pd.concat(read_months("weather").values()))
    airports = pd.read_csv(RAW / "airports.csv")
    zones = pd.concat([airports.set_index("faa")["tzone"], pd.Series(PUERTO_RICO)])
    CLEAN.mkdir(parents=True, exist_ok=True)
    for name, chosen in months.items():
        raw = pd.concat([flights[month] for month in chosen], ignore_index=True)
        table = build(raw, weather, zones, params["late_after"])
        table.to_csv(CLEAN / f"{name}.csv", index=False, lineterminator="\n")
        print(f"{name}: {len(table):,} flights of month {', '.join(map(str, chosen))}, {table['late'].mean():.1%} late")


if __name__ == "__main__":
    main()

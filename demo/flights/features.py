"""What the model sees of a flight."""

import pandas as pd

TARGET = "late"
CATEGORIES = ["carrier", "origin", "dest"]
NUMBERS = ["weekday", "departure", "departures", "temp", "humid", "wind_speed", "precip", "pressure", "visib"]
CRUISE = 450  # miles an hour


def design(table: pd.DataFrame) -> pd.DataFrame:
    """The columns for the model. `slack`: minutes in the time table beyond what flying the distance takes."""
    columns = table[CATEGORIES + NUMBERS].astype(dict.fromkeys(CATEGORIES, "category"))
    columns["slack"] = table["planned_minutes"] - table["distance"] / CRUISE * 60
    return columns

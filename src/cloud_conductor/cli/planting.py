"""Plant breaks in the simulated ledger as a person with a browser would: through its own API."""

import copy
from datetime import UTC, date, datetime, timedelta
from typing import Any, Self

import httpx

API = "/api.xro/2.0"
CENTS = 100


class Ledger:
    """A person signed in to the organisation. Not the product: it shares nothing with its adapter."""

    def __init__(self, url: str, client_id: str, client_secret: str) -> None:
        self._http = httpx.Client(base_url=url, headers={"Accept": "application/json"}, timeout=30)
        token = self._http.post(
            "/connect/token",
            data={"grant_type": "client_credentials"},
            auth=(client_id, client_secret),
        )
        self._http.headers["Authorization"] = (
            f"Bearer {token.raise_for_status().json()['access_token']}"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def plant(self, kind: str, store: str, day: str) -> None:
        """Change the SALES journal of a store-day.

        D01 voids it, D03 changes an amount, D04 enters it again, D05 dates it a day later.
        """
        journal = self._sales_journal(store, day)
        if kind == "D01":
            self._save({"ManualJournalID": journal["ManualJournalID"], "Status": "VOIDED"})
        elif kind == "D03":
            self._save(_edited(journal))
        elif kind == "D04":
            self._save(_copied(journal))
        elif kind == "D05":
            later = (date.fromisoformat(day) + timedelta(days=1)).isoformat()
            self._save(
                {**_plain(journal), "ManualJournalID": journal["ManualJournalID"], "Date": later}
            )
        else:
            raise ValueError(f"nobody can plant {kind} in a ledger")

    def _sales_journal(self, store: str, day: str) -> dict[str, Any]:
        mark = f"CC {store} {day} SALES v"
        for page in range(1, 1_000):
            answer = self._http.get(f"{API}/ManualJournals", params={"page": page, "pageSize": 100})
            journals = answer.raise_for_status().json()["ManualJournals"]
            for journal in journals:
                if journal["Narration"].startswith(mark) and journal["Status"] == "POSTED":
                    found: dict[str, Any] = journal
                    return found
            if not journals:
                break
        raise ValueError(f"the ledger has no SALES journal of {store} {day}")

    def _save(self, journal: dict[str, Any]) -> None:
        answer = self._http.post(f"{API}/ManualJournals", json={"ManualJournals": [journal]})
        answer.raise_for_status()


def _plain(journal: dict[str, Any]) -> dict[str, Any]:
    """What a person would type again."""
    stamp = int(journal["Date"].removeprefix("/Date(").partition("+")[0])
    return {
        "Narration": journal["Narration"],
        "Date": datetime.fromtimestamp(stamp / 1_000, UTC).date().isoformat(),
        "LineAmountTypes": "NoTax",
        "Status": "POSTED",
        "JournalLines": [
            {
                "LineAmount": line["LineAmount"],
                "AccountCode": line["AccountCode"],
                "Description": line.get("Description", ""),
                "Tracking": [
                    {"Name": one["Name"], "Option": one["Option"]} for one in line["Tracking"]
                ],
            }
            for line in journal["JournalLines"]
        ],
    }


def _copied(journal: dict[str, Any]) -> dict[str, Any]:
    return _plain(journal)


def _edited(journal: dict[str, Any]) -> dict[str, Any]:
    """One more in the first debit and in the first credit: still balanced, no longer ours."""
    changed = copy.deepcopy(_plain(journal))
    lines = changed["JournalLines"]
    next(line for line in lines if line["LineAmount"] > 0)["LineAmount"] += 1
    next(line for line in lines if line["LineAmount"] < 0)["LineAmount"] -= 1
    return {**changed, "ManualJournalID": journal["ManualJournalID"]}

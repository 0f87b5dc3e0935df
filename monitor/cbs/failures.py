"""What can be wrong with an answer of CBS.

Belongs here: a class a fault, with the Dutch sentence for the readers of ``quality.tables``.
Does not belong here: what is done about it (``persistence``) and where it shows (``client``,
``pages``, ``selection``).
"""

from __future__ import annotations

from typing import ClassVar

from monitor.errors import TableError


class CbsFault(TableError):  # noqa: N818 - what its kinds are called
    """CBS gave no usable answer. ``passing``: asking again may help."""

    passing: ClassVar[bool] = False
    pause: float | None = None
    """Seconds that CBS asks to wait, if it does."""


class Unreachable(CbsFault):
    """No connection, or no answer in time."""

    explanation = "CBS was niet bereikbaar of antwoordde niet op tijd."
    passing = True


class ServiceError(CbsFault):
    """CBS refused the request."""

    explanation = "CBS weigerde het verzoek om deze tabel."


class ServiceBusy(CbsFault):
    """CBS answered with an error that may pass: 429, 5xx, or ``odata.error`` with status 200."""

    explanation = "CBS meldde een storing."
    passing = True


class HostGivenUp(CbsFault):
    """Not asked: requests to this host failed before, each after all its retries."""

    explanation = (
        "CBS was bij eerdere verzoeken niet bereikbaar of meldde een storing. Daarom is deze tabel "
        "nu niet gevraagd."
    )


class BrokenPage(CbsFault):
    """An answer that is cut off or is not JSON."""

    explanation = "CBS gaf een onvolledig of onleesbaar antwoord."
    passing = True


class NotOffered(CbsFault):
    """The service does not have the table."""

    explanation = "CBS biedt deze tabel niet (meer) aan."


class NoMarks(CbsFault):
    """The table has no UntypedDataSet."""

    explanation = "Van deze tabel is niet te zien waarom cijfers ontbreken."


class NoObservations(CbsFault):
    """OData v4 describes the table, and does not have its figures."""

    explanation = "Van deze tabel is alleen de beschrijving er, zonder de cijfers."


class ForeignNextLink(CbsFault):
    """A page says that the next one is at another host."""

    explanation = "Het antwoord van CBS verwees naar een ander adres. Dat volgen we niet."


class EndlessPages(CbsFault):
    """A page that was had before, or one without rows that says there is more."""

    explanation = "CBS bleef dezelfde of lege pagina's van deze tabel leveren."
    passing = True


class EmptyTable(CbsFault):
    """The answer is in order and has no rows."""

    explanation = "CBS gaf voor deze tabel geen enkele rij."


class UnknownSelection(CbsFault):
    """A selection names a dimension or code that the table does not have."""

    explanation = "De tabel heeft een gevraagde indeling of code niet (meer)."

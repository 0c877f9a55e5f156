"""Settings of IRIS' own business hosts, with this product's defaults and words for the portal.

The names are those of IRIS. Declared by a component they get a default of its own and pass the
strict validation of iop. Settings of one component only stand in its class.
"""

from iop import Category, Setting, setting


def alert_on_error(default: bool) -> Setting:
    """Declare whether an error raises an alert."""
    return setting(
        default,
        data_type=bool,
        category=Category.ALERTING,
        description="Send an alert to the item Ens.Alert when this item meets an error.",
    )


def queue_count_alert(default: int) -> Setting:
    """Declare the queue length that raises an alert; 0 never does."""
    return setting(
        default,
        data_type=int,
        category=Category.ALERTING,
        description="Send an alert when so many messages wait for this item; 0: never.",
    )


def queue_wait_alert(default: float) -> Setting:
    """Declare the waiting time in seconds that raises an alert; 0 never does."""
    return setting(
        default,
        data_type=float,
        category=Category.ALERTING,
        description="Send an alert when a message has waited so many seconds for this item; "
        "0: never.",
    )


def reply_code_actions(default: str) -> Setting:
    """Declare what follows an error, by its text."""
    return setting(
        default,
        data_type=str,
        category=Category.ADDITIONAL,
        description="What follows an error: the first CODE=ACTIONS that fits. R tries again until "
        "the failure timeout, F fails. What is away for a moment raises an UnavailableError.",
    )


def retry_interval(default: float) -> Setting:
    """Declare the seconds between two tries."""
    return setting(
        default,
        data_type=float,
        category=Category.ADDITIONAL,
        description="Seconds between two tries of the same message.",
    )


def failure_timeout(default: float) -> Setting:
    """Declare the seconds after which no other try is made."""
    return setting(
        default,
        data_type=float,
        category=Category.ADDITIONAL,
        description="Seconds after the first try from which on a message fails instead of being "
        "tried again; -1: never.",
    )

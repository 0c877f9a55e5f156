"""The verb ``token``: who may ask the gateway, on a single machine."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from iris_ct.cli.options import OPTIONS, Options
from iris_ct.cli.rendering import show_json, show_lines, show_table, warn

if TYPE_CHECKING:
    from iris_ct.serving.access.tokens import StaticToken

Action = Literal["create", "list", "delete"]


def token(
    action: Action,
    name: str | None = None,
    /,
    *,
    role: Literal["reader", "operator", "admin"] | None = None,
    domain: list[str] | None = None,
    expires: str | None = None,
    options: Options = OPTIONS,
) -> None:
    """Create, list or delete tokens for the gateway of 'ct serve'.

    Parameters
    ----------
    action
        create, list or delete.
    name
        Whose token it is; stands in records.
    role
        reader (default): predicts and looks; operator: changes services, too; admin: also who may.
    domain
        A domain whose services it is for; say it again for more. Default: all.
    expires
        After hours, days or weeks (12h, 30d, 8w), or at a time (2027-01-31); default never.
    """
    from iris_ct.core.errors import ConfigError

    home = _home(options)
    if action != "create" and (role or domain or expires):
        raise ConfigError("--role, --domain and --expires belong to: ct token create NAME")
    if action == "list":
        if name is not None:
            raise ConfigError("'ct token list' takes no name; it lists all.")
        _list(home, options)
    elif name is None:
        raise ConfigError(f"Say whose token: ct token {action} NAME")
    elif action == "create":
        _create(home, name, role or "reader", tuple(domain or ()), expires, options)
    else:
        _delete(home, name, options)


def _home(options: Options) -> Path:
    options.choose()
    from iris_ct.serving.access.options import AccessOptions
    from iris_ct.serving.options import read_options

    return read_options(AccessOptions).home


def _create(
    home: Path,
    name: str,
    role: str,
    domains: tuple[str, ...],
    expires: str | None,
    options: Options,
) -> None:
    from iris_ct.serving.access.principal import EVERY_DOMAIN
    from iris_ct.serving.access.tokens import create_token, expiry_after

    now = datetime.now(UTC).replace(microsecond=0)
    made, kept = create_token(
        home,
        name,
        role=role,
        domains=domains or (EVERY_DOMAIN,),
        now=now,
        expires=None if expires is None else expiry_after(expires, now),
    )
    if options.json:
        show_json({"token": made, **_facts(kept)})
        return
    show_lines([made])
    warn(f"Shown this once: only a digest is kept. {name} is {role}; clients send it as Bearer.")


def _list(home: Path, options: Options) -> None:
    from iris_ct.serving.access.tokens import read_tokens, tokens_path

    kept = read_tokens(tokens_path(home))
    found = [_facts(one) for one in kept or ()]
    if options.json:
        show_json(found)
        return
    columns = ("name", "role", "domains", "created", "expires", "state")
    show_table(
        columns,
        [[row[column] for column in columns] for row in found],
        empty="There was no token yet; the gateway answers this machine only, without one."
        if kept is None
        else "There is no token any more; only an issuer's are taken.",
    )


def _delete(home: Path, name: str, options: Options) -> None:
    from iris_ct.serving.access.tokens import delete_token

    delete_token(home, name)
    if options.json:
        show_json({"name": name, "deleted": True})
    else:
        show_lines([f"Token {name} is deleted; a running gateway refuses it within a second."])


def _facts(kept: StaticToken) -> dict[str, object]:
    gone = kept.expires is not None and kept.expires <= datetime.now(UTC)
    return {
        "name": kept.name,
        "role": kept.role,
        "domains": list(kept.domains),
        "created": kept.created.isoformat(),
        "expires": None if kept.expires is None else kept.expires.isoformat(),
        "state": "expired" if gone else "valid",
    }

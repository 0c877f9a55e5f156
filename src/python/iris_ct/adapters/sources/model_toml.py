"""Writing a model file: TOML with a comment for every guess."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from iris_ct.adapters.durable import sync
from iris_ct.adapters.sources.model_files import model_path, read_model_file
from iris_ct.core.errors import ConfigError
from iris_ct.core.proposal import Proposal, ProposedColumn
from iris_ct.core.specification import Specification

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
# Comments start in one column as long as the keys are short.
_COMMENT_COLUMN = 30

_OTHER_KEYS = """
# What is not said has a default (docs/models.md), for example:
# key = ["id"]              a later row with the same key replaces an earlier one
# label_delay = "1d"        labels are trusted only after a day
# [training]                windows = ["90d", "all"], parameters = { num_leaves = 63 }
# [trigger]                 new_rows = 10000, cron = "0 3 * * 1"
# [gate]                    limits = { mae = 50.0 }
# [source]                  table = "Shop.Orders", id = "ID": rows are read from there
"""


def write_text(folder: Path, name: str, text: str) -> tuple[Path, Specification]:
    """Write ``<folder>/<name>.toml`` and read it back; the folder is made if need be.

    Raises
    ------
    ConfigError
        If there is a file of that name; it is not touched.
    SpecificationError
        If the text breaks a rule.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = model_path(folder, name)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise ConfigError(
            f"{path} exists already and is left as it is. Choose another name, or move it away."
        ) from error
    sync(folder)
    return path, read_model_file(path)


def proposal_toml(proposal: Proposal, *, source: str) -> str:
    """Say a proposal as TOML."""
    content, reasons = proposal.content, proposal.reasons
    lines = [
        f'# Model "{proposal.name}": proposed from {_plain(source)}.',
        "# Comments say what was guessed. All keys: docs/models.md.",
        "",
    ]
    lines += [
        _commented(f"{key} = {toml_value(content[key])}", reasons.get(key, ""))
        for key in content
        if key != "features"
    ]
    if "event_time" not in content:
        lines.append(f"# event_time: {_plain(reasons['event_time'])}")
    lines += ["", "[features]"]
    lines += [_feature(column, content["features"]) for column in proposal.columns if column.kind]
    left_out = [column for column in proposal.columns if not column.kind]
    if left_out:
        lines += ["", "# Left out:"]
        lines += [f"# {toml_key(column.name)}: {_plain(column.why)}" for column in left_out]
    if proposal.warnings:
        lines += ["", "# To look at:"]
        lines += [f"# {_plain(warning)}" for warning in proposal.warnings]
    return "\n".join(lines) + "\n" + _OTHER_KEYS


def specification_toml(content: Mapping[str, Any], *, comments: Iterable[str] = ()) -> str:
    """Say a specification's content as TOML: keys first, then one table for each mapping.

    Parameters
    ----------
    content : mapping
        As `parse_specification` takes it; None values are left out.
    comments : iterable of str
        First lines of the file.
    """
    said = {key: value for key, value in content.items() if value is not None}
    tables = {key: value for key, value in said.items() if isinstance(value, Mapping)}
    lines = [f"# {_plain(comment)}" for comment in comments]
    lines += [f"{toml_key(k)} = {toml_value(v)}" for k, v in said.items() if k not in tables]
    for name, table in tables.items():
        lines += ["", f"[{toml_key(name)}]"]
        lines += [f"{toml_key(k)} = {toml_value(v)}" for k, v in table.items() if v is not None]
    return "\n".join(lines) + "\n"


def toml_key(name: str) -> str:
    """Write a key, quoted if it must be."""
    return name if _BARE_KEY.fullmatch(name) else toml_value(name)


def toml_value(value: Any) -> str:
    """Write a value: text, number, boolean, or a list or mapping of them on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        # JSON escapes what TOML must escape, except DEL.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        inside = ", ".join(
            f"{toml_key(k)} = {toml_value(v)}" for k, v in value.items() if v is not None
        )
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(toml_value(item) for item in value)}]"
    raise TypeError(f"{type(value).__name__} has no TOML form here")


def _feature(column: ProposedColumn, features: Mapping[str, Any]) -> str:
    said = toml_value(features[column.name])
    return _commented(f"{toml_key(column.name)} = {said}", column.why)


def _commented(line: str, comment: str) -> str:
    return f"{line:<{_COMMENT_COLUMN}} # {_plain(comment)}" if comment else line


def _plain(text: str) -> str:
    """Keep a comment on its line."""
    return "".join(letter if letter.isprintable() else " " for letter in text)

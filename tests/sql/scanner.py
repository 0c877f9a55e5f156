"""Finds in a statement what InterSystems SQL lacks, drops, or has not been shown to do alike.

It reads words, not grammar: literals, comments and quoted names are taken out first. What it lets
pass may still be wrong; what it names does not belong into a statement for IRIS.
"""

from __future__ import annotations

import re

_LITERAL = re.compile(r"'(?:[^']|'')*'")
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_QUOTED = re.compile(r'"[^"]*"')
_QUOTED_OTHERWISE = re.compile(r"`[^`]*`|\[[^\]]*\]")

# What it is called in a message, and how it is found.
FORBIDDEN: dict[str, str] = {
    "LIMIT": r"\bLIMIT\b",
    "OFFSET": r"\bOFFSET\b",
    "FETCH FIRST": r"\bFETCH\s+(FIRST|NEXT)\b",
    "RETURNING": r"\bRETURNING\b",
    "ON CONFLICT": r"\bON\s+CONFLICT\b",
    "ON DUPLICATE KEY": r"\bON\s+DUPLICATE\b",
    "MERGE": r"\bMERGE\b",
    "REPLACE INTO": r"\b(INSERT\s+OR\s+)?REPLACE\s+INTO\b",
    "INSERT OR": r"\bINSERT\s+OR\b",
    "several rows of VALUES": r"\bVALUES\s*\([^()]*(\([^()]*\)[^()]*)*\)\s*,\s*\(",
    "WITH ... AS": r"\bWITH\s+(RECURSIVE\s+)?\w+\s*(\([^)]*\))?\s+AS\b",
    "FOR UPDATE": r"\bFOR\s+(NO\s+KEY\s+)?UPDATE\b",
    "SKIP LOCKED": r"\bSKIP\s+LOCKED\b",
    "ILIKE": r"\bILIKE\b",
    "regular expressions": r"\b(REGEXP|RLIKE|SIMILAR\s+TO)\b|!?~\*?\s",
    "a CHECK constraint": r"\bCHECK\s*\(",
    "IF NOT EXISTS": r"\bIF\s+(NOT\s+)?EXISTS\b",
    "a JSON type, function or path": r"\bJSONB?\b|\bJSON_\w+\s*\(|->>?",
    "a BOOLEAN type": r"\bBOOLEAN\b",
    "TRUE or FALSE": r"\b(TRUE|FALSE)\b",
    "a TEXT, BLOB or BYTEA type": r"\b(CREATE|ALTER)\b.*\s(TEXT|BLOB|CLOB|BYTEA)\b",
    "VARCHAR without a length": r"\bVARCHAR\b(?!\s*\()",
    "a VARCHAR column without COLLATE %EXACT": r"(?<!AS )\bVARCHAR\s*\(\d+\)(?!\s+COLLATE\s+%EXACT)",
    "SERIAL or AUTOINCREMENT": r"\b(BIG)?SERIAL\b|\bAUTO_?INCREMENT\b",
    "TIMESTAMP WITH TIME ZONE": r"\bTIMESTAMPTZ\b|\bWITH\s+TIME\s+ZONE\b",
    "a :: cast": r"::",
    "IS DISTINCT FROM": r"\bIS\s+(NOT\s+)?DISTINCT\s+FROM\b",
    "DISTINCT ON": r"\bDISTINCT\s+ON\b",
    "NULLS FIRST or LAST": r"\bNULLS\s+(FIRST|LAST)\b",
    "FILTER": r"\bFILTER\s*\(",
    "LATERAL": r"\bLATERAL\b",
    "a row value": r"\)\s*(=|<|>|<=|>=|IN)\s*\(\s*\?\s*,",
    "UPDATE ... FROM": r"\bUPDATE\b(?!.*\bSELECT\b).*\bSET\b.*\bFROM\b",
    "DELETE ... USING": r"\bDELETE\b.*\bUSING\b",
    "a savepoint": r"\b(SAVEPOINT|RELEASE)\b",
    "an advisory lock": r"\bpg_\w+",
    "PRAGMA": r"\bPRAGMA\b",
    "the remainder operator %": r"(?<=[\w)])\s+%\s+(?=[\w(?])",
    "a named or numbered parameter": r"(?<![\w:]):[A-Za-z_]\w*|\$\d+|%\(\w+\)s|%s",
    "a semicolon": r";",
}
_PATTERNS = {what: re.compile(how, re.IGNORECASE | re.DOTALL) for what, how in FORBIDDEN.items()}


def findings(statement: str) -> list[str]:
    """Name what a statement holds that has no place in SQL for IRIS; empty if nothing."""
    plain = _QUOTED.sub("quoted", _LITERAL.sub("''", _COMMENT.sub(" ", statement)))
    found = [what for what, pattern in _PATTERNS.items() if pattern.search(plain)]
    if _QUOTED_OTHERWISE.search(plain):
        found.append("a name quoted otherwise than by double quotes")
    return found

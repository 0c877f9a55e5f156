"""What is known of IRIS from public sources, as far as the checker asks for it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fact:
    """Where a method of IRIS is publicly documented or used, and whether it gives a %Status.

    Numbers are chapters of the project's collection of verified facts about IRIS.
    """

    source: str
    gives_status: bool = False


_ADMIN = "jbrandtmse/iris-execute-mcp-v2 src/ExecuteMCPv2/REST/Security.cls, run on 2025.1"
_FHIR = "Config.Namespaces, Config.Databases and SYS.Database as public set-up scripts chain them"
_DEFAULTS = "jbrandtmse/iris-execute-mcp-v2 17-0-api-probes.md, read from 2025.1"
_DIRECTOR = "Docs class reference Ens.Director; 7.5"

# Every method of IRIS' own classes that the classes may call.
FACTS = {
    "%Dictionary.CompiledMethod.%ExistsId": Fact("thread about %SYSTEM.Security, run on 2026.2"),
    "%DynamicArray.%FromJSON": Fact("Docs: Using JSON"),
    "%DynamicArray.%FromJSONFile": Fact("Docs: Using JSON"),
    "%File.Exists": Fact("Docs class reference %Library.File"),
    "%SQL.Statement.%ExecDirect": Fact("Docs: Using Dynamic SQL"),
    "%SYS.System.WriteToConsoleLog": Fact("3.4", gives_status=True),
    "%SYS.Task.%New": Fact("7.2"),
    "Config.Databases.Get": Fact(_FHIR, gives_status=True),
    "Config.Logging.Get": Fact("3.4", gives_status=True),
    "Config.Logging.Modify": Fact("3.4", gives_status=True),
    "Config.Namespaces.Get": Fact(_FHIR, gives_status=True),
    "Ens.Config.DefaultSettings.%DeleteId": Fact(_DEFAULTS, gives_status=True),
    "Ens.Config.DefaultSettings.%ExistsId": Fact(_DEFAULTS),
    "Ens.Config.DefaultSettings.%New": Fact(_DEFAULTS),
    "Ens.Director.CreateBusinessService": Fact(_DIRECTOR, gives_status=True),
    "Ens.Director.GetProductionStatus": Fact(_DIRECTOR, gives_status=True),
    "Ens.Director.SetAutoStart": Fact("3.3", gives_status=True),
    "Ens.Purge.PurgeAll": Fact("Docs class reference Ens.Purge", gives_status=True),
    "SYS.Database.%OpenId": Fact(_FHIR),
    "SYS.LogDmn.Restart": Fact("3.4", gives_status=True),
    "SYS.LogDmn.Start": Fact("3.4", gives_status=True),
    "SYS.LogDmn.Status": Fact("3.4"),
    "Security.Roles.Create": Fact(_ADMIN, gives_status=True),
    "Security.Roles.Exists": Fact(_ADMIN),
    "Security.Users.%OpenId": Fact("as CheckPassword"),
    "Security.Users.CheckPassword": Fact(
        "two public notes of users; looked for before it is used"
    ),
    "Security.Users.Create": Fact(
        "jbrandtmse/OcuPilot browser tests, run on 2026.2: name, roles, password, full name, "
        "namespace, routine, expiry, change password, enabled",
        gives_status=True,
    ),
    "Security.Users.Exists": Fact(_ADMIN),
    "Security.Users.Get": Fact(_ADMIN, gives_status=True),
    "Security.Users.Modify": Fact(_ADMIN, gives_status=True),
}

# The same, on whatever object they are called.
STATUS_OF_OBJECTS = frozenset({"%Save", "%DeleteId", "ProcessInput", "SendRequestSync"})

# Keywords that class files may carry here, by the kind of member (SKILL-OS, class definition
# reference); a typing mistake is no keyword.
KEYWORDS = {
    "classmethod": {"language", "placeafter", "sqlname", "sqlproc", "internal", "private"},
    "method": {"language", "internal", "private"},
    "query": {"sqlname", "sqlproc"},
    "property": {"initialexpression", "required", "sqlfieldname", "internal"},
    "parameter": {"internal"},
    "xdata": {"mimetype", "internal"},
    "index": {"unique"},
}

# What makes properties columns of a table, or settings that are stored.
PERSISTENT = frozenset({"%Persistent", "Ens.Request", "Ens.Response", "%SYS.Task.Definition"})

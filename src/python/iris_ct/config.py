"""Settings: the environment (``CT_*``) and ``.env``, read once, with a sentence for each."""

from __future__ import annotations

import getpass
import sys
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from iris_ct.core.errors import ConfigError


class Settings(BaseSettings):
    """Where things are and how the embedded host runs; every field is an environment variable."""

    model_config = SettingsConfigDict(
        env_prefix="CT_",
        env_file=".env",
        # A variable without a value, as compose files leave them, means the default.
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
    )

    home: Path = Field(Path("dur"), description="The durable directory: everything that is kept.")
    models: Path | None = Field(
        None,
        description="Folder of the model files; default <home>/models if it exists, else ./models.",
    )
    store_url: str = Field(
        "",
        description="SQLAlchemy URL of the catalogue; default SQLite in <home>/store/ct.db.",
    )
    store_password: SecretStr = Field(
        SecretStr(""), description="Password of an address iris://user@host:1972/NAMESPACE."
    )
    store_password_file: Path | None = Field(
        None, description="File that holds that password, as secrets of containers do."
    )
    synchronous: Literal["NORMAL", "FULL"] = Field(
        "NORMAL",
        description="SQLite's synchronous mode; FULL also survives a power loss, at half the speed.",
    )
    mlflow_tracking_uri: str = Field(
        "",
        validation_alias="MLFLOW_TRACKING_URI",
        description="MLflow server; default an embedded store in <home>/sandbox/mlflow.",
    )
    mlflow_timeout_s: Annotated[float, Field(gt=0)] = Field(
        5.0,
        description="Seconds after which MLflow counts as away; registration is then finished later.",
    )
    audit_event: str = Field(
        "",
        description="Event name of every audit line, for example Utility.Event; default CT.<Step>.",
    )
    actor: str = Field("", description="Who acts, for decision records; default the login name.")
    environment: Literal["", "dev", "test", "live"] = Field(
        "",
        description="Which default settings the production gets: those of "
        "deploy/default-settings/<name>.json in the working directory; default none.",
    )
    replay: bool = Field(
        True,
        description="Replay completed sends of an interrupted process; 0 runs it again from its "
        "start, as IRIS does.",
    )
    processes: bool = Field(
        False, description="Run every item of the production in its own operating-system process."
    )
    api_host: str = Field(
        "127.0.0.1",
        description="Address on which 'ct up' serves iop's REST interface; others than loopback "
        "need a password.",
    )
    api_port: Annotated[int, Field(ge=0, le=65535)] | None = Field(
        None,
        description="Port of the REST interface, 0 for any free one; default: it is not served.",
    )
    api_password_file: Path | None = Field(
        None,
        description="File with the password of the REST interface; default none, on loopback only.",
    )
    api_migrate: bool = Field(
        False,
        description="Take productions by 'iop --migrate' and run their code; needs the password.",
    )
    settle_s: Annotated[float, Field(ge=0)] = Field(
        1.0, description="Seconds without a change after which an inbox file counts as complete."
    )
    snapshot_memory_mb: Annotated[int, Field(ge=64)] = Field(
        1024, description="Memory limit of the engine that cuts snapshots."
    )
    worker_recycle_mb: Annotated[int, Field(ge=64)] = Field(
        1500, description="Memory after which the training process is replaced between two jobs."
    )
    worker_memory_mb: Annotated[int, Field(ge=0)] = Field(
        0, description="Most memory the training process may ask for; 0: no limit."
    )
    worker_threads: Annotated[int, Field(ge=0)] = Field(
        0, description="Most threads of a library in the training process; 0: no limit."
    )
    python: Path | None = Field(
        None,
        description="Interpreter of the training process; default this one, or inside IRIS python3.",
    )
    messages_days: Annotated[int, Field(ge=1)] = Field(
        90, description="Days after which 'ct purge --yes' forgets messages of ended sessions."
    )
    serve_host: str = Field(
        "127.0.0.1",
        description="Address on which 'ct serve' answers; others than loopback need access configured.",
    )
    serve_port: Annotated[int, Field(ge=0, le=65535)] | None = Field(
        None,
        description="Port of 'ct serve', 0 for any free one, default 8080; if it is set, 'ct up' serves as well.",
    )
    serve_workers: Annotated[int, Field(ge=0)] | None = Field(
        None,
        description="Worker processes that each served model has at least; 0: none, the gateway scores by itself; default: as many as its service says.",
    )
    serve_threads: Annotated[int, Field(ge=0)] = Field(
        0,
        description="Threads with which one worker scores many rows; 0: one for each processor.",
    )
    serve_timeout_s: Annotated[float, Field(ge=0.001)] = Field(
        3.0, description="Seconds that a served model has to answer."
    )
    serve_start_timeout_s: Annotated[float, Field(ge=0.1)] = Field(
        60.0, description="Seconds that a worker has until it can answer."
    )
    serve_drain_s: Annotated[float, Field(ge=0)] = Field(
        10.0,
        description="Seconds that requests under way have when the gateway or a worker is to end.",
    )
    serve_read_timeout_s: Annotated[float, Field(ge=0.1)] = Field(
        10.0,
        description="Seconds that a request has to arrive, and one more for each 64 KiB of it.",
    )
    serve_max_body_mb: Annotated[int, Field(ge=1)] = Field(
        64, description="Most megabytes of one request's body, also of a compressed one's content."
    )
    serve_max_waiting_mb: Annotated[int, Field(ge=1)] = Field(
        512, description="Most megabytes of all bodies that are being read or wait for an answer."
    )
    serve_max_connections: Annotated[int, Field(ge=1)] = Field(
        1024, description="Most connections at the same time; more are refused with 503."
    )
    serve_max_queue: Annotated[int, Field(ge=1)] = Field(
        1024, description="Most requests that wait for one model; more are refused with 503."
    )
    serve_log_max_mb: Annotated[int, Field(ge=1)] = Field(
        10,
        description="Megabytes of a worker's output that are kept, and as much of what was before.",
    )
    serve_session_kb: Annotated[int, Field(ge=1)] = Field(
        64,
        description="Most KiB of JSON that a stateful model may keep for one session, which are read "
        "and written with each of its requests.",
    )
    serve_sessions: Annotated[int, Field(ge=1)] = Field(
        10_000,
        description="Sessions that a stateful model keeps in a service; beyond them the one that "
        "was not used for longest is forgotten.",
    )
    serve_session_idle_s: Annotated[float, Field(ge=1)] = Field(
        86_400.0,
        description="Seconds without a request after which a session of a stateful model is "
        "forgotten.",
    )
    serve_tls_cert: Path | None = Field(
        None, description="PEM file with the certificate for https, default: http."
    )
    serve_tls_key: Path | None = Field(
        None, description="PEM file with the key of that certificate."
    )
    serve_login_url: str = Field(
        "", description="Where one without a token is sent, by status 307; default: 401."
    )
    serve_metrics_open: bool = Field(False, description="Show /metrics without a token.")
    serve_rate: Annotated[float, Field(ge=0)] = Field(
        0.0, description="Requests a second that one who asks may make; 0: no limit."
    )
    serve_rate_burst: Annotated[int, Field(ge=0)] = Field(
        0, description="Requests that one may make at once; 0: what the rate gives in two seconds."
    )
    serve_oidc_issuer: str = Field(
        "",
        description="Address of the OpenID Connect issuer whose tokens are taken; default none.",
    )
    serve_oidc_audience: str = Field(
        "", description="For whom tokens of the issuer must be made; needed with an issuer."
    )
    serve_oidc_jwks_url: str = Field(
        "", description="Where the issuer's keys are; default what its discovery document says."
    )
    serve_oidc_role_claim: str = Field(
        "realm_access.roles",
        description="Path of the claim that holds roles; the default is Keycloak's.",
    )
    serve_oidc_roles: str = Field(
        "ct-reader=reader,ct-operator=operator,ct-admin=admin",
        description="Which of the claim's words is which role: reader, operator or admin.",
    )
    serve_oidc_domain_claim: str = Field(
        "",
        description="Path of the claim that holds domains; default: tokens are for every domain.",
    )
    serve_oidc_name_claim: str = Field(
        "preferred_username",
        description="Claim with the name that stands in records; sub where it is missing.",
    )
    serve_oidc_algorithms: str = Field(
        "RS256,PS256,ES256,EdDSA",
        description="Signatures that are taken, of RS256, PS256, ES256 and EdDSA.",
    )
    serve_oidc_skew_s: Annotated[float, Field(ge=0)] = Field(
        30.0, description="Seconds that the clocks of the issuer and of this machine may differ."
    )
    serve_oidc_stale_s: Annotated[float, Field(ge=0)] = Field(
        86400.0, description="Seconds for which the issuer's keys are used while it is away."
    )
    serve_oidc_ca: Path | None = Field(
        None,
        description="PEM file with the authorities of the issuer's certificate; default the system's.",
    )
    serve_oidc_http: bool = Field(
        False,
        description="Ask an issuer on another machine without TLS, on a network that you trust.",
    )
    serve_rollout: str = Field(
        "",
        description="Stages in which a new version of a service is tried, such as shadow,0.1,0.5; "
        "default: it answers all requests at once.",
    )
    serve_rollout_requests: Annotated[int, Field(ge=1)] = Field(
        200, description="Requests that a new version must have answered in a stage."
    )
    serve_rollout_s: Annotated[float, Field(ge=0)] = Field(
        60.0, description="Seconds that a stage of a rollout lasts at least."
    )
    serve_scale_down_s: Annotated[float, Field(ge=0)] = Field(
        300.0,
        description="Seconds for which autoscaling keeps the instances that it needed last.",
    )
    serve_allow_pickle: bool = Field(
        False,
        description="Serve models that are pickles: loading one runs whatever its author wrote.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "WARNING", description="Level of the program's own log on standard error."
    )

    @cached_property
    def root(self) -> Path:
        """Absolute path of the home."""
        return self.home.expanduser().resolve()

    @cached_property
    def models_dir(self) -> Path:
        """Folder of the model files."""
        if self.models is not None:
            return self.models.expanduser().resolve()
        beside = self.root / "models"
        return beside if beside.is_dir() else Path("models").resolve()

    @cached_property
    def database_url(self) -> str:
        """SQLAlchemy URL of the catalogue and of the host's messages."""
        return self.store_url or f"sqlite:///{self.root / 'store' / 'ct.db'}"

    @cached_property
    def on_iris(self) -> bool:
        """Whether this process runs inside an IRIS and keeps the catalogue there."""
        return self.store_url.startswith("iris+emb:")

    @cached_property
    def messages_url(self) -> str:
        """SQLAlchemy URL of the host's messages, which are never in an IRIS."""
        own = f"sqlite:///{self.root / 'store' / 'ct.db'}"
        return own if self.store_url.startswith("iris") else self.database_url

    @cached_property
    def password(self) -> str | None:
        """Password of the store's address; None where there is none of its own.

        Raises
        ------
        ConfigError
            If it is said twice, cannot be read, or the address is of a kind that holds its own.
        """
        said, file = self.store_password.get_secret_value(), self.store_password_file
        if not said and file is None:
            return None
        if said and file is not None:
            raise ConfigError("Set one of CT_STORE_PASSWORD and CT_STORE_PASSWORD_FILE, not both.")
        if not self.store_url.startswith("iris://"):
            raise ConfigError(
                "CT_STORE_PASSWORD and CT_STORE_PASSWORD_FILE belong to an address iris://..., "
                "which CT_STORE_URL is not. Unset them."
            )
        if file is None:
            return said
        try:
            return file.expanduser().read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"CT_STORE_PASSWORD_FILE: {file} cannot be read ({type(error).__name__})."
            ) from error

    @cached_property
    def training_python(self) -> str:
        """Interpreter of the training process; inside IRIS this process is none."""
        if self.python is not None:
            return str(self.python.expanduser())
        return "python3" if self.on_iris else sys.executable

    @cached_property
    def tracking_uri(self) -> str:
        """MLflow's address."""
        default = f"sqlite:///{self.root / 'sandbox' / 'mlflow' / 'mlflow.db'}"
        return self.mlflow_tracking_uri or default

    @cached_property
    def lock_path(self) -> Path:
        """File that the running host holds."""
        return self.root / "store" / "host.lock"

    @cached_property
    def default_settings_path(self) -> Path | None:
        """File of the default settings, None for none."""
        if not self.environment:
            return None
        return Path("deploy", "default-settings", f"{self.environment}.json").resolve()

    @cached_property
    def production_dir(self) -> Path:
        """Folder of the productions that were uploaded."""
        return self.root / "production"

    @cached_property
    def api_password(self) -> str:
        """Password of the REST interface, empty for none.

        Raises
        ------
        ConfigError
            If its file cannot be read or holds none.
        """
        path = self.api_password_file
        if path is None:
            return ""
        try:
            password = path.expanduser().read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ConfigError(
                f"CT_API_PASSWORD_FILE {path} cannot be read: {error.strerror}."
            ) from error
        if not password:
            raise ConfigError(f"CT_API_PASSWORD_FILE {path} is empty; write a password into it.")
        return password

    @cached_property
    def who(self) -> str:
        """Who acts."""
        return self.actor or getpass.getuser()


def load_settings(home: Path | str | None = None) -> Settings:
    """Read the settings; ``home`` wins over ``CT_HOME``.

    Raises
    ------
    ConfigError
        With one line for each wrong variable.
    """
    try:
        return Settings(home=Path(home)) if home is not None else Settings()
    except ValidationError as error:
        lines = [
            f"  CT_{'.'.join(str(part) for part in detail['loc']).upper()}"
            f" = {detail['input']!r}: {detail['msg']}"
            for detail in error.errors(include_url=False)
        ]
        raise ConfigError("Settings are wrong:\n" + "\n".join(lines)) from error

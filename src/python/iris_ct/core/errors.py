"""The whole error tree; each branch says what the reader of the message can do.

::

    CTError
      ConfigError                 fix a setting or a model file and start again
        SpecificationError        fix models/<name>.toml; names key, value and what is allowed
        UnknownModelError         the name is no model of this home
        SourceError               a declared table is not there, or not as the model file says
        ServiceRuleError          a service or a package is asked for against its rules
      DataError                   quarantine the batch or refuse the file
        SchemaMismatchError       columns are missing
        UnreadableFileError       the file is no CSV, gzip CSV or Parquet, or is damaged
        InsufficientDataError     too few rows; says how many are needed
        RowsRefusedError          rows to predict are not as declared; names row, column, reason
        WireError                 a request does not follow its protocol
      ModelError                  keep the champion
        TrainingFailedError       the training process ended without a model
        TrainingCancelledError    someone cancelled the training
        IncompatibleModelError    a model and its inputs do not fit together
        NoChampionError           nothing serves yet
      RegistryError               look at MLflow
        ModelVersionNotFoundError
      ServiceError                ask for another service or package, or as someone else
        UnknownServiceError       there is no such service, package or author
        UnknownTokenError         there is no token of that name
        NameTakenError            there is one of that name already
        NotReadyError             a model is being packaged, could not be, or is in use
        NotInCatalogueError       a service names a model that is not there
        NotAllowedError           who asks may not
        PackageRefusedError       a package is damaged, or not signed by a registered author
      ServiceCallError            look at what the gateway that was asked has said
      StoreError                  look at the store
        ConflictError             someone else changed the same thing first
        IntegrityError            a stored fact is not what its digest says
      TransientError              try again later
        StoreUnavailableError
        JournalFullError          predictions wait to be logged, and no more may
        SourceUnavailableError    the database of a declared table does not answer
        RegistryUnavailableError

Exit codes and HTTP status codes are tables at the edges, never attributes here.
"""

from __future__ import annotations


class CTError(Exception):
    """Root of all errors of the product; the message alone must tell what to do."""


class ConfigError(CTError):
    """A setting is missing or wrong."""


class SpecificationError(ConfigError):
    """A model file breaks a rule."""


class UnknownModelError(ConfigError):
    """There is no model of that name."""


class SourceError(ConfigError):
    """A declared table cannot be read as the model file says."""


class ServiceRuleError(ConfigError):
    """A name, a weight, a number of instances or a set of options breaks a rule."""


class DataError(CTError):
    """Data that must not flow on."""


class SchemaMismatchError(DataError):
    """A file lacks columns of the specification."""


class UnreadableFileError(DataError):
    """A file cannot be parsed at all."""


class InsufficientDataError(DataError):
    """Too few rows for what was asked."""


class ModelError(CTError):
    """A model cannot be made or used; the champion stays."""


class TrainingFailedError(ModelError):
    """The training process ended without a model."""


class TrainingCancelledError(ModelError):
    """Someone cancelled the training."""


class IncompatibleModelError(ModelError):
    """A model and the rows given to it do not fit together."""


class NoChampionError(ModelError):
    """No model version serves yet."""


class RegistryError(CTError):
    """The model registry refused or lacks something."""


class ModelVersionNotFoundError(RegistryError):
    """That version was never made."""


class ServiceError(CTError):
    """What was asked about a service or a package cannot be."""


class UnknownServiceError(ServiceError):
    """There is no such service, package or author."""


class UnknownTokenError(ServiceError):
    """There is no token of that name."""


class NameTakenError(ServiceError):
    """There is a service, package or author of that name already."""


class NotReadyError(ServiceError):
    """A model is being packaged, could not be packaged, or is in use."""


class NotInCatalogueError(ServiceError):
    """A service names a model that is not in the catalogue, or cannot be served."""


class NotAllowedError(ServiceError):
    """Who asks may not do that."""


class PackageRefusedError(ServiceError):
    """A package is damaged, or not signed by a registered author."""


class StoreError(CTError):
    """The store refused something."""


class ConflictError(StoreError):
    """Someone else changed the same thing first."""


class IntegrityError(StoreError):
    """A stored fact is not what its digest says."""


class TransientError(CTError):
    """Something outside is away; the same call may succeed later."""


class StoreUnavailableError(TransientError):
    """The database does not answer."""


class JournalFullError(TransientError):
    """The queue of predictions that wait to be logged takes no more."""


class SourceUnavailableError(TransientError):
    """The database of a declared table does not answer."""


class RegistryUnavailableError(TransientError):
    """MLflow does not answer."""

"""Answers messages that carry rows in a format of their own, as NiFi's InvokeModel does."""

from typing import Any

from iop import Category, handler, setting

from iris_ct.components import settings
from iris_ct.components.operations.operation import Operation
from iris_ct.core.errors import ConfigError
from iris_ct.flow.invoke import invoke
from iris_ct.instance import native
from iris_ct.instance.process import this_process
from iris_ct.messages import InvocationAnswered, InvocationRequested


class InvokeModelOperation(Operation):
    """Let the champion of a model score the content of a message; the reply has the same format.

    What a message says itself (model, feature names) wins over the setting. No alert by default:
    who asks for what the model does not take is told so, and no operator need look.
    """

    AlertOnError = settings.alert_on_error(False)

    Model = setting(
        "",
        data_type=str,
        category=Category.BASIC,
        description="Name of the model for messages that name none; empty: each names its own.",
    )
    InputFormat = setting(
        "ndarray",
        data_type=str,
        category=Category.BASIC,
        description="Format of the messages' content and of the replies': binData, strData, "
        "jsonData, ndarray, tensor or tftensor.",
    )
    FeatureNames = setting(
        "",
        data_type=str,
        category=Category.BASIC,
        description="Names of the features, separated by commas, for messages that name none; "
        "empty: the order of the model file.",
    )

    def invoke(self, request: InvocationRequested) -> InvocationAnswered:
        """Reply with the predictions; they are logged as every prediction."""
        model = request.model or str(self.Model or "")
        if not model:
            raise ConfigError(
                "Neither the message nor the setting Model names a model. Set one of them."
            )
        input_format = str(self.InputFormat or "")
        made = invoke(
            self.parts.champions.require(model),
            request.content,
            input_format=input_format,
            feature_names=_names(request.feature_names) or _names(str(self.FeatureNames or "")),
            request_id=request.request_id,
            store=self.parts.store,
            clock=self.parts.clock,
        )
        return InvocationAnswered(
            model,
            made.version,
            input_format,
            made.content,
            ",".join(made.names),
            made.message,
            made.request_id,
        )

    @handler(native.INVOKE_REQUEST)
    def invoke_native(self, request: Any) -> Any:
        """Reply to a ``CT.Msg.InvokeRequest``."""
        answered = self.invoke(native.invocation_requested(request))
        return native.invoke_response(answered, this_process())


def _names(said: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in said.split(",") if name.strip())

"""What requests may say: the original's JSON, read strictly.  A field that is not known is refused, not dropped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

import workflow_manager as wm
from workflow_manager.asl.values import JSON, loads
from workflow_manager.codec import from_wire
from workflow_manager.models import MAX_PAGE_LIMIT


def _no_dots(name: str) -> str:
    if name in (".", ".."):
        raise ValueError("it is part of URLs, where clients leave out . and ..")
    return name


Name = Annotated[
    str,
    Field(pattern=r"^[^/\x00-\x1f]+$", description="Not empty, and no slash, . or .., since it is part of URLs."),
    AfterValidator(_no_dots),
]


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value  # JSON does not tell 1.0 from 1


Version = Annotated[int, BeforeValidator(_whole), Field(ge=-(2**31), lt=2**31)]


class Body(BaseModel):
    """A request body: types are not bent, unknown fields are refused."""

    model_config = ConfigDict(strict=True, extra="forbid")


class FlatState(Body):
    """One state of a definition in the original's first, flat form."""

    name: str
    type: str = "Task"
    next: str = ""
    resource: str = ""
    end: bool = False
    comment: str = ""

    def to_asl(self) -> dict[str, JSON]:
        """The state in the Amazon States Language."""
        fields: dict[str, JSON] = {"Type": self.type}
        given: dict[str, JSON] = {
            "Comment": self.comment,
            "Resource": self.resource,
            "Next": self.next,
            "End": self.end,
        }
        fields.update({name: value for name, value in given.items() if value})
        return fields


class NewDefinition(Body):
    """
    A definition to keep: ``stateMachine`` in the Amazon States Language, or ``startAt`` and ``states`` (flat form).

    What a definition that was read here has besides (``id``, ``version``, ``createdAt``) is accepted and passed over.
    """

    name: Name
    manager: str = Field("", description="Who runs it; the server's default manager if empty.")
    state_machine: dict[str, Any] | None = Field(None, alias="stateMachine")
    start_at: str = Field("", alias="startAt")
    states: list[FlatState] = []
    default_tags: dict[str, str] = Field({}, alias="defaultTags")
    id: str | None = None
    version: Version | None = None
    created_at: str | None = Field(None, alias="createdAt")

    def definition(self, default_manager: str) -> wm.WorkflowDefinition:
        """
        What the store is to keep.

        Raises:
            DefinitionError: the state machine cannot be read.
            InvalidValueError: both forms are given, or none.
        """
        return wm.WorkflowDefinition(
            name=self.name,
            manager=self.manager or default_manager,
            state_machine=wm.StateMachine.from_dict(self._document()),
            default_tags=self.default_tags,
        )

    def _document(self) -> Mapping[str, JSON]:
        if self.state_machine is not None:
            if self.states or self.start_at:
                raise wm.InvalidValueError("definition", "/states", "there is a stateMachine too")
            return self.state_machine
        if not self.states:
            raise wm.InvalidValueError("definition", "/stateMachine", "it is missing, and so are states")
        names = [state.name for state in self.states]
        for index, name in enumerate(names):
            if name in names[:index]:
                raise wm.InvalidValueError("definition", f"/states/{index}/name", f"{name!r} is there twice")
        return {"StartAt": self.start_at, "States": {state.name: state.to_asl() for state in self.states}}


class DefinitionReference(Body):
    """Which definition to start; a negative version is the latest."""

    name: str
    version: Version = 0


class StartWorkflow(Body):
    """A workflow to start."""

    workflow_definition: DefinitionReference = Field(alias="workflowDefinition")
    input: Any = Field(
        None, description='A string is JSON text ("" is {}); any other value, such as an array, is the input itself.'
    )
    namespace: str = ""
    queue: Annotated[str, Field(min_length=1)] = "default"
    tags: dict[str, str] = {}

    def value(self) -> JSON:
        """
        The input.

        Raises:
            InvalidValueError: it is a string, but no JSON text.
        """
        return json_input(self.input)


class Listing(BaseModel):
    """Which workflows to list: the query of ``GET /workflows``."""

    model_config = ConfigDict(extra="forbid")

    definition_name: str = Field(alias="workflowDefinitionName")
    limit: int = Field(10, ge=1, le=MAX_PAGE_LIMIT)
    oldest_first: bool = Field(False, alias="oldestFirst")
    page_token: str | None = Field(None, alias="pageToken")
    status: wm.WorkflowStatus | None = None
    resolved_by_user: bool | None = Field(None, alias="resolvedByUser")
    summary_only: bool = Field(False, alias="summaryOnly")

    def query(self) -> wm.WorkflowQuery:
        """The same for a store."""
        return wm.WorkflowQuery(**self.model_dump())


class Cancel(Body):
    """Why a workflow is cancelled."""

    reason: str = ""


class Resume(Body):
    """Where to resume: a state of the definition, by default the one that failed."""

    start_at: str = Field("", alias="StartAt")
    input: Any = Field(None, description="As for a start; by default what that state was given at its latest visit.")


class Resource(Body):
    """A state resource: what a Task's resource means in a namespace."""

    name: Name
    namespace: str = ""
    uri: str = ""
    type: str = wm.ResourceType.JOB_DEFINITION_ARN.value
    last_updated: str | None = Field(None, alias="lastUpdated")

    def resource(self) -> wm.StateResource:
        """
        What the store is to keep.

        Raises:
            InvalidValueError: its type is unknown, or names code of this machine: that is nothing for strangers.
        """
        if self.type in _CODE or self.uri.startswith(("python:", "exec:")):
            raise wm.InvalidValueError("StateResource", "/uri", "functions and commands are registered in Python only")
        return from_wire(wm.StateResource, self.model_dump(include={"name", "namespace", "uri", "type"}))


_CODE = frozenset({wm.ResourceType.PYTHON, wm.ResourceType.COMMAND})


def json_input(given: Any) -> JSON:
    """The JSON value that *given* stands for: see :class:`StartWorkflow`."""
    if given is None or given == "":
        return {}
    if not isinstance(given, str):
        return given  # type: ignore[no-any-return]
    try:
        return loads(given)
    except ValueError as error:
        raise wm.InvalidValueError("input", "", f"it is not JSON text: {error}") from None
